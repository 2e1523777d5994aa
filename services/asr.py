"""`python -m services.asr`: recognition by the machine's own recogniser, over WebSocket."""

import asyncio
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias, assert_never

from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, stt
from livekit.agents.types import TimedString
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from agent.settings import AgentSettings
from agent.stages.providers import LOCAL, Request
from agent.stages.services.messages import (
    ASR_REQUESTS,
    AsrReply,
    AsrRequest,
    AudioEnded,
    EndAudio,
    ErrorCode,
    FlushAudio,
    Listening,
    SpeechEnded,
    SpeechStarted,
    StartListening,
    Transcript,
    Word,
)
from agent.stages.voices import resolve_voice
from services.access import Access
from services.channel import Channel, PeerFailed, PeerGone
from services.engine import RECOGNIZER, running
from services.program import Application, Service, main

BURST_S = 90.0
"""So much audio may come at once, as after a lost connection; then it is read at `PACE`."""
BURST_PACE = 50.0
PACE = 2.0
"""Seconds of audio that are read in one second: of the burst, and after it."""
_REMEMBERED = 4096
PRE_ROLL_S = 0.6
"""An utterance may have begun so much before its detector was sure of it."""

_ONE_RETRY = APIConnectOptions(max_retry=1, retry_interval=1.0, timeout=5.0)
"""The engine is on this machine; whoever asks the service has retries of their own."""

_Channel: TypeAlias = Channel[AsrRequest]


class Pace:
    """Keeps a peer from sending faster than is recognised: by waiting, never by dropping."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._audio_s = 0.0

    def wait_s(self, audio_s: float) -> float:
        """How long to wait after so much more audio."""
        self._audio_s += audio_s
        return max(0.0, (self._audio_s - BURST_S) / PACE - (self._clock() - self._began))


class Positions:
    """Where in the audio of a connection things happen, of what the stage tells in wall time."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.heard_s = 0.0
        """How much audio has come."""
        self._history: deque[tuple[float, float]] = deque([(clock(), 0.0)], maxlen=_REMEMBERED)
        """(wall time, how much had come then)."""
        self._starts: list[float] = []
        """Of the utterances that have no final transcript, oldest first."""

    def hear(self, audio_s: float) -> None:
        """More audio has come."""
        self.heard_s += audio_s
        self._history.append((self._clock(), self.heard_s))

    def started(self, told_at: float, began_at: float) -> SpeechStarted:
        """An utterance began, as was told when its audio was looked at."""
        at_s = round(max(0.0, self._heard_by(told_at) - max(0.0, told_at - began_at)), 3)
        self._starts.append(at_s)
        return SpeechStarted(at_s)

    def final(
        self, text: str, confidence: float, words: tuple[Word, ...], ended_at: float
    ) -> Transcript:
        """The transcript of what was said until then."""
        start_s = self._starts.pop(0) if self._starts else self.heard_s
        end_s = max(start_s, self._heard_by(ended_at))
        # what has begun since is not settled, and neither is what nobody is sure of yet
        open_s = self._starts[0] if self._starts else self.heard_s
        return Transcript(
            text,
            is_final=True,
            confidence=confidence,
            words=words,
            start_s=round(start_s, 3),
            end_s=round(end_s, 3),
            settled_s=round(max(end_s, open_s - PRE_ROLL_S), 3),
        )

    def ended(self, ended_at: float) -> SpeechEnded:
        """The utterance ended then."""
        return SpeechEnded(round(self._heard_by(ended_at), 3))

    def _heard_by(self, wall_time: float) -> float:
        """How much audio had come by then."""
        for at, heard_s in reversed(self._history):
            if at <= wall_time:
                return heard_s
        return self._history[0][1]


def make(settings: AgentSettings, access: Access) -> Application:
    """The recognition service."""
    own: list[AgentSettings] = []

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        async with running(RECOGNIZER, settings) as found:
            own.append(found)
            yield

    async def health() -> dict[str, object]:
        told: dict[str, object] = {"model": "pocketsphinx", "languages": _languages()}
        if not own or not own[0].recognizer_socket.is_socket():
            told["status"] = "unhealthy"
        return told

    async def recognize(socket: WebSocket) -> None:
        if (refusal := access.refusal(socket)) is not None:
            await socket.send_denial_response(refusal)
            return
        with access.place():
            await socket.accept()
            channel: _Channel = Channel(socket, ASR_REQUESTS)
            try:
                await _listen(channel, own[0])
                await channel.close()
            except PeerFailed as error:
                await channel.fail(error)
            except PeerGone:
                """There is nobody to tell."""

    return Application((WebSocketRoute("/v1/recognize", recognize),), life, health)


