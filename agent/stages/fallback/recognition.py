"""Recognition by one recogniser, or by the next when it fails; nothing that was said is lost."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from livekit import rtc
from livekit.agents import APIConnectionError, APITimeoutError, inference, stt, utils
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)
from livekit.local_inference import VAD

from agent.stages.alongside import alongside
from agent.stages.fallback.chain import Chain, Link
from agent.stages.fallback.utterance import RATE_HZ, OpenUtterance
from agent.stages.local.speech_gate import WINDOW_SAMPLES, GateEvent, SpeechGate

if TYPE_CHECKING:
    from livekit.agents import ConversationItemAddedEvent

_STT = stt.STT[Any]

LATE: Literal["late"] = "late"
"""Event of a `RecognitionChain`: what the user said is over, and its words are overdue."""
ALL_FAILED_PAUSE_S = 2.0
"""How long nobody is asked when all have failed."""

_WINDOW_BYTES = WINDOW_SAMPLES * 2
_REPLAYED_BYTES = RATE_HZ // 10 * 2
_TRANSCRIPTS = {
    stt.SpeechEventType.INTERIM_TRANSCRIPT,
    stt.SpeechEventType.PREFLIGHT_TRANSCRIPT,
    stt.SpeechEventType.FINAL_TRANSCRIPT,
}


class RecognitionChain(stt.STT[Literal["late"]]):
    """Hears by the first recogniser that does.

    What has no final transcript yet is kept, and played to the one that takes over. A recogniser
    that says nothing of what was said has failed, by `Patience.stall_s` after the end of it. When a
    preferred one may be tried again, it takes over between two utterances.
    """

    def __init__(self, chain: Chain[_STT]) -> None:
        links = chain.links
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True,
                interim_results=all(x.stage.capabilities.interim_results for x in links),
                keyterms=any(x.stage.capabilities.keyterms for x in links),
                chat_context=any(x.stage.capabilities.chat_context for x in links),
            )
        )
        self.chain = chain
        self._adapters: dict[str, _STT] = {}
        for link in links:
            link.stage.on("metrics_collected", self._forward_metrics)

    @property
    def capabilities(self) -> stt.STTCapabilities:
        """Whether a flush is answered is as with the one that hears now."""
        now = self.chain.serving.stage.capabilities
        self._capabilities.manual_flush = now.manual_flush
        return self._capabilities

    @property
    def model(self) -> str:
        return self.chain.serving.stage.model

    @property
    def provider(self) -> str:
        return self.chain.serving.stage.provider

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Hearing(self, language=language, conn_options=conn_options)

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        raise NotImplementedError("a conversation is heard as a stream")

    def prewarm(self) -> None:
        self.chain.links[0].stage.prewarm()

    async def aclose(self) -> None:
        """Close all providers."""
        for link in self.chain.links:
            link.stage.off("metrics_collected", self._forward_metrics)
        await self.chain.aclose()

    def listener(self, link: Link[_STT]) -> _STT:
        """The provider's recogniser, with a stream also where it takes whole utterances only."""
        if link.stage.capabilities.streaming:
            return link.stage
        if link.provider not in self._adapters:
            detector = inference.VAD(model="silero")
            self._adapters[link.provider] = stt.StreamAdapter(stt=link.stage, vad=detector)
        return self._adapters[link.provider]

    def _update_session_keyterms(self, keyterms: list[str]) -> None:
        for link in self.chain.links:
            if link.stage.capabilities.keyterms:
                link.stage._update_session_keyterms(keyterms)  # noqa: SLF001 - livekit's hook

    def _push_conversation_item(self, ev: "ConversationItemAddedEvent") -> None:
        for link in self.chain.links:
            if link.stage.capabilities.chat_context:
                link.stage._push_conversation_item(ev)  # noqa: SLF001 - livekit's hook

    def _forward_metrics(self, *args: Any) -> None:
        self.emit("metrics_collected", *args)


