"""Speech recognition by the machine's own recogniser, as livekit-agents' STT."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Never, assert_never

import numpy as np
from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    APIConnectOptions,
    APITimeoutError,
    LanguageCode,
    stt,
    utils,
)
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from livekit.local_inference import VAD

from agent.stages.local.client import SpeechServer
from agent.stages.local.messages import (
    RECOGNIZER_RATE_HZ,
    RECOGNIZER_REPLIES,
    Audio,
    EndUtterance,
    Final,
    Open,
    Opened,
    Partial,
    Refused,
)
from agent.stages.local.speech_gate import (
    WINDOW_SAMPLES,
    GateEvent,
    SpeechBegan,
    SpeechEnded,
    SpeechGate,
    SpeechWent,
)

_WINDOW_BYTES = WINDOW_SAMPLES * 2
_SENT_AT_ONCE_BYTES = RECOGNIZER_RATE_HZ * 2

_Server = SpeechServer[Opened | Partial | Final | Refused]


class LocalSTT(stt.STT[Never]):
    """A recogniser of this machine, by way of its server; PocketSphinx if nothing else is said.

    Only what the bundled voice detector takes for speech is recognised. A flush ends the
    utterance at once and is always answered by one final transcript of all that had none yet, an
    empty one if need be, so that whoever committed the turn neither waits in vain nor misses words.

    Args:
        socket_path: where the server listens.
        language: BCP-47, as the transcripts are labelled.
        collection: whose vocabulary to expect; unknown or empty: general speech only.
        timeout_s: how long the server may take for an answer.
        model: what is behind the server.
        provider: as the settings name it.
    """

    def __init__(
        self,
        socket_path: Path,
        *,
        language: str,
        collection: str = "",
        timeout_s: float = 30.0,
        model: str = "pocketsphinx",
        provider: str = "local",
    ) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=True, manual_flush=True
            )
        )
        self._socket_path = socket_path
        self.language = LanguageCode(language)
        self._collection = collection
        self.timeout_s = timeout_s
        self._model = model
        self._provider = provider

    @property
    def model(self) -> str:
        return self._model

    @property
    def provider(self) -> str:
        return self._provider

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Stream(stt=self, conn_options=conn_options)

    async def connect(self, timeout_s: float) -> _Server:
        """A connection of its own to the server, ready to hear."""
        timeout_s = min(timeout_s, self.timeout_s)
        server = await SpeechServer.connect(
            self._socket_path, RECOGNIZER_REPLIES, timeout_s=timeout_s
        )
        try:
            await server.send(Open(self._collection, self.language))
            await server.receive_within(timeout_s)
        except BaseException:
            server.close()
            raise
        return server

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        async with await self.connect(conn_options.timeout) as server:
            pcm = _at_recognizer_rate(rtc.combine_audio_frames(buffer))
            for at in range(0, len(pcm), _SENT_AT_ONCE_BYTES):
                await server.send(Audio(pcm[at : at + _SENT_AT_ONCE_BYTES]))
            await server.send(EndUtterance())
            while not isinstance(reply := await server.receive_within(self.timeout_s), Final):
                pass
        return _event(stt.SpeechEventType.FINAL_TRANSCRIPT, reply, self.language)


@dataclass(slots=True)
class _Utterance:
    """What was said and has no final transcript yet."""

    pcm: bytearray
    ended_at: float | None = None
    """Unix time; None while it is spoken."""
    silence_s: float = 0.0
    """How much silence it ended with."""


class _Stream(stt.RecognizeStream):
    """Audio in, transcripts out, for as long as a conversation lasts.

    What the server has not given a final transcript for is kept, and sent again to the next
    server when this one is lost; so nothing that was said is lost with it.
    """

    _stt: LocalSTT

    def __init__(self, *, stt: LocalSTT, conn_options: APIConnectOptions) -> None:
        super().__init__(stt=stt, conn_options=conn_options, sample_rate=RECOGNIZER_RATE_HZ)
        self._detector = VAD()
        self._gate = SpeechGate()
        self._unwindowed = bytearray()
        self._utterances: deque[_Utterance] = deque()
        """Oldest first; only the last may still be spoken."""
        self._flushed = 0
        """So many of the oldest are to have one final transcript together."""
        self._held: list[Final] = []
        self._all_heard = asyncio.Event()
        self._all_heard.set()

    async def _run(self) -> None:
        async with await self._stt.connect(self._conn_options.timeout) as server:
            for utterance in self._utterances:
                await self._send(server, bytes(utterance.pcm), ended=utterance.ended_at is not None)
            tasks = (
                asyncio.create_task(self._hear(server), name="recognizer.hear"),
                asyncio.create_task(self._read(server), name="recognizer.read"),
            )
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                await utils.aio.cancel_and_wait(*tasks)

    async def _hear(self, server: _Server) -> None:
        """Send what is speech; ends when the input has, and all of it has a transcript."""
        async for data in self._input_ch:
            if isinstance(data, rtc.AudioFrame):
                events = self._detect(data)
            else:
                events = self._gate.close()
                if not events and not self._utterances:
                    self._emit(stt.SpeechEventType.FINAL_TRANSCRIPT, Final("", 0.0, 0.0))
                self._flushed = len(self._utterances)
            await self._take(server, events)
        await self._take(server, self._gate.close())
        await self._all_heard.wait()

    def _detect(self, frame: rtc.AudioFrame) -> list[GateEvent]:
        self._unwindowed += frame.data.tobytes()
        events: list[GateEvent] = []
        while len(self._unwindowed) >= _WINDOW_BYTES:
            window = bytes(self._unwindowed[:_WINDOW_BYTES])
            del self._unwindowed[:_WINDOW_BYTES]
            # 20 µs: not worth a thread.
            probability = self._detector.predict(np.frombuffer(window, np.int16))
            events += self._gate.push(window, probability)
        return events

    async def _take(self, server: _Server, events: list[GateEvent]) -> None:
        """Note all that happened first, so that it is sent again should sending fail."""
        for event in events:
            self._note(event)
        for event in events:
            match event:
                case SpeechBegan(pcm=pcm) | SpeechWent(pcm=pcm):
                    await self._send(server, pcm, ended=False)
                case SpeechEnded():
                    await self._send(server, b"", ended=True)
                case _:
                    assert_never(event)

    def _note(self, event: GateEvent) -> None:
        match event:
            case SpeechBegan(pcm=pcm, ago_s=ago_s):
                self._utterances.append(_Utterance(bytearray(pcm)))
                self._all_heard.clear()
                self._event_ch.send_nowait(
                    stt.SpeechEvent(
                        stt.SpeechEventType.START_OF_SPEECH,
                        speech_start_time=time.time() - ago_s,
                    )
                )
            case SpeechWent(pcm=pcm):
                self._utterances[-1].pcm += pcm
            case SpeechEnded(ago_s=ago_s):
                self._utterances[-1].ended_at = time.time()
                self._utterances[-1].silence_s = ago_s
            case _:
                assert_never(event)

    async def _send(self, server: _Server, pcm: bytes, *, ended: bool) -> None:
        for at in range(0, len(pcm), _SENT_AT_ONCE_BYTES):
            await server.send(Audio(pcm[at : at + _SENT_AT_ONCE_BYTES]))
        if ended:
            await server.send(EndUtterance())

    async def _read(self, server: _Server) -> None:
        """Pass transcripts on; ends only by an error."""
        while True:
            try:
                reply = await server.receive_within(self._stt.timeout_s)
            except APITimeoutError:
                if self._overdue():
                    raise
                continue
            match reply:
                case Partial():
                    if reply.text:
                        self._emit(stt.SpeechEventType.INTERIM_TRANSCRIPT, reply)
                case Final():
                    self._finish(reply)
                case Opened() | Refused():
                    """`Opened` has been taken, `Refused` is raised by the connection."""
                case _:
                    assert_never(reply)

    def _overdue(self) -> bool:
        if not self._utterances or (ended_at := self._utterances[0].ended_at) is None:
            return False
        return time.time() - ended_at >= self._stt.timeout_s

    def _finish(self, final: Final) -> None:
        utterance = self._utterances.popleft()
        self._held.append(final)
        self._flushed = max(0, self._flushed - 1)
        if self._flushed:
            return
        final, self._held = _together(self._held), []
        ended_at = utterance.ended_at or time.time()
        spoke_until = ended_at - utterance.silence_s
        self._emit(stt.SpeechEventType.FINAL_TRANSCRIPT, final, speech_end_time=spoke_until)
        for event in (
            stt.SpeechEvent(stt.SpeechEventType.END_OF_SPEECH, speech_end_time=spoke_until),
            stt.SpeechEvent(
                stt.SpeechEventType.RECOGNITION_USAGE,
                recognition_usage=stt.RecognitionUsage(audio_duration=final.audio_s),
            ),
        ):
            self._event_ch.send_nowait(event)
        if not self._utterances:
            self._all_heard.set()

    def _emit(
        self,
        kind: stt.SpeechEventType,
        heard: Partial | Final,
        *,
        speech_end_time: float | None = None,
    ) -> None:
        event = _event(kind, heard, self._stt.language)
        event.speech_end_time = speech_end_time
        self._event_ch.send_nowait(event)


def _together(finals: list[Final]) -> Final:
    """One transcript of several utterances; as sure as its least sure part that has words."""
    spoken = [final for final in finals if final.text]
    return Final(
        " ".join(final.text for final in spoken),
        min((final.confidence for final in spoken), default=0.0),
        sum(final.audio_s for final in finals),
    )


def _event(
    kind: stt.SpeechEventType, heard: Partial | Final, language: LanguageCode
) -> stt.SpeechEvent:
    confidence = heard.confidence if isinstance(heard, Final) else 0.0
    data = stt.SpeechData(language=language, text=heard.text, confidence=confidence)
    return stt.SpeechEvent(kind, alternatives=[data])


def _at_recognizer_rate(frame: rtc.AudioFrame) -> bytes:
    if frame.sample_rate == RECOGNIZER_RATE_HZ:
        return frame.data.tobytes()
    resampler = rtc.AudioResampler(
        frame.sample_rate, RECOGNIZER_RATE_HZ, quality=rtc.AudioResamplerQuality.HIGH
    )
    frames = [*resampler.push(frame), *resampler.flush()]
    return b"".join(part.data.tobytes() for part in frames)
