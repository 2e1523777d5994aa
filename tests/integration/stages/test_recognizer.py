"""PocketSphinx behind its server, as livekit-agents uses it."""

import asyncio
import os
import signal
import tempfile
from pathlib import Path

import pytest
from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, stt

from agent.settings import AgentSettings
from agent.stages.local.recognizer import LocalSTT
from tests.integration.stages.conftest import Server, frames, machine_in, speech, start_server

Kind = stt.SpeechEventType
ONCE = APIConnectOptions(max_retry=0, timeout=10)
SILENCE = bytes(16_000 * 2)


def make(machine: AgentSettings) -> LocalSTT:
    return LocalSTT(machine.recognizer_socket, language="en-US", timeout_s=20)


async def hear(recognizer: LocalSTT, pcm: bytes, rate_hz: int = 16_000) -> list[stt.SpeechEvent]:
    """The events of a stream that hears `pcm` and then ends."""
    async with recognizer.stream(conn_options=ONCE) as stream:
        for frame in frames(pcm, rate_hz):
            stream.push_frame(frame)
        stream.end_input()
        return [event async for event in stream]


def finals(events: list[stt.SpeechEvent]) -> list[str]:
    return [event.alternatives[0].text for event in events if event.type == Kind.FINAL_TRANSCRIPT]


@pytest.mark.usefixtures("recognizer")
async def test_hears_a_command_with_events_in_order(machine: AgentSettings) -> None:
    """Catches words lost at the gate, and events in an order that the session misreads."""
    events = await hear(make(machine), SILENCE + speech("go-forward") + SILENCE)
    kinds = [event.type for event in events]
    assert kinds[0] == Kind.START_OF_SPEECH
    assert Kind.INTERIM_TRANSCRIPT in kinds
    first_final = kinds.index(Kind.FINAL_TRANSCRIPT)
    assert kinds[first_final:][:3] == [
        Kind.FINAL_TRANSCRIPT,
        Kind.END_OF_SPEECH,
        Kind.RECOGNITION_USAGE,
    ]
    assert " ".join(finals(events)).split()[:3] == ["go", "forward", "ten"]


@pytest.mark.usefixtures("recognizer")
async def test_silence_is_not_recognised(machine: AgentSettings) -> None:
    """Catches silence that becomes "please"; the end of input is answered by nothing said."""
    events = await hear(make(machine), SILENCE * 3)
    assert finals(events) in ([], [""])
    assert Kind.START_OF_SPEECH not in [event.type for event in events]


@pytest.mark.usefixtures("recognizer")
async def test_takes_the_rate_of_a_room(machine: AgentSettings) -> None:
    """Catches 48 kHz audio that is heard three times too slow."""
    resampler = rtc.AudioResampler(16_000, 48_000)
    pcm = SILENCE + speech("go-forward") + SILENCE
    louder = b"".join(
        part.data.tobytes() for frame in frames(pcm) for part in resampler.push(frame)
    )
    events = await hear(make(machine), louder, rate_hz=48_000)
    assert "forward" in " ".join(finals(events))


