"""What a listener hears of a client that plays each chunk of audio in its own way.

Clients decode a chunk by itself, without knowing what comes before or after it.
"""

import io
import itertools
from dataclasses import dataclass, field
from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
"""Recordings are made at this rate."""

Samples = NDArray[np.float64]


def decode(chunk: bytes) -> Samples:
    """A whole file of any kind, mono at `RATE_HZ`, as `decodeAudioData` would give it."""
    resampler = av.AudioResampler("s16", "mono", RATE_HZ)
    with av.open(io.BytesIO(chunk), "r") as file:
        frames = [part for frame in file.decode(audio=0) for part in resampler.resample(frame)]
    frames += resampler.resample(None)
    parts = [frame.to_ndarray()[0].astype(np.float64) for frame in frames]
    return np.concatenate(parts) if parts else np.zeros(0)


def samples_of(pcm: bytes) -> Samples:
    """Bare 16-bit samples at `RATE_HZ`."""
    return np.frombuffer(pcm, "<i2").astype(np.float64)


@dataclass
class Played:
    """A chunk that sounds from `at_s` on, on the client's clock; `stop` may cut it short."""

    at_s: float
    samples: Samples

    @property
    def until_s(self) -> float:
        return self.at_s + len(self.samples) / RATE_HZ


@dataclass
class Recording:
    """Everything that was played, on a time line."""

    played: list[Played] = field(default_factory=list)

    def play(self, at_s: float, samples: Samples) -> Played:
        """A chunk begins to sound, whatever else does."""
        played = Played(at_s, samples)
        self.played.append(played)
        return played

    def stop(self, at_s: float) -> None:
        """Silence from now on."""
        for chunk in self.played:
            left = max(0, round((at_s - chunk.at_s) * RATE_HZ))
            chunk.samples = chunk.samples[:left]

    def until_s(self) -> float:
        """When the last of it ends."""
        return max((chunk.until_s for chunk in self.played), default=0.0)

    def length_s(self, since_s: float = 0.0) -> float:
        """How much was played, chunk by chunk."""
        return sum(len(c.samples) for c in self.played if c.at_s >= since_s) / RATE_HZ

    def overlap_s(self) -> float:
        """The longest time for which two chunks sounded at once."""
        worst, until = 0.0, -np.inf
        for chunk in sorted(self.played, key=lambda chunk: chunk.at_s):
            worst = max(worst, min(until, chunk.until_s) - chunk.at_s)
            until = max(until, chunk.until_s)
        return worst

    def gaps_s(self, since_s: float = 0.0) -> list[float]:
        """The silences between one chunk and the next."""
        ordered = [c for c in sorted(self.played, key=lambda c: c.at_s) if c.at_s >= since_s]
        return [
            max(0.0, after.at_s - before.until_s) for before, after in itertools.pairwise(ordered)
        ]

    def one_after_another(self, since_s: float = 0.0) -> Samples:
        """The chunks in the order in which they came, without the silence between them."""
        parts = [chunk.samples for chunk in self.played if chunk.at_s >= since_s]
        return np.concatenate(parts) if parts else np.zeros(0)

    def as_heard(self) -> Samples:
        """What a microphone beside the loudspeaker would have recorded, from the first sound on."""
        if not self.played:
            return np.zeros(0)
        began = min(chunk.at_s for chunk in self.played)
        heard = np.zeros(round((self.until_s() - began) * RATE_HZ) + 1)
        for chunk in self.played:
            at = round((chunk.at_s - began) * RATE_HZ)
            heard[at : at + len(chunk.samples)] += chunk.samples[: len(heard) - at]
        return heard


def likeness(one: Samples, other: Samples) -> float:
    """How alike two sounds are at their best alignment: 1 the same, 0 nothing in common."""
    if not len(one) or not len(other):
        return 0.0
    size = len(one) + len(other)
    at_each_delay = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)), size)
    loudness = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.max(at_each_delay)) / loudness if loudness else 0.0


def peak(samples: Samples) -> float:
    """The loudest sample."""
    return cast("float", np.max(np.abs(samples))) if len(samples) else 0.0
