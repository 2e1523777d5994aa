"""`/ws/conversation` as its clients use it: real sockets, human speech, the local stages."""

import asyncio

import jiwer
import pytest

from orchestrator.gateway.audio import InputFormat
from tests.clients.conversation import PATH, ConversationClient, RawConversationClient
from tests.clients.recording import RATE_HZ, likeness
from tests.clients.sockets import CHUNK_BYTES, Message
from tests.integration.gateway.doors import Doors
from tests.integration.gateway.sounds import GO_FORWARD, chromium_frames, clip, synthesised
from tests.unit.orchestrator.gateway.recordings import as_sent, cuts, speech

QUESTION = "How many days do I have to send something back?"
FASTER = 4.0
"""Push-to-talk need not be as slow as speech."""

JITTER_S = 0.1
"""Sockets and a busy machine."""


def final_words(turn: list[Message]) -> str:
    """The final transcript of a turn."""
    finals = [m for m in turn if m.type == "transcript" and m["is_final"]]
    assert len(finals) == 1
    assert 0 <= finals[0]["confidence"] <= 1
    return str(finals[0]["text"])


def of_types(turn: list[Message], *types: str) -> list[Message]:
    return [message for message in turn if message.type in types]


async def test_a_spoken_turn_and_another_on_the_same_connection(doors: Doors) -> None:
    """Catches messages that are missing or out of order, and a second turn that is not heard."""
    async with await ConversationClient.connect(doors.url + PATH) as client:
        ready = await client.ready()
        assert ready["audio_config"] == {
            "language_code": "en-US",
            "sample_rate_hertz": 16_000,
            "encoding": "LINEAR16",
            "channels": 1,
        }
        assert len(ready["session_id"]) >= 128 / 4
        for _ in range(2):
            began = len(client.messages)
            await client.speak(clip("go-forward"), pace=FASTER)
            turn = await client.turn(after=began)
            assert jiwer.wer(GO_FORWARD, final_words(turn)) <= 0.25
            order = [name for name in client.types(began) if name != "audio_chunk_tts"]
            # there may be interim transcripts, and a second `rag_response`
            processing = order.index("state_update:processing")
            assert set(order[:processing]) <= {"state_update:listening", "transcript"}
            assert list(dict.fromkeys(order[processing:])) == [
                "state_update:processing",
                "transcript",
                "rag_response",
                "state_update:speaking",
                "complete",
                "state_update:idle",
            ]
            chunks = of_types(turn, "audio_chunk_tts")
            assert [chunk["chunk_index"] for chunk in chunks] == list(range(len(chunks)))
            assert [c["is_final_chunk"] for c in chunks] == [False] * (len(chunks) - 1) + [True]
            assert all(message["timestamp"].endswith("Z") for message in turn)
            previous = "idle"
            for state in of_types(turn, "state_update"):
                assert state["previous_state"] == previous
                previous = state["state"]


async def test_what_is_heard_is_what_was_synthesised(doors: Doors) -> None:
    """Catches chunks that are late, that overlap, or that were spoiled on the way."""
    async with await ConversationClient.connect(doors.url + PATH) as client:
        await client.ready()
        await client.send("text", text=QUESTION)
        turn = await client.turn()
        answer = of_types(turn, "rag_response")[-1]
        heard = client.recording
    names = [name for name in client.types() if name in ("rag_response", "audio_chunk_tts")]
    assert names[0] == "rag_response"
    assert isinstance(answer["sources"], list)
    assert answer["sources"], "the documents hold the answer"
    assert set(answer["sources"][0]) == {
        *("filename", "chunk_index", "similarity_score", "preview")
    }
    assert len(heard.played) > 1, "an answer of several sentences"
    assert heard.overlap_s() < JITTER_S
    assert max(heard.gaps_s()) < JITTER_S * 3
    by_itself = await synthesised(doors.machine, answer["text"])
    assert likeness(by_itself, heard.one_after_another()) > 0.95
    # the last chunk may be silence
    assert heard.length_s() == pytest.approx(len(by_itself) / RATE_HZ, abs=0.2)


