"""RTP headers: reading, rewriting, and the statistics of a received stream (RFC 3550).

Pure: bytes in, values out; the clock is the caller's.
"""

import struct
from dataclasses import dataclass

_FIXED = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_FIXED_BYTES = 12
_ONE_BYTE_PROFILE = 0xBEDE
_MARKER = 0x80
_PADDING = 0x20
_EXTENSION_BIT = 0x10
_VERSION_2 = 0x80


@dataclass(frozen=True, slots=True)
class Packet:
    """A parsed RTP packet. `extension` is the raw one-byte extension block, often empty."""

    marker: int
    padding: int
    sequence: int
    timestamp: int
    ssrc: int
    extension: bytes
    payload: bytes


def parse(data: bytes) -> Packet | None:
    """The packet, or None where the bytes are too short for what their header claims."""
    if len(data) < _FIXED_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = _FIXED.unpack_from(data)
    start = _FIXED_BYTES + 4 * (first & 0x0F)
    extension = b""
    if first & _EXTENSION_BIT:
        if len(data) < start + 4:
            return None
        profile, words = _EXTENSION.unpack_from(data, start)
        start += 4 + 4 * words
        if profile == _ONE_BYTE_PROFILE:
            extension = data[start - 4 * words : start]
    if len(data) < start:
        return None
    return Packet(
        second & _MARKER, first & _PADDING, sequence, timestamp, ssrc, extension, data[start:]
    )


def rewrite(packet: Packet, ssrc: int, payload_type: int) -> bytes:
    """The packet as another stream: same sequence, timestamp and payload, no extensions."""
    return (
        _FIXED.pack(
            _VERSION_2 | packet.padding,
            packet.marker | payload_type,
            packet.sequence,
            packet.timestamp,
            ssrc,
        )
        + packet.payload
    )


def extension_value(extension: bytes, wanted_id: int) -> bytes | None:
    """The value of one element of a one-byte header extension block (RFC 8285)."""
    position = 0
    while position < len(extension):
        head = extension[position]
        if head == 0:
            position += 1
            continue
        size = (head & 0x0F) + 1
        if head >> 4 == wanted_id:
            return extension[position + 1 : position + 1 + size]
        position += 1 + size
    return None


@dataclass(frozen=True, slots=True)
class Reception:
    """One receiver report's figures: loss as a fraction of 256 and in packets, jitter in ticks."""

    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int


class ReceptionStatistics:
    """Counts one incoming stream for receiver reports (RFC 3550, appendix A)."""

    __slots__ = (
        "_base",
        "_clock_rate_hz",
        "_cycles",
        "_expected_before",
        "_highest",
        "_jitter",
        "_received",
        "_received_before",
        "_transit",
    )

    def __init__(self, clock_rate_hz: int) -> None:
        self._clock_rate_hz = clock_rate_hz
        self._base = 0
        self._highest: int | None = None
        self._cycles = 0
        self._received = 0
        self._expected_before = 0
        self._received_before = 0
        self._jitter = 0.0
        self._transit: int | None = None

    def add(self, sequence: int, timestamp: int, arrival_s: float) -> None:
        self._received += 1
        if self._highest is None:
            self._base = self._highest = sequence
        elif 0 < (sequence - self._highest) & 0xFFFF < 0x8000:
            if sequence < self._highest:
                self._cycles += 0x10000
            self._highest = sequence
        transit = int(arrival_s * self._clock_rate_hz) - timestamp
        if self._transit is not None:
            difference = abs(transit - self._transit)
            if difference < self._clock_rate_hz:
                self._jitter += (difference - self._jitter) / 16
        self._transit = transit

    @property
    def has_any(self) -> bool:
        return self._highest is not None

    def report(self) -> Reception | None:
        """The figures since the last call; None before the first packet."""
        if self._highest is None:
            return None
        extended = self._cycles + self._highest
        expected = extended - self._base + 1
        expected_now = expected - self._expected_before
        lost_now = expected_now - (self._received - self._received_before)
        self._expected_before, self._received_before = expected, self._received
        fraction = max(0, min(255, lost_now * 256 // expected_now)) if expected_now > 0 else 0
        return Reception(
            fraction_lost=fraction,
            packets_lost=max(0, min(expected - self._received, 0x7FFFFF)),
            highest_sequence=extended & 0xFFFFFFFF,
            jitter=int(self._jitter),
        )
