"""Speech from one synthesiser, or from the next when it fails, the rest of a sentence included."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Never

from livekit import rtc
from livekit.agents import tts, utils
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions, TimedString

from agent.stages.fallback.chain import Chain, Link, in_time
from agent.stages.local.sentences import sentences_of

_TTS = tts.TTS[Any]

_SLOWEST_CHARACTERS_S = 9.0
"""Nobody speaks more slowly (people read 12 to 16 characters a second aloud)."""
_SILENCE_S = 0.05
"""In place of a text that has no sound, for livekit-agents takes no audio for an error."""


class SpeechChain(tts.TTS[Never]):
    """Speaks sentence by sentence, each by the first voice that does; mono, one sample rate.

    A voice that breaks off in a sentence is followed by the next one from about there: some words
    may be heard twice, none is left out.
    """

    def __init__(self, chain: Chain[_TTS]) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True, aligned_transcript=True),
            sample_rate=chain.links[0].stage.sample_rate,
            num_channels=1,
        )
        self.chain = chain
        for link in chain.links:
            link.stage.on("metrics_collected", self._forward_metrics)

    @property
    def model(self) -> str:
        return self.chain.serving.stage.model

    @property
    def provider(self) -> str:
        return self.chain.serving.stage.provider

    def prewarm(self) -> None:
        self.chain.links[0].stage.prewarm()

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _WholeText(tts=self, input_text=text, conn_options=conn_options)

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.SynthesizeStream:
        return _SentenceStream(tts=self, conn_options=conn_options)

    async def aclose(self) -> None:
        """Close all providers."""
        for link in self.chain.links:
            link.stage.off("metrics_collected", self._forward_metrics)
        await self.chain.aclose()

    async def say(
        self, text: str, push: Callable[[rtc.AudioFrame], None], options: APIConnectOptions
    ) -> float:
        """Push the speech of `text`; returns its length in seconds.

        Raises `livekit.agents.APIConnectionError` when nobody can speak it.
        """
        said_s = 0.0

        async def attempt(link: Link[_TTS], deadline: float) -> None:
            nonlocal said_s
            rest = unsaid(text, said_s)
            if not rest:
                return
            frames = self._frames(link.stage, rest, replace(options, max_retry=0))
            async with aclosing(frames):
                stall_s = self.chain.patience.stall_s
                async for frame in in_time(frames, deadline=deadline, stall_s=stall_s):
                    push(frame)
                    said_s += frame.duration

        if not any(map(str.isalnum, text)):
            push(_silence(self.sample_rate))
            return _SILENCE_S
        await self.chain.serve(attempt, options, has_begun=lambda: said_s > 0)
        return said_s

    async def _frames(
        self, voice: _TTS, text: str, options: APIConnectOptions
    ) -> AsyncGenerator[rtc.AudioFrame, None]:
        """The speech of a text by one voice, at our sample rate."""
        resampler = None
        if voice.sample_rate != self.sample_rate:
            resampler = rtc.AudioResampler(voice.sample_rate, self.sample_rate)
        async with self.chain.opened(_open(voice, text, options)) as stream:
            async for audio in stream:
                if resampler is None:
                    yield audio.frame
                    continue
                for frame in resampler.push(audio.frame):
                    yield frame
        for frame in resampler.flush() if resampler is not None else ():
            yield frame

    def _forward_metrics(self, *args: Any) -> None:
        self.emit("metrics_collected", *args)


def unsaid(text: str, said_s: float) -> str:
    """What of `text` may not have been heard in so many seconds of it; from a word's beginning."""
    skipped = int(said_s * _SLOWEST_CHARACTERS_S)
    if skipped >= len(text):
        return ""
    return text[text.rfind(" ", 0, skipped + 1) + 1 :]


def _open(
    voice: _TTS, text: str, options: APIConnectOptions
) -> tts.ChunkedStream | tts.SynthesizeStream:
    if not voice.capabilities.streaming:
        return voice.synthesize(text, conn_options=options)
    stream = voice.stream(conn_options=options)
    stream.push_text(text)
    stream.end_input()
    return stream


def _silence(rate_hz: int) -> rtc.AudioFrame:
    samples = int(rate_hz * _SILENCE_S)
    return rtc.AudioFrame(bytes(2 * samples), rate_hz, 1, samples)


class _WholeText(tts.ChunkedStream):
    """Speech of one text that is there already."""

    _tts: SpeechChain
    _tts_attempt_span_name = None

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=self._tts.sample_rate,
            num_channels=1,
            mime_type="audio/pcm",
        )
        await self._tts.say(self._input_text, output_emitter.push_frame, self._conn_options)
        output_emitter.flush()

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[tts.SynthesizedAudio]) -> None:
        """The providers' own streams tell."""
        async for _ in event_aiter:
            pass


class _SentenceStream(tts.SynthesizeStream):
    """Speech of a text that is still being written, from its first sentence on."""

    _tts: SpeechChain
    _tts_attempt_span_name = None

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=self._tts.sample_rate,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
        )
        output_emitter.start_segment(segment_id=utils.shortuuid())
        said_s = 0.0
        async for sentence in sentences_of(self._input_ch):
            said_s += await self._say(sentence, said_s, output_emitter)
        output_emitter.end_segment()

    async def _say(self, sentence: str, start_s: float, emitter: tts.AudioEmitter) -> float:
        emitter.push_timed_transcript(TimedString(sentence, start_time=start_s))
        if not sentence.strip():
            return 0.0
        self._mark_started()
        length_s = await self._tts.say(sentence.strip(), emitter.push_frame, self._conn_options)
        emitter.flush()
        return length_s

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[tts.SynthesizedAudio]) -> None:
        """The providers' own streams tell."""
        async for _ in event_aiter:
            pass
