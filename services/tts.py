"""`python -m services.tts`: speech from the machine's own synthesiser, over WebSocket."""

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, assert_never

from livekit.agents import APIConnectOptions, APIError, tts
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from agent.settings import AgentSettings
from agent.stages.local.sentences import SentenceSplitter
from agent.stages.providers import LOCAL, Request
from agent.stages.services.messages import (
    MAX_SEGMENT_CHARACTERS,
    TTS_REQUESTS,
    CancelSegment,
    ErrorCode,
    FlushText,
    SegmentEnded,
    SegmentStarted,
    SentenceStarted,
    Speaking,
    SpeakText,
    StartSpeaking,
    TtsRequest,
)
from agent.stages.voices import resolve_voice
from services.access import Access
from services.channel import Channel, PeerFailed, PeerGone
from services.engine import SYNTHESIZER, running
from services.program import Application, Service, main

MAX_SEGMENTS_AHEAD = 16
"""So many segments may wait to be spoken."""

_ONE_RETRY = APIConnectOptions(max_retry=1, retry_interval=1.0, timeout=5.0)
"""The engine is on this machine; whoever asks the service has retries of their own."""

_Channel: TypeAlias = Channel[TtsRequest]


@dataclass(slots=True)
class _Segment:
    """What is to be spoken together."""

    number: int
    splitter: SentenceSplitter = field(default_factory=SentenceSplitter)
    sentences: deque[str] = field(default_factory=deque)
    characters: int = 0
    complete: bool = False
    cancelled: bool = False


class Script:
    """What is still to be spoken: segments in order. Pure but for the event that tells of more.

    Raises `PeerFailed` when the peer breaks the rules.
    """

    def __init__(self) -> None:
        self._segments: deque[_Segment] = deque()
        self._last = -1
        self.changed = asyncio.Event()

    def take(self, request: SpeakText | FlushText | CancelSegment) -> None:
        """The peer wants more, or less."""
        segment = self._find(request.segment)
        if segment is None:
            return
        match request:
            case SpeakText(text=text):
                self._add(segment, text)
            case FlushText():
                segment.sentences.extend(segment.splitter.flush())
                segment.complete = True
            case CancelSegment():
                segment.sentences.clear()
                segment.complete = segment.cancelled = True
            case _:
                assert_never(request)
        self.changed.set()

    @property
    def current(self) -> _Segment | None:
        """The segment that is spoken now."""
        return self._segments[0] if self._segments else None

    def next_done(self) -> None:
        """The current segment is spoken."""
        self._segments.popleft()

    def _find(self, number: int) -> _Segment | None:
        """The segment of that number, a new one if need be; None where it is over already."""
        for segment in self._segments:
            if segment.number == number:
                return segment
        if number <= self._last:
            return None
        if len(self._segments) >= MAX_SEGMENTS_AHEAD:
            raise PeerFailed(ErrorCode.TOO_LARGE, f"over {MAX_SEGMENTS_AHEAD} segments ahead")
        self._last = number
        self._segments.append(_Segment(number))
        return self._segments[-1]

    def _add(self, segment: _Segment, text: str) -> None:
        if segment.complete:
            return
        segment.characters += len(text)
        if segment.characters > MAX_SEGMENT_CHARACTERS:
            raise PeerFailed(
                ErrorCode.TOO_LARGE, f"a segment of over {MAX_SEGMENT_CHARACTERS} characters"
            )
        segment.sentences.extend(segment.splitter.push(text))


def make(settings: AgentSettings, access: Access) -> Application:
    """The synthesis service."""
    own: list[AgentSettings] = []

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        async with running(SYNTHESIZER, settings) as found:
            own.append(found)
            yield

    async def health() -> dict[str, object]:
        told: dict[str, object] = {"model": "espeak-ng"}
        if not own or not own[0].synthesizer_socket.is_socket():
            told["status"] = "unhealthy"
        return told

    async def speak(socket: WebSocket) -> None:
        if (refusal := access.refusal(socket)) is not None:
            await socket.send_denial_response(refusal)
            return
        with access.place():
            await socket.accept()
            channel: _Channel = Channel(socket, TTS_REQUESTS)
            try:
                await _speak(channel, own[0])
            except PeerFailed as error:
                await channel.fail(error)
            except PeerGone:
                """There is nobody to tell."""

    return Application((WebSocketRoute("/v1/speak", speak),), life, health)


async def _speak(channel: _Channel, settings: AgentSettings) -> None:
    start = await channel.start()
    if not isinstance(start, StartSpeaking):
        raise PeerFailed(ErrorCode.INVALID_MESSAGE, "the first message must be `start`")
    gender = start.gender or settings.tts_voice_gender
    voice = resolve_voice(start.voice, start.language, gender)
    request = Request(settings, start.language, voice, "")
    synthesizer = None if LOCAL.speech is None else LOCAL.speech.build(request)
    if synthesizer is None:
        raise PeerFailed(ErrorCode.UNSUPPORTED_LANGUAGE, "nobody speaks that language here")
    await channel.send(Speaking(synthesizer.sample_rate, voice.name, synthesizer.model))
    script = Script()
    tasks = {
        asyncio.create_task(_read(channel, script), name="tts.read"),
        asyncio.create_task(_say_all(channel, script, synthesizer), name="tts.say"),
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _read(channel: _Channel, script: Script) -> None:
    """Ends only by an error."""
    while True:
        message = await channel.receive()
        if isinstance(message, bytes | StartSpeaking):
            raise PeerFailed(ErrorCode.INVALID_MESSAGE, "only `text`, `flush` and `cancel` now")
        script.take(message)


async def _say_all(channel: _Channel, script: Script, synthesizer: tts.TTS[Any]) -> None:
    """Ends only by an error."""
    while True:
        segment = script.current
        if segment is None:
            script.changed.clear()
            await script.changed.wait()
            continue
        await channel.send(SegmentStarted(segment.number))
        said_s = await _say_segment(channel, script, segment, synthesizer)
        await channel.send(SegmentEnded(segment.number, round(said_s, 3), segment.cancelled))
        script.next_done()


async def _say_segment(
    channel: _Channel, script: Script, segment: _Segment, synthesizer: tts.TTS[Any]
) -> float:
    said_s = 0.0
    while True:
        if segment.sentences:
            sentence = segment.sentences.popleft()
            if sentence.strip():
                await channel.send(SentenceStarted(segment.number, sentence, round(said_s, 3)))
                said_s += await _say(channel, segment, sentence, synthesizer)
        elif segment.complete:
            return said_s
        else:
            script.changed.clear()
            await script.changed.wait()


async def _say(
    channel: _Channel, segment: _Segment, sentence: str, synthesizer: tts.TTS[Any]
) -> float:
    """Send the sentence's audio, until it is over or not wanted; how much there was, in seconds."""
    said_s = 0.0
    try:
        async with synthesizer.synthesize(sentence, conn_options=_ONE_RETRY) as stream:
            async for audio in stream:
                if segment.cancelled:
                    break
                await channel.send_audio(audio.frame.data.tobytes())
                said_s += audio.frame.duration
    except APIError as error:
        raise PeerFailed(ErrorCode.STAGE_FAILED, "the synthesiser failed") from error
    return said_s


SERVICE = Service("tts", 8003, make)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
