"""Which format a stream of audio bytes is in, by its first bytes."""

from enum import StrEnum

HEADER_BYTES = 12
"""So many bytes always tell."""


class InputFormat(StrEnum):
    """What clients send."""

    PCM = "pcm"
    WAV = "wav"
    WEBM = "webm"
    OGG = "ogg"
    MP4 = "mp4"
    MP3 = "mp3"


class OutputFormat(StrEnum):
    """What clients can ask for."""

    PCM = "pcm"
    WAV = "wav"
    MP3 = "mp3"


def recognise(head: bytes) -> InputFormat:
    """The format of a stream, or of a frame that may begin one; `PCM` where no header is.

    `MP3` is recognised by an ID3 tag only: a bare MP3 frame looks like samples.
    """
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return InputFormat.WEBM
    if head.startswith(b"OggS"):
        return InputFormat.OGG
    if head.startswith(b"RIFF") and head[8:12] in (b"WAVE", b""):
        return InputFormat.WAV
    if head[4:8] in (b"ftyp", b"styp"):
        return InputFormat.MP4
    if head.startswith(b"ID3"):
        return InputFormat.MP3
    return InputFormat.PCM
