"""Recognition by a service, as livekit-agents' STT."""

import asyncio
import time
from typing import Never, TypeAlias, assert_never

from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    APIConnectOptions,
    APITimeoutError,
    LanguageCode,
    stt,
    utils,
)
from livekit.agents.types import NOT_GIVEN, NotGivenOr, TimedString
from pydantic import SecretStr

from agent.stages.alongside import alongside
from agent.stages.services.connection import ServiceSocket
from agent.stages.services.messages import (
    ASR_REPLIES,
    MAX_AUDIO_FRAME_BYTES,
    AsrReply,
    AudioEnded,
    EndAudio,
    Failure,
    FlushAudio,
    Listening,
    SpeechEnded,
    SpeechStarted,
    StartListening,
    Transcript,
)
from agent.stages.services.unsettled import Flush, Unsettled

RATE_HZ = 16_000
HEARTBEAT_S = 10.0
LONGEST_S = 60.0
"""So much audio at most is sent again after a lost connection."""
_WATCH_S = 0.5

_Socket: TypeAlias = ServiceSocket[AsrReply]


class ServiceSTT(stt.STT[Never]):
    """A recognition service (docs/services.md). Which languages it knows is its own business.

    Args:
        url: of the service, `ws://host:8001`.
        language: BCP-47.
        collection: whose words to expect.
        token: what it wants to be shown.
        timeout_s: how long it may take for a final transcript that it was asked for.
    """

    def __init__(
        self,
        url: str,
        *,
        language: str,
        collection: str = "",
        token: SecretStr | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=True, manual_flush=True
            )
        )
        self._url = url
        self._start = StartListening(language, RATE_HZ, collection)
        self._token = token
        self.language = LanguageCode(language)
        self.timeout_s = timeout_s

    @property
    def model(self) -> str:
        return "asr-service"

    @property
    def provider(self) -> str:
        return "services"

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Stream(stt=self, conn_options=conn_options)

    async def connect(self, timeout_s: float) -> _Socket:
        """A connection of its own to the service, ready to hear."""
        timeout_s = min(timeout_s, self.timeout_s)
        socket = await ServiceSocket.connect(
            "recognition",
            self._url,
            "/v1/recognize",
            ASR_REPLIES,
            http=utils.http_context.http_session(),
            token=self._token,
            timeout_s=timeout_s,
            heartbeat_s=HEARTBEAT_S,
        )
        await socket.begin(self._start, Listening, timeout_s)
        return socket

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        finals: list[Transcript] = []
        async with await self.connect(conn_options.timeout) as socket:
            pcm = _at_our_rate(rtc.combine_audio_frames(buffer))
            for at in range(0, len(pcm), MAX_AUDIO_FRAME_BYTES):
                await socket.send_audio(pcm[at : at + MAX_AUDIO_FRAME_BYTES])
            await socket.send(EndAudio())
            while not isinstance(reply := await socket.receive(self.timeout_s), AudioEnded):
                if isinstance(reply, Transcript) and reply.is_final:
                    finals.append(reply)
        text = " ".join(final.text for final in finals if final.text)
        confidence = min((final.confidence or 0.0 for final in finals if final.text), default=0.0)
        heard = stt.SpeechData(self.language, text, confidence=confidence)
        return stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[heard])