class _Hearing(stt.RecognizeStream):
    """Audio in, transcripts out, whoever makes them; ends when the audio does."""

    _stt: RecognitionChain

    def __init__(
        self,
        recognizer: RecognitionChain,
        *,
        language: NotGivenOr[str],
        conn_options: APIConnectOptions,
    ) -> None:
        super().__init__(stt=recognizer, conn_options=conn_options, sample_rate=RATE_HZ)
        self._chain = recognizer.chain
        self._language = language
        self._detector = VAD()
        self._gate = SpeechGate()
        self._unwindowed = bytearray()
        self._utterance = OpenUtterance()
        self._asked_at = 0.0
        """When the present recogniser was last known to be at it (monotonic)."""
        self._has_heard = False
        """The present one has given a final transcript since it took over."""
        self._changed = asyncio.Event()
        """The utterance is over, has words, or has a final transcript."""
        self._told_late = False
        self._input_over = False
        self._preferred: Link[_STT] | None = None
        """May be tried again, which is why the present one makes way."""

    async def _run(self) -> None:
        failures: Counter[str] = Counter()
        given_up: set[str] = set()
        while True:
            link = self._next(given_up)
            if link is None:
                await self._all_failed()
                given_up.clear()
                failures.clear()
                continue
            try:
                if await self._hear_through(link):
                    return
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises, another may hear
                if self._has_heard:
                    failures.clear()
                    given_up.clear()
                failures[link.provider] += 1
                retryable = self._chain.note(link, error)
                delay_s = self._chain.retry_delay_s(
                    link, failures[link.provider], self._conn_options
                )
                if retryable and delay_s is not None:
                    await asyncio.sleep(delay_s)
                else:
                    given_up.add(link.provider)
                self._tell_if_late()
            except BaseException:
                link.breaker.let_go()
                raise
            else:
                given_up.clear()
                failures.clear()

    def _next(self, given_up: set[str]) -> Link[_STT] | None:
        """Whom to ask now; None: all have been."""
        preferred, self._preferred = self._preferred, None
        if preferred is not None:
            return preferred
        left = [link for link in self._chain.links if link.provider not in given_up]
        admitted = next((link for link in left if link.breaker.admit()), None)
        return admitted or next(iter(left), None)

    async def _all_failed(self) -> None:
        """Nobody hears: tell it, and wait a little. What is said meanwhile is not lost."""
        error = APIConnectionError("no provider of recognition serves", retryable=False)
        self._emit_error(error, recoverable=False)
        await asyncio.sleep(ALL_FAILED_PAUSE_S)

    async def _hear_through(self, link: Link[_STT]) -> bool:
        """Have one recogniser hear; False: a preferred one is to take over. Raises."""
        self._chain.serving = link
        self._asked_at = time.monotonic()
        self._has_heard = False
        kept = self._utterance.pcm
        once = replace(self._conn_options, max_retry=0)
        listener = self._stt.listener(link)
        asked = listener.stream(language=self._language, conn_options=once)
        async with self._chain.opened(asked) as stream:
            ago_s = len(kept) / 2 / RATE_HZ
            since_s = time.time() - self._start_time - ago_s
            stream.start_time_offset = max(0.0, self.start_time_offset + since_s)
            for at in range(0, len(kept), _REPLAYED_BYTES):
                part = kept[at : at + _REPLAYED_BYTES]
                stream.push_frame(rtc.AudioFrame(part, RATE_HZ, 1, len(part) // 2))
            reading = asyncio.create_task(self._read(stream, link), name="recognition.read")
            watching = asyncio.create_task(self._watch(link), name="recognition.watch")
            feeding = asyncio.create_task(self._feed(stream), name="recognition.feed")
            ended = await alongside(reading, watching, feeding)
        if ended and not self._input_over:
            raise APIConnectionError("the provider ended the stream")
        return ended

    async def _feed(self, stream: stt.RecognizeStream) -> None:
        # a stream that has failed takes nothing more; whoever reads it will know why
        with contextlib.suppress(RuntimeError):
            async for data in self._input_ch:
                if isinstance(data, rtc.AudioFrame):
                    pcm = data.data.tobytes()
                    self._note(pcm, self._detect(pcm))
                    stream.push_frame(data)
                else:
                    self._note(b"", self._gate.close())
                    stream.flush()
            self._input_over = True
            stream.end_input()

    def _detect(self, pcm: bytes) -> list[GateEvent]:
        self._unwindowed += pcm
        events: list[GateEvent] = []
        while len(self._unwindowed) >= _WINDOW_BYTES:
            window = bytes(self._unwindowed[:_WINDOW_BYTES])
            del self._unwindowed[:_WINDOW_BYTES]
            # 20 µs: not worth a thread
            probability = self._detector.predict(np.frombuffer(window, np.int16))
            events += self._gate.push(window, probability)
        return events

    def _note(self, pcm: bytes, events: list[GateEvent]) -> None:
        before = self._utterance.over_since
        self._utterance.hear(pcm, events, time.monotonic())
        if self._utterance.over_since != before:
            self._changed.set()

    async def _read(self, stream: stt.RecognizeStream, link: Link[_STT]) -> bool:
        """Pass on what it hears, until it ends; False: a preferred one is to take over."""
        async for event in stream:
            self._event_ch.send_nowait(event)
            if event.type not in _TRANSCRIPTS:
                continue
            final = event.type is stt.SpeechEventType.FINAL_TRANSCRIPT
            self._utterance.words(final=final)
            self._asked_at = time.monotonic()
            if final:
                link.breaker.succeeded()
                self._has_heard = True
                self._told_late = False
            self._changed.set()
            if final and (preferred := self._admitted_before(link)) is not None:
                self._preferred = preferred
                return False
        return True

    def _admitted_before(self, link: Link[_STT]) -> Link[_STT] | None:
        before = self._chain.links[: self._chain.links.index(link)]
        return next((other for other in before if other.breaker.admit()), None)

    async def _watch(self, link: Link[_STT]) -> None:
        """Ends, by an error, when the words of what was said are overdue.

        The user's patience begins with the end of what was said, the recogniser's with its last
        sign of life.
        """
        limit_s = self._limit_s(link)
        while True:
            self._changed.clear()
            over_since = self._utterance.over_since
            if over_since is None:
                await self._changed.wait()
                continue
            late_at = over_since + self._chain.patience.stall_s
            limit_at = max(over_since, self._asked_at) + limit_s
            now = time.monotonic()
            if now >= late_at:
                self._tell_if_late()
            if now >= limit_at:
                raise APITimeoutError("no words for what was said")
            next_at = limit_at if self._told_late else min(late_at, limit_at)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(next_at - now):
                    await self._changed.wait()

    def _limit_s(self, link: Link[_STT]) -> float:
        """How long after the end of what was said its words may come.

        One that sends none before the end has only begun to recognise then.
        """
        if self._chain.is_last(link):
            return self._conn_options.timeout
        stall_s = self._chain.patience.stall_s
        return stall_s if link.stage.capabilities.interim_results else 2 * stall_s

    def _tell_if_late(self) -> None:
        if self._utterance.over_since is not None and not self._told_late:
            self._told_late = True
            self._stt.emit(LATE)

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[stt.SpeechEvent]) -> None:
        """The providers' own streams tell."""
        async for _ in event_aiter:
            pass
