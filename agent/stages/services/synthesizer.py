"""Speech from a service, as livekit-agents' TTS."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Literal, Never, assert_never

from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    APIConnectionError,
    APIConnectOptions,
    APIError,
    APITimeoutError,
    tts,
    utils,
)
from livekit.agents.types import TimedString
from pydantic import SecretStr

from agent.stages.services.connection import ServiceSocket
from agent.stages.services.messages import (
    MAX_SEGMENT_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    TTS_REPLIES,
    Failure,
    FlushText,
    SegmentEnded,
    SegmentStarted,
    SentenceStarted,
    Speaking,
    SpeakText,
    StartSpeaking,
    TtsReply,
)

RATE_HZ = 24_000
"""What we ask for, and make of whatever comes: a room plays it as it is."""
MAX_ANSWER_S = 1_800.0
"""A service that sends more audio than that for one answer is out of its mind."""
_WATCH_S = 0.5
_SAMPLE_BYTES = 2
_SILENCE = bytes(RATE_HZ // 20 * _SAMPLE_BYTES)
"""50 ms, in place of a text that has no sound, for livekit-agents takes no audio for an error."""


class ServiceTTS(tts.TTS[Never]):
    """A synthesis service (docs/services.md): mono, 24 kHz.

    Args:
        url: of the service, `ws://host:8003`.
        language: BCP-47.
        voice: as the session's client named it; `gender` is the default voice's.
        token: what it wants to be shown.
        timeout_s: how long it may take for its next piece of audio.
    """

    def __init__(
        self,
        url: str,
        *,
        language: str,
        voice: str = "",
        gender: Literal["male", "female"] | None = None,
        token: SecretStr | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True, aligned_transcript=True),
            sample_rate=RATE_HZ,
            num_channels=1,
        )
        self._url = url
        self._start = StartSpeaking(language, voice, gender, RATE_HZ)
        self._token = token
        self.timeout_s = timeout_s

    @property
    def model(self) -> str:
        return "tts-service"

    @property
    def provider(self) -> str:
        return "services"

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _WholeText(tts=self, input_text=text, conn_options=conn_options)

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.SynthesizeStream:
        return _TextStream(tts=self, conn_options=conn_options)

    async def connect(self, timeout_s: float) -> "_Utterance":
        """A connection of its own to the service, ready to speak one text."""
        timeout_s = min(timeout_s, self.timeout_s)
        socket = await ServiceSocket.connect(
            "speech",
            self._url,
            "/v1/speak",
            TTS_REPLIES,
            http=utils.http_context.http_session(),
            token=self._token,
            timeout_s=timeout_s,
        )
        ready = await socket.begin(self._start, Speaking, timeout_s)
        return _Utterance(socket, ready.sample_rate, self.timeout_s)


class _Utterance:
    """One text on one connection."""

    def __init__(self, socket: ServiceSocket[TtsReply], rate_hz: int, timeout_s: float) -> None:
        self.socket = socket
        self._timeout_s = timeout_s
        self._resampler = (
            None
            if rate_hz == RATE_HZ
            else rtc.AudioResampler(rate_hz, RATE_HZ, quality=rtc.AudioResamplerQuality.MEDIUM)
        )
        self._rate_hz = rate_hz
        self._has_sound = False
        """Some of the text has letters or digits."""
        self._last: int | None = None
        """Number of the last segment, once all of the text is sent."""
        self._before_s = 0.0
        """Of the segments before the one that is spoken."""
        self._pushed_bytes = 0
        self._waits_since: float | None = None
        """On the monotonic clock: since when the next message is due."""

    async def speak(self, text: AsyncIterator[str], emitter: tts.AudioEmitter) -> None:
        """Push the speech of the text, which is still being written."""
        reading = asyncio.create_task(self._read(emitter), name="tts.read")
        tasks = {
            reading,
            asyncio.create_task(self._write(text), name="tts.write"),
            asyncio.create_task(self._watch(), name="tts.watch"),
        }
        waiting = set(tasks)
        try:
            while not reading.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                if self._last == -1:
                    return
        finally:
            await utils.aio.cancel_and_wait(*tasks)
        if not self._pushed_bytes:
            if self._has_sound:
                raise APIConnectionError("the speech service sent no audio")
            emitter.push(_SILENCE)

    async def _write(self, text: AsyncIterator[str]) -> None:
        segment, characters = -1, 0
        async for piece in text:
            for at in range(0, len(piece), MAX_TEXT_CHARACTERS):
                part = piece[at : at + MAX_TEXT_CHARACTERS]
                self._has_sound = self._has_sound or any(map(str.isalnum, part))
                if segment < 0 and not part.strip():
                    continue
                if segment < 0 or characters + len(part) > MAX_SEGMENT_CHARACTERS:
                    if segment >= 0:
                        await self.socket.send(FlushText(segment))
                    segment, characters = segment + 1, 0
                characters += len(part)
                await self.socket.send(SpeakText(segment, part))
        self._last = segment
        if segment >= 0:
            self._waits_since = time.monotonic()
            await self.socket.send(FlushText(segment))

    async def _read(self, emitter: tts.AudioEmitter) -> None:
        """Push what comes, until the last segment is over."""
        while True:
            reply = await self.socket.receive(None)
            if self._waits_since is not None:
                self._waits_since = time.monotonic()
            match reply:
                case bytes():
                    self._push(emitter, reply)
                case SentenceStarted():
                    emitter.flush()
                    began_s = self._before_s + reply.at_s
                    emitter.push_timed_transcript(TimedString(reply.text, start_time=began_s))
                case SegmentEnded():
                    self._before_s += reply.audio_s
                    if reply.segment == self._last:
                        self._finish(emitter)
                        return
                case SegmentStarted() | Speaking() | Failure():
                    """Ours come one after the other; `Failure` is raised by the connection."""
                case _:
                    assert_never(reply)

    async def _watch(self) -> None:
        """Ends only by an error: all of the text is there, and nothing comes."""
        while True:
            await asyncio.sleep(min(_WATCH_S, self._timeout_s / 4))
            since = self._waits_since
            if since is not None and time.monotonic() - since > self._timeout_s:
                raise APITimeoutError("the speech service took too long")

    def _push(self, emitter: tts.AudioEmitter, pcm: bytes) -> None:
        if len(pcm) % _SAMPLE_BYTES:
            raise APIConnectionError("the speech service sent half a sample")
        if not pcm:
            return
        self._pushed_bytes += len(pcm)
        if self._pushed_bytes > MAX_ANSWER_S * self._rate_hz * _SAMPLE_BYTES:
            raise APIError("the speech service does not stop", retryable=False)
        if self._resampler is None:
            emitter.push(pcm)
            return
        frame = rtc.AudioFrame(pcm, self._rate_hz, 1, len(pcm) // _SAMPLE_BYTES)
        for resampled in self._resampler.push(frame):
            emitter.push(resampled.data.tobytes())

    def _finish(self, emitter: tts.AudioEmitter) -> None:
        if self._resampler is not None:
            for resampled in self._resampler.flush():
                emitter.push(resampled.data.tobytes())


class _WholeText(tts.ChunkedStream):
    """Speech of one text that is there already."""

    _tts: ServiceTTS

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        utterance = await self._tts.connect(self._conn_options.timeout)
        async with utterance.socket:
            output_emitter.initialize(
                request_id=utils.shortuuid(),
                sample_rate=RATE_HZ,
                num_channels=1,
                mime_type="audio/pcm",
            )
            await utterance.speak(_once(self._input_text), output_emitter)
            output_emitter.flush()


class _TextStream(tts.SynthesizeStream):
    """Speech of a text that is still being written, from its first sentence on."""

    _tts: ServiceTTS

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=RATE_HZ,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
        )
        output_emitter.start_segment(segment_id=utils.shortuuid())
        # while the text is still being written
        utterance = await self._tts.connect(self._conn_options.timeout)
        async with utterance.socket:
            await utterance.speak(self._text(), output_emitter)
        output_emitter.end_segment()

    async def _text(self) -> AsyncIterator[str]:
        async for data in self._input_ch:
            if isinstance(data, str):
                self._mark_started()
                yield data


async def _once(text: str) -> AsyncIterator[str]:
    yield text
