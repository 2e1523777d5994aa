"""WAV, read as it comes and written at once.

FFmpeg waits for 64 KiB of a WAV to see whether it hides a surround stream, so its head is read
here, and its samples are converted like any.
"""

import struct
from dataclasses import dataclass
from typing import Final

from orchestrator.gateway.audio.pcm import SAMPLE_BYTES, Pcm, UnreadableAudio

LONGEST_HEAD_BYTES = 1 << 16

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SAMPLE_BYTES: Final = {"u8": 1, "s16": 2, "s32": 4, "flt": 4}
_SAMPLE_FORMATS: Final = {
    (_PCM, 8): "u8",
    (_PCM, 16): "s16",
    (_PCM, 32): "s32",
    (_FLOAT, 32): "flt",
}


@dataclass(frozen=True, slots=True)
class WavFormat:
    """How the samples of a WAV are laid out; `sample_format` is FFmpeg's name."""

    sample_format: str
    channels: int
    rate_hz: int

    @property
    def stride(self) -> int:
        """Bytes of one sample of all channels."""
        return _SAMPLE_BYTES[self.sample_format] * self.channels


class WavHead:
    """Takes a WAV's bytes until its samples begin."""

    def __init__(self) -> None:
        self._bytes = b""
        self.format: WavFormat | None = None

    def feed(self, data: bytes) -> bytes:
        """The samples among these bytes; `format` is known from the first on.

        Raises `UnreadableAudio`.
        """
        self._bytes += data
        at = 12
        found: WavFormat | None = None
        while len(self._bytes) >= at + 8:
            name, size = struct.unpack_from("<4sI", self._bytes, at)
            if name == b"data":
                if found is None:
                    raise UnreadableAudio("The WAV has samples before their format.")
                self.format = found
                return self._bytes[at + 8 :]
            if name == b"fmt " and len(self._bytes) >= at + 8 + size:
                found = _format(self._bytes[at + 8 : at + 8 + size])
            at += 8 + size + size % 2
        if len(self._bytes) > LONGEST_HEAD_BYTES:
            raise UnreadableAudio("There is no sound in this WAV.")
        return b""


def _format(fields: bytes) -> WavFormat:
    if len(fields) < 16:
        raise UnreadableAudio("The WAV's format is cut short.")
    kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", fields)
    if kind == _EXTENSIBLE and len(fields) >= 26:
        kind = int.from_bytes(fields[24:26], "little")
    sample_format = _SAMPLE_FORMATS.get((kind, bits))
    if sample_format is None or channels not in (1, 2) or not 8_000 <= rate_hz <= 192_000:
        raise UnreadableAudio(
            "A WAV must have one or two channels of 8, 16 or 32 bits at 8 to 192 kHz."
        )
    return WavFormat(sample_format, channels, rate_hz)


def wav(pcm: Pcm) -> bytes:
    """A whole WAV file."""
    size = len(pcm.samples)
    fmt = struct.pack(
        "<HHIIHH", 1, 1, pcm.rate_hz, pcm.rate_hz * SAMPLE_BYTES, SAMPLE_BYTES, SAMPLE_BYTES * 8
    )
    return (
        struct.pack("<4sI4s4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", len(fmt))
        + fmt
        + struct.pack("<4sI", b"data", size)
        + pcm.samples
    )