class _Stream(stt.RecognizeStream):
    """Audio in, transcripts out, for as long as a conversation lasts.

    What has no final transcript yet is kept, and sent again over the next connection when this one
    is lost; so nothing that was said is lost with it.
    """

    _stt: ServiceSTT

    def __init__(self, *, stt: ServiceSTT, conn_options: APIConnectOptions) -> None:
        super().__init__(stt=stt, conn_options=conn_options, sample_rate=RATE_HZ)
        self._unsettled = Unsettled(longest=int(LONGEST_S * RATE_HZ))
        self._base = 0
        """Position of the first sample that went over this connection."""
        self._speaking = False

    async def _run(self) -> None:
        async with await self._stt.connect(self._conn_options.timeout) as socket:
            self._base = self._unsettled.start
            for kept in self._unsettled:
                await _send(socket, kept)
            reading = asyncio.create_task(self._read(socket), name="asr.read")
            hearing = asyncio.create_task(self._hear(socket), name="asr.hear")
            watching = asyncio.create_task(self._watch(), name="asr.watch")
            await alongside(reading, hearing, watching)

    async def _hear(self, socket: _Socket) -> None:
        """Send what is heard; ends when the input has."""
        async for data in self._input_ch:
            if isinstance(data, rtc.AudioFrame):
                # noted first, so that it is sent again should sending fail
                pcm = data.data.tobytes()
                self._unsettled.hear(pcm)
                await _send(socket, pcm)
            else:
                self._unsettled.flush_now(time.monotonic())
                await socket.send(FlushAudio())
        await socket.send(EndAudio())

    async def _read(self, socket: _Socket) -> None:
        """Pass transcripts on, until the service says that there are no more."""
        while True:
            reply = await socket.receive(None)
            match reply:
                case Transcript():
                    self._heard(reply)
                case SpeechStarted():
                    if not self._speaking:
                        self._speaking = True
                        self._event_ch.send_nowait(
                            stt.SpeechEvent(
                                stt.SpeechEventType.START_OF_SPEECH,
                                speech_start_time=self._wall_time(reply.at_s),
                            )
                        )
                case SpeechEnded():
                    self._ended(reply)
                case AudioEnded():
                    return
                case bytes() | Listening() | Failure():
                    """Audio is none of its business; `Failure` is raised by the connection."""
                case _:
                    assert_never(reply)

    async def _watch(self) -> None:
        """Ends only by an error: the service does not answer a flush."""
        while True:
            await asyncio.sleep(min(_WATCH_S, self._stt.timeout_s / 4))
            flush = self._unsettled.flush
            if flush is not None and time.monotonic() - flush.asked_at > self._stt.timeout_s:
                raise APITimeoutError("the recognition service took too long")

    def _heard(self, heard: Transcript) -> None:
        data = self._data(heard)
        if not heard.is_final:
            if heard.text:
                kind = stt.SpeechEventType.INTERIM_TRANSCRIPT
                self._event_ch.send_nowait(stt.SpeechEvent(kind, alternatives=[data]))
            return
        self._unsettled.answered()
        settled_s = heard.end_s if heard.settled_s is None else heard.settled_s
        if settled_s is not None:
            self._unsettled.settle(min(self._position(settled_s), self._unsettled.end))
        ended = None if heard.end_s is None else self._wall_time(heard.end_s)
        self._event_ch.send_nowait(
            stt.SpeechEvent(
                stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[data], speech_end_time=ended
            )
        )
        usage = stt.RecognitionUsage(max(0.0, (heard.end_s or 0.0) - (heard.start_s or 0.0)))
        self._event_ch.send_nowait(
            stt.SpeechEvent(stt.SpeechEventType.RECOGNITION_USAGE, recognition_usage=usage)
        )

    def _ended(self, ended: SpeechEnded) -> None:
        if self._speaking:
            self._speaking = False
            self._event_ch.send_nowait(
                stt.SpeechEvent(
                    stt.SpeechEventType.END_OF_SPEECH,
                    speech_end_time=self._wall_time(ended.at_s),
                )
            )

    def _data(self, heard: Transcript) -> stt.SpeechData:
        began_s = self._base / RATE_HZ
        words = [
            TimedString(word.text, began_s + word.start_s, began_s + word.end_s)
            for word in heard.words
        ]
        return stt.SpeechData(
            language=self._stt.language,
            text=heard.text,
            start_time=began_s + (heard.start_s or 0.0),
            end_time=began_s + (heard.end_s or 0.0),
            # who does not tell is not doubted; where it did not hear anything nobody asks
            confidence=1.0 if heard.confidence is None else heard.confidence,
            words=words or None,
        )

    def _position(self, at_s: float) -> int:
        return self._base + round(at_s * RATE_HZ)

    def _wall_time(self, at_s: float) -> float:
        ago = max(0, self._unsettled.end - self._position(at_s))
        return time.time() - ago / RATE_HZ


async def _send(socket: _Socket, what: bytes | Flush) -> None:
    if isinstance(what, Flush):
        await socket.send(FlushAudio())
    else:
        await socket.send_audio(what)


def _at_our_rate(frame: rtc.AudioFrame) -> bytes:
    if frame.sample_rate == RATE_HZ:
        return frame.data.tobytes()
    resampler = rtc.AudioResampler(
        frame.sample_rate, RATE_HZ, quality=rtc.AudioResamplerQuality.HIGH
    )
    frames = [*resampler.push(frame), *resampler.flush()]
    return b"".join(part.data.tobytes() for part in frames)
