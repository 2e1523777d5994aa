"""Framing between an agent and a local speech server. Pure: bytes in, frames out.

    4 bytes   length of the header, big-endian
    4 bytes   length of the payload, big-endian
    header    a JSON object in UTF-8
    payload   audio, or nothing

Both lengths are bounded, so that a hostile peer costs no more than one frame of memory.
"""

import struct
from dataclasses import dataclass

MAX_HEADER_BYTES = 64 * 1024
MAX_PAYLOAD_BYTES = 256 * 1024

_LENGTHS = struct.Struct("!II")


class WireError(Exception):
    """The peer does not speak this protocol; the connection is of no further use."""

    code = "wire_error"


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it travels."""

    header: bytes
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    """The frame's bytes; raises `WireError` when it is larger than a peer takes."""
    _check(len(frame.header), len(frame.payload))
    return _LENGTHS.pack(len(frame.header), len(frame.payload)) + frame.header + frame.payload


class FrameDecoder:
    """Cuts a stream of bytes, in pieces of any size, into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes; raises `WireError` for lengths out of bounds."""
        self._buffer += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> Frame | None:
        if len(self._buffer) < _LENGTHS.size:
            return None
        header_bytes, payload_bytes = _LENGTHS.unpack_from(self._buffer)
        _check(header_bytes, payload_bytes)
        payload_at = _LENGTHS.size + header_bytes
        end = payload_at + payload_bytes
        if len(self._buffer) < end:
            return None
        frame = Frame(
            header=bytes(self._buffer[_LENGTHS.size : payload_at]),
            payload=bytes(self._buffer[payload_at:end]),
        )
        del self._buffer[:end]
        return frame


def _check(header_bytes: int, payload_bytes: int) -> None:
    if header_bytes > MAX_HEADER_BYTES:
        raise WireError(f"a header of {header_bytes} bytes")
    if payload_bytes > MAX_PAYLOAD_BYTES:
        raise WireError(f"a payload of {payload_bytes} bytes")