@pytest.mark.usefixtures("recognizer")
async def test_a_flush_ends_the_utterance_at_once(machine: AgentSettings) -> None:
    """Catches a committed turn that waits for silence to come."""
    async with make(machine).stream(conn_options=ONCE) as stream:
        pcm = SILENCE + speech("go-forward")
        for frame in frames(pcm[: len(pcm) * 3 // 4]):
            stream.push_frame(frame)
        stream.flush()
        async with asyncio.timeout(20):
            async for event in stream:
                if event.type == Kind.FINAL_TRANSCRIPT:
                    break
        assert event.alternatives[0].text
        stream.flush()
        async with asyncio.timeout(20):
            async for event in stream:
                if event.type == Kind.FINAL_TRANSCRIPT:
                    break
        assert event.alternatives[0].text == ""


@pytest.mark.usefixtures("recognizer")
async def test_a_flush_is_answered_by_all_that_was_said_before(machine: AgentSettings) -> None:
    """Catches a turn that is committed with its first sentence only, and a next turn with the rest.

    A recording is handed over faster than it is recognised, so both utterances wait.
    """
    async with make(machine).stream(conn_options=ONCE) as stream:
        for frame in frames(speech("go-forward") + SILENCE * 2 + speech("go-forward")):
            stream.push_frame(frame)
        stream.flush()
        async with asyncio.timeout(20):
            first = await anext(e async for e in stream if e.type == Kind.FINAL_TRANSCRIPT)
    assert first.alternatives[0].text.split().count("forward") == 2


@pytest.mark.usefixtures("recognizer")
async def test_recognises_a_whole_recording(machine: AgentSettings) -> None:
    """Catches `recognize`, which a fallback adapter uses, differing from the stream."""
    [frame] = [rtc.AudioFrame(pcm := speech("go-forward"), 16_000, 1, len(pcm) // 2)]
    event = await make(machine).recognize([frame], conn_options=ONCE)
    assert event.alternatives[0].text.startswith("go forward")
    assert 0 <= event.alternatives[0].confidence <= 1


@pytest.mark.usefixtures("recognizer")
async def test_streams_do_not_share_anything(machine: AgentSettings) -> None:
    """Catches two callers hearing each other."""
    pcm = SILENCE + speech("go-forward") + SILENCE
    both = await asyncio.gather(*(hear(make(machine), pcm) for _ in range(2)))
    assert finals(both[0]) == finals(both[1])


async def test_a_killed_child_loses_nothing_that_was_said(
    machine: AgentSettings, recognizer: Server
) -> None:
    """Catches an utterance that is lost with the process that heard it."""
    options = APIConnectOptions(max_retry=3, retry_interval=0.2, timeout=10)
    pcm = SILENCE + speech("go-forward") + SILENCE
    async with make(machine).stream(conn_options=options) as stream:
        for frame in frames(pcm[: len(pcm) // 2]):
            stream.push_frame(frame)
        async with asyncio.timeout(20):
            async for event in stream:
                if event.type == Kind.INTERIM_TRANSCRIPT:
                    break
        [child] = await asyncio.to_thread(recognizer.wait_for_children, 1)
        child.kill()
        for frame in frames(pcm[len(pcm) // 2 :]):
            stream.push_frame(frame)
        stream.end_input()
        events = [event async for event in stream]
    assert " ".join(finals(events)).startswith("go forward")


async def test_no_server_is_a_connection_error(machine: AgentSettings) -> None:
    """Catches an error that livekit-agents would not retry."""
    nowhere = LocalSTT(machine.run_dir / "nobody.sock", language="en-US")
    with pytest.raises(APIConnectionError) as caught:
        await hear(nowhere, SILENCE)
    assert caught.value.retryable


async def test_children_of_a_killed_parent_serve_to_the_end() -> None:
    """Catches callers that lose their recogniser when its parent is killed with -9."""
    with tempfile.TemporaryDirectory(prefix="mj") as folder:
        machine = machine_in(Path(folder))
        env = {"RUN_DIR": str(machine.run_dir), "DATA_DIR": str(machine.data_dir)}
        server = start_server("recognizer_server", machine.recognizer_socket, env)
        successor = None
        try:
            async with make(machine).stream(conn_options=ONCE) as stream:
                [child] = await asyncio.to_thread(server.wait_for_children, 1)
                os.kill(server.process.pid, signal.SIGKILL)
                server.process.wait()
                successor = await asyncio.to_thread(
                    start_server, "recognizer_server", machine.recognizer_socket, env
                )
                for frame in frames(SILENCE + speech("go-forward") + SILENCE):
                    stream.push_frame(frame)
                stream.end_input()
                events = [event async for event in stream]
            assert " ".join(finals(events)).startswith("go forward")
            await asyncio.to_thread(child.wait, 5)
        finally:
            for one in (server, successor):
                if one is not None:
                    if one.process.poll() is None:
                        one.stop()
                    if one.process.stderr is not None:
                        one.process.stderr.close()
