"""Mono PCM16, and what can be wrong with audio.

AudioError
    UnreadableAudio     not the format it was said to be, damaged, or never any sound in it
    AudioTooLong        more than was allowed
"""

from dataclasses import dataclass
from typing import ClassVar

SAMPLE_BYTES = 2


class AudioError(Exception):
    """The stream is over. The message is meant for the client; `code` is for the wire.

    Sending the same again does not help.
    """

    code: ClassVar[str]


class UnreadableAudio(AudioError):
    """These bytes are no audio that we can read."""

    code = "invalid_message"


class AudioTooLong(AudioError):
    """There is more audio than is allowed."""

    code = "audio_too_long"


@dataclass(frozen=True, slots=True)
class Pcm:
    """Mono signed 16-bit little-endian samples at a rate."""

    samples: bytes
    rate_hz: int

    def __bool__(self) -> bool:
        return bool(self.samples)

    @property
    def duration_s(self) -> float:
        """How long it plays."""
        return len(self.samples) / SAMPLE_BYTES / self.rate_hz

    @classmethod
    def silence(cls, duration_s: float, rate_hz: int) -> "Pcm":
        """So much of nothing."""
        return cls(bytes(round(duration_s * rate_hz) * SAMPLE_BYTES), rate_hz)