async def _listen(channel: _Channel, settings: AgentSettings) -> None:
    start = await channel.start()
    if not isinstance(start, StartListening):
        raise PeerFailed(ErrorCode.INVALID_MESSAGE, "the first message must be `start`")
    voice = resolve_voice(None, start.language, settings.tts_voice_gender)
    request = Request(settings, start.language, voice, start.collection)
    recognizer = None if LOCAL.recognition is None else LOCAL.recognition.build(request)
    if recognizer is None:
        raise PeerFailed(
            ErrorCode.UNSUPPORTED_LANGUAGE, f"recognised here: {', '.join(_languages())}"
        )
    positions = Positions()
    async with recognizer.stream(conn_options=_ONE_RETRY) as stream:
        await channel.send(Listening(recognizer.model))
        hearing = asyncio.create_task(_hear(channel, stream, start, positions), name="asr.hear")
        telling = asyncio.create_task(_tell(channel, stream, positions), name="asr.tell")
        try:
            await asyncio.wait({hearing, telling}, return_when=asyncio.FIRST_EXCEPTION)
            for task in (hearing, telling):
                if task.done():
                    task.result()
        finally:
            hearing.cancel()
            telling.cancel()
            await asyncio.wait({hearing, telling})
    await channel.send(AudioEnded(round(positions.heard_s, 3)))


async def _hear(
    channel: _Channel, stream: stt.RecognizeStream, start: StartListening, positions: Positions
) -> None:
    """Hand on what is heard, until it ends."""
    pace = Pace()
    resampler = _resampler(start.sample_rate)
    while True:
        match message := await channel.receive():
            case bytes():
                audio_s = len(message) / 2 / start.sample_rate
                for frame in _frames(message, start.sample_rate, resampler):
                    stream.push_frame(frame)
                positions.hear(audio_s)
                # also lets the stage take what came before more is read
                await asyncio.sleep(max(pace.wait_s(audio_s), audio_s / BURST_PACE))
            case FlushAudio():
                stream.flush()
            case EndAudio():
                stream.end_input()
                return
            case StartListening():
                raise PeerFailed(ErrorCode.INVALID_MESSAGE, "a second `start`")
            case _:
                assert_never(message)


async def _tell(channel: _Channel, stream: stt.RecognizeStream, positions: Positions) -> None:
    """Hand on what was recognised, until there is no more."""
    try:
        async for event in stream:
            reply = _reply(event, positions)
            if reply is not None:
                await channel.send(reply)
    except APIError as error:
        raise PeerFailed(ErrorCode.STAGE_FAILED, "the recogniser failed") from error


def _reply(event: stt.SpeechEvent, positions: Positions) -> AsrReply | None:
    kinds = stt.SpeechEventType
    match event.type:
        case kinds.START_OF_SPEECH:
            return positions.started(event.created_at, event.speech_start_time or event.created_at)
        case kinds.INTERIM_TRANSCRIPT:
            return Transcript(event.alternatives[0].text, is_final=False)
        case kinds.FINAL_TRANSCRIPT:
            heard = event.alternatives[0]
            return positions.final(
                heard.text,
                min(1.0, max(0.0, heard.confidence)),
                _words(heard.words or []),
                event.speech_end_time or event.created_at,
            )
        case kinds.END_OF_SPEECH:
            return positions.ended(event.speech_end_time or event.created_at)
        case _:
            return None


def _languages() -> list[str]:
    """Primary subtags."""
    return sorted(LOCAL.recognition.languages) if LOCAL.recognition is not None else []


def _words(words: list[TimedString]) -> tuple[Word, ...]:
    return tuple(
        Word(str(word), word.start_time, word.end_time)
        for word in words
        if isinstance(word.start_time, float) and isinstance(word.end_time, float)
    )


def _resampler(rate_hz: int) -> rtc.AudioResampler | None:
    if rate_hz == 16_000:
        return None
    return rtc.AudioResampler(rate_hz, 16_000, quality=rtc.AudioResamplerQuality.HIGH)


def _frames(pcm: bytes, rate_hz: int, resampler: rtc.AudioResampler | None) -> list[rtc.AudioFrame]:
    if not pcm:
        return []
    frame = rtc.AudioFrame(pcm, rate_hz, 1, len(pcm) // 2)
    return [frame] if resampler is None else resampler.push(frame)


SERVICE = Service("asr", 8001, make)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
