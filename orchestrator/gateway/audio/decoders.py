"""What a client sends, cut anywhere, into mono PCM16 as it comes.

`feed` returns when all its bytes are decoded: nothing queues up, and what is wrong is told to the
call that brought the bytes.
"""

import asyncio
import importlib
import math
from typing import Protocol

from orchestrator.gateway.audio.pcm import SAMPLE_BYTES, AudioTooLong, Pcm, UnreadableAudio
from orchestrator.gateway.audio.reader import Reader
from orchestrator.gateway.audio.recognise import InputFormat
from orchestrator.gateway.audio.resample import Resampler
from orchestrator.gateway.audio.wav import WavFormat, WavHead

RATE_HZ = 16_000
"""What recognisers hear."""

LONGEST_FRAME_S = 60.0
"""No single frame may hold more audio than this, whatever the whole may."""


class Decoder(Protocol):
    """One stream of audio, in one format."""

    async def feed(self, data: bytes) -> Pcm:
        """Take bytes; return all that can be decoded by now, maybe nothing. Raises `AudioError`.

        One call at a time. After an error the stream is over.
        """

    async def finish(self) -> Pcm:
        """The stream is over; return the rest of it. Raises `AudioError`."""

    def close(self) -> None:
        """Give up what it holds, at any time, and again. Never waits."""


def make_decoder(
    source: InputFormat,
    *,
    rate_hz: int = RATE_HZ,
    limit_s: float | None = None,
    source_rate_hz: int = RATE_HZ,
    source_channels: int = 1,
) -> Decoder:
    """A decoder to mono PCM16 at `rate_hz`, of at most `limit_s` seconds of audio.

    `source_rate_hz` and `source_channels` tell of PCM, which does not tell itself.
    """
    budget = _Budget(limit_s, rate_hz)
    if source is InputFormat.PCM:
        return _PcmDecoder(WavFormat("s16", source_channels, source_rate_hz), rate_hz, budget)
    if source is InputFormat.WAV:
        return _WavDecoder(rate_hz, budget)
    return _ContainerDecoder(source, rate_hz, budget)


class _Budget:
    """How much audio may still come: in all, and of one frame."""

    def __init__(self, limit_s: float | None, rate_hz: int) -> None:
        second = rate_hz * SAMPLE_BYTES
        self._left = math.inf if limit_s is None else limit_s * second
        self._most = self._left_of_frame = LONGEST_FRAME_S * second

    def new_frame(self) -> None:
        """Another frame has come."""
        self._left_of_frame = self._most

    def take(self, size: int) -> None:
        """So many bytes of samples came of it. Raises `AudioTooLong`."""
        self._left -= size
        self._left_of_frame -= size
        if min(self._left, self._left_of_frame) < 0:
            raise AudioTooLong("There is more audio than is allowed.")


class _PcmDecoder:
    def __init__(self, source: WavFormat, rate_hz: int, budget: _Budget) -> None:
        self._source = source
        self._rate_hz = rate_hz
        self._budget = budget
        self._odd = b""
        self._resampler: Resampler | None = None

    async def feed(self, data: bytes) -> Pcm:
        data = self._odd + data if self._odd else data
        whole = len(data) - len(data) % self._source.stride
        data, self._odd = data[:whole], data[whole:]
        return self._counted(await self._converted(data))

    async def finish(self) -> Pcm:
        self._odd = b""
        return self._counted(b"" if self._resampler is None else self._resampler.flush())

    def close(self) -> None:
        self._resampler = None

    def _counted(self, samples: bytes) -> Pcm:
        self._budget.new_frame()
        self._budget.take(len(samples))
        return Pcm(samples, self._rate_hz)

    async def _converted(self, data: bytes) -> bytes:
        source = self._source
        if not data or source == WavFormat("s16", 1, self._rate_hz):
            return data
        if self._resampler is None:
            await asyncio.to_thread(importlib.import_module, "av")
            self._resampler = Resampler(self._rate_hz)
        return self._resampler.push_packed(
            data, source.sample_format, source.channels, source.rate_hz
        )


class _WavDecoder:
    def __init__(self, rate_hz: int, budget: _Budget) -> None:
        self._rate_hz = rate_hz
        self._budget = budget
        self._head = WavHead()
        self._samples: _PcmDecoder | None = None

    async def feed(self, data: bytes) -> Pcm:
        if self._samples is None:
            data = self._head.feed(data)
            if self._head.format is None:
                return Pcm(b"", self._rate_hz)
            self._samples = _PcmDecoder(self._head.format, self._rate_hz, self._budget)
        return await self._samples.feed(data)

    async def finish(self) -> Pcm:
        if self._samples is None:
            raise UnreadableAudio("There is no sound in this WAV.")
        return await self._samples.finish()

    def close(self) -> None:
        if self._samples is not None:
            self._samples.close()


class _ContainerDecoder:
    def __init__(self, source: InputFormat, rate_hz: int, budget: _Budget) -> None:
        self._rate_hz = rate_hz
        self._budget = budget
        self._reader = Reader(source, rate_hz=rate_hz, take=budget.take)
        self._heard = False

    async def feed(self, data: bytes) -> Pcm:
        return await self._step(data) if data else Pcm(b"", self._rate_hz)

    async def finish(self) -> Pcm:
        pcm = await self._step(None)
        if not self._heard:
            raise UnreadableAudio("There is no sound in this audio.")
        return pcm

    def close(self) -> None:
        self._reader.close()

    async def _step(self, data: bytes | None) -> Pcm:
        self._budget.new_frame()
        pcm = Pcm(await self._reader.step(data), self._rate_hz)
        self._heard = self._heard or bool(pcm)
        return pcm