@pytest.mark.parametrize("container", ["webm", "mp4"])
async def test_what_a_browser_records(doors: Doors, container: str) -> None:
    """Catches a MediaRecorder whose last frame, after `audio_end`, is lost or begins a turn."""
    frames = chromium_frames(container)
    async with await RawConversationClient.connect(
        doors.url + PATH, audio_format="pcm", pacing="none"
    ) as client:
        await client.ready()
        for _ in range(2 if container == "webm" else 1):
            began = len(client.messages)
            await client.send_audio(frames[:-1], every_s=0.1 / FASTER)
            await client.end()
            await client.socket.send(frames[-1])
            turn = await client.turn(after=began)
            assert jiwer.wer(GO_FORWARD, final_words(turn)) <= 0.25
            assert client.types(began).count("state_update:listening") == 1
            assert of_types(turn, "audio_chunk_tts")


@pytest.mark.parametrize("source", [InputFormat.WAV, InputFormat.OGG, InputFormat.MP4])
async def test_other_containers(doors: Doors, source: InputFormat) -> None:
    """Catches a container that is taken for samples."""
    data = as_sent(source, speech("go-forward"))
    async with await RawConversationClient.connect(
        doors.url + PATH, audio_format="pcm", pacing="none"
    ) as client:
        await client.ready()
        await client.send_audio(cuts(data, CHUNK_BYTES // 4), every_s=0.002)
        await client.end()
        turn = await client.turn()
        assert jiwer.wer(GO_FORWARD, final_words(turn)) <= 0.25


async def test_audio_in_every_format_is_the_same(doors: Doors) -> None:
    """Catches a format whose samples are not what the others play."""
    heard = {}
    for audio_format in ("pcm", "wav", "mp3"):
        kind = RawConversationClient if audio_format == "pcm" else ConversationClient
        async with await kind.connect(
            doors.url + PATH, audio_format=audio_format, pacing="none"
        ) as client:
            await client.ready()
            await client.send("text", text=QUESTION)
            await client.turn()
            heard[audio_format] = client.recording.one_after_another()
    assert likeness(heard["pcm"], heard["wav"]) > 0.999
    assert likeness(heard["pcm"], heard["mp3"]) > 0.95
    assert len(heard["wav"]) == pytest.approx(len(heard["mp3"]), abs=1600)


async def test_talking_over_the_answer_begins_the_next_turn(doors: Doors) -> None:
    """Catches an answer that plays on over the user, or a turn that is thrown away."""
    async with await ConversationClient.connect(doors.url + PATH) as client:
        await client.ready()
        await client.send("text", text=QUESTION)
        await client.until("audio_chunk_tts")
        await asyncio.sleep(0.6)
        cut_at = len(client.messages)
        await client.speak(clip("go-forward"), pace=FASTER)
        turn = await client.turn(after=cut_at)
        assert client.types(cut_at)[:4] == [
            "audio_chunk_tts",
            "complete",
            "state_update:idle",
            "state_update:listening",
        ]
        assert turn[0]["is_final_chunk"] is True
        later = len(client.messages)
        await client.until(lambda m: m.type == "complete", after=cut_at + 3)
        turn = client.messages[cut_at + 3 :]
        assert jiwer.wer(GO_FORWARD, final_words(turn)) <= 0.25
        assert later <= len(client.messages)


async def test_the_history_is_taken_up_again(doors: Doors) -> None:
    """Catches a session that begins anew for a client that comes back, and ids that are guessed."""
    async with await ConversationClient.connect(doors.url + PATH, pacing="none") as client:
        session_id = (await client.ready())["session_id"]
        await client.send("text", text=QUESTION)
        await client.turn()
    async with await ConversationClient.connect(doors.url + PATH, session_id=session_id) as client:
        assert (await client.ready())["session_id"] == session_id
        history = doors.redis.client.hget(f"majlis:door:{session_id}", "history")
        assert QUESTION in str(history)
    async with await ConversationClient.connect(
        doors.url + PATH, session_id="conversation_00000000000000000000000000000000"
    ) as client:
        fresh = (await client.ready())["session_id"]
        assert fresh not in (session_id, "conversation_00000000000000000000000000000000")


async def test_an_opening_line_is_spoken_where_it_is_asked_for(doors: Doors) -> None:
    """Catches a greeting that nobody asked for, or one that is not spoken."""
    async with await ConversationClient.connect(
        doors.url + PATH, opening_line="Hello%20there.", pacing="none"
    ) as client:
        await client.ready()
        await client.turn()
        assert client.recording.length_s() > 0.5
    async with await ConversationClient.connect(doors.url + PATH) as client:
        await client.ready()
        await asyncio.sleep(0.5)
        assert len(client.messages) == 1
