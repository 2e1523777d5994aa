"""`/orchestrate` as its clients use it: an open microphone, barge-in and human speech."""

import asyncio
import json

import jiwer
import pytest

from tests.clients.orchestrate import PATH, OrchestrateClient, RawOrchestrateClient
from tests.clients.recording import RATE_HZ, likeness
from tests.clients.sockets import Message
from tests.integration.gateway.doors import Doors
from tests.integration.gateway.sounds import GO_FORWARD, clip, synthesised
from tests.integration.gateway.test_conversation import JITTER_S, QUESTION

SHORT = "Is there a fee?"
QUIET_S = 0.7
"""Silence after the words, by which the server knows that the turn is over."""


class SilentOnPlayback(OrchestrateClient):
    """Never says `playback_done`."""

    says_done = False


def is_final(message: Message) -> bool:
    return message.type == "audio_chunk" and bool(message["is_final"])


async def test_a_spoken_turn(doors: Doors) -> None:
    """Catches a turn whose end is not found, and sound that is late, spoiled or out of order."""
    async with await OrchestrateClient.connect(doors.url + PATH) as client:
        ready = await client.ready()
        assert ready["session_id"].startswith("auto_session_")
        assert len(ready["session_id"]) >= len("auto_session_") + 22
        await client.start()
        await client.state("listening")
        await client.speak(clip("go-forward"))
        said = await client.until(lambda m: m.type == "transcript" and m["is_final"])
        assert jiwer.wer(GO_FORWARD, said["text"]) <= 0.25
        await client.state("thinking")
        speaking = await client.state("speaking")
        last = await client.until(is_final)
        assert not last.fields.get("audio")
        await client.state("listening", after=client.messages.index(last))
        texts = [m for m in client.messages if m.type == "agent_response"]
        chunks = [m for m in client.messages if m.type == "audio_chunk"]
        assert client.messages.index(texts[0]) < client.messages.index(speaking)
        assert client.messages.index(speaking) < client.messages.index(chunks[0])
        assert all(text["is_streaming"] is True for text in texts)
        assert len({chunk["chunk_id"] for chunk in chunks}) == len(chunks)
        assert all(isinstance(m["timestamp"], float) for m in client.messages)
        heard = client.recording
    assert heard.overlap_s() == 0
    assert max(heard.gaps_s(), default=0.0) < JITTER_S * 3
    by_itself = await synthesised(doors.machine, " ".join(text["text"] for text in texts))
    assert likeness(by_itself, heard.one_after_another()) > 0.95
    assert heard.length_s() == pytest.approx(len(by_itself) / RATE_HZ, abs=0.2)


async def test_interrupting_by_message(doors: Doors) -> None:
    """Catches sound after the `stop`, and a history that holds what nobody heard."""
    async with await OrchestrateClient.connect(doors.url + PATH) as client:
        session_id = (await client.ready())["session_id"]
        await client.start()
        await client.send("text", text=QUESTION)
        await client.until("audio_chunk")
        await asyncio.sleep(0.5)
        before = len(client.messages)
        await client.interrupt()
        await client.until("playback_control", after=before)
        await asyncio.sleep(0.5)
        assert [name for name in client.types(before) if name != "transcript"] == [
            "playback_control:stop",
            "state_update:interrupt",
            "state_update:listening",
        ]
        assert client.messages[before]["reason"] == "user_interrupt"

        again = len(client.messages)
        await client.interrupt()
        await client.until("playback_control", after=again)
        texts = [m["text"] for m in client.messages if m.type == "agent_response"]
        await client.send("text", text=SHORT)
        await client.until("audio_chunk", after=again)
        assert client.types(again)[0] == "playback_control:stop"
    history = json.loads(str(doors.redis.client.hget(f"majlis:door:{session_id}", "history")))
    cut_off = next(turn for turn in history if turn["role"] == "assistant")
    assert cut_off["interrupted"] is True
    assert 0 < len(cut_off["text"]) < len(" ".join(texts)) / 2


async def test_interrupting_by_voice(doors: Doors) -> None:
    """Catches an agent that talks on over the user, or that forgets what interrupted it."""
    async with await OrchestrateClient.connect(doors.url + PATH) as client:
        await client.ready()
        await client.start()
        await client.send("text", text=QUESTION)
        await client.until("audio_chunk")
        before = len(client.messages)
        await client.speak(clip("go-forward"))
        stop = await client.until("playback_control", after=before)
        at = client.messages.index(stop)
        assert client.types(at)[:3] == [
            "playback_control:stop",
            "state_update:interrupt",
            "state_update:listening",
        ]
        said = await client.until(lambda m: m.type == "transcript" and m["is_final"], after=at)
        assert jiwer.wer(GO_FORWARD, said["text"]) <= 0.5
        assert "audio_chunk" not in client.types(at)[: client.messages.index(said) - at]
        await client.until("audio_chunk", after=at)


async def test_a_client_that_never_says_that_it_has_played(doors: Doors) -> None:
    """Catches a conversation that waits for ever in `speaking`."""
    async with await SilentOnPlayback.connect(
        doors.url + PATH, pacing="none", opening_line="Hello."
    ) as client:
        await client.ready()
        last = await client.until(is_final)
        given_up = await client.state("listening", after=client.messages.index(last))
        assert given_up.at_s > client.recording.until_s()


async def test_bare_samples_at_another_rate(doors: Doors) -> None:
    """Catches samples at the rate of somebody else's wish."""
    lengths = {}
    for rate_hz in (8_000, 16_000):
        async with await RawOrchestrateClient.connect(
            doors.url + PATH, audio_format="pcm", sample_rate=rate_hz, pacing="none"
        ) as client:
            await client.ready()
            await client.send("text", text=SHORT)
            last = await client.until(is_final)
            chunks = client.messages[: client.messages.index(last)]
            size = sum(len(m.fields["audio"]) for m in chunks if m.type == "audio_chunk")
            lengths[rate_hz] = size
    assert lengths[16_000] == pytest.approx(2 * lengths[8_000], rel=0.02)


async def test_a_lost_connection_is_taken_up(doors: Doors) -> None:
    """Catches a session that is lost with its connection."""
    async with await OrchestrateClient.connect(doors.url + PATH, pacing="none") as client:
        session_id = (await client.ready())["session_id"]
        await client.send("text", text=SHORT)
        await client.until(is_final)
        client.socket.transport.abort()
        await client.until_closed()
    async with await OrchestrateClient.connect(
        doors.url + PATH, session_id=session_id, pacing="none"
    ) as client:
        assert (await client.ready())["session_id"] == session_id
        await client.until("state_update")
        assert client.types()[:2] == ["session_ready", "state_update:listening"]
        assert SHORT in str(doors.redis.client.hget(f"majlis:door:{session_id}", "history"))


async def test_asking_for_the_state_and_ending(doors: Doors) -> None:
    """Catches a client that cannot find out where it is, or cannot go."""
    async with await OrchestrateClient.connect(doors.url + PATH) as client:
        await client.ready()
        await client.start()
        await client.state("listening")
        before = len(client.messages)
        await client.send("state_sync_request")
        assert (await client.state("listening", after=before)).fields
        await client.send("end_session")
        code, _ = await client.until_closed()
        assert code == 1000
