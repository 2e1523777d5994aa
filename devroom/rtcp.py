"""RTCP: the few packets a forwarding server reads and writes (RFC 3550, 4585, 5104).

Pure: bytes in, values out. Packet types that need no answer are skipped.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SENDER_REPORT = 200
_RECEIVER_REPORT = 201
_TRANSPORT_FEEDBACK = 205
_PAYLOAD_FEEDBACK = 206
_NACK = 1
_PLI = 1
_FIR = 4
_APPLICATION = 15


@dataclass(frozen=True, slots=True)
class SenderReport:
    """A sender's clock: `ntp` is 32.32 fixed point seconds, `rtp_timestamp` in ticks."""

    ssrc: int
    ntp: int
    rtp_timestamp: int


@dataclass(frozen=True, slots=True)
class KeyframeRequest:
    media_ssrc: int


@dataclass(frozen=True, slots=True)
class Nack:
    media_ssrc: int
    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """One block of a receiver report; `lsr` and `dlsr` are in 1/65536 s."""

    ssrc: int
    fraction_lost: int
    packets_lost: int
    highest_sequence: int
    jitter: int
    lsr: int
    dlsr: int


Feedback = SenderReport | KeyframeRequest | Nack


def parse(data: bytes) -> Iterator[Feedback]:
    """What a compound packet asks for or tells; stops at the first malformed part."""
    position = 0
    while position + 4 <= len(data):
        first, kind, words = struct.unpack_from("!BBH", data, position)
        end = position + 4 + 4 * words
        if first >> 6 != 2 or end > len(data):
            return
        body = data[position + 4 : end]
        if kind == _SENDER_REPORT and len(body) >= 24:
            ssrc, ntp, timestamp = struct.unpack_from("!IQI", body)
            yield SenderReport(ssrc, ntp, timestamp)
        elif kind == _PAYLOAD_FEEDBACK and len(body) >= 8:
            yield from _keyframe_requests(first & 0x1F, body)
        elif kind == _TRANSPORT_FEEDBACK and first & 0x1F == _NACK and len(body) >= 8:
            yield _nack(body)
        position = end


def _keyframe_requests(format_: int, body: bytes) -> Iterator[KeyframeRequest]:
    if format_ == _PLI:
        yield KeyframeRequest(struct.unpack_from("!I", body, 4)[0])
    elif format_ == _FIR:
        for position in range(8, len(body) - 7, 8):
            yield KeyframeRequest(struct.unpack_from("!I", body, position)[0])


def _nack(body: bytes) -> Nack:
    sequences: list[int] = []
    for position in range(8, len(body) - 3, 4):
        first, mask = struct.unpack_from("!HH", body, position)
        sequences.append(first)
        sequences += [(first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1]
    return Nack(struct.unpack_from("!I", body, 4)[0], tuple(sequences))


def sender_report(report: SenderReport, packets: int, octets: int) -> bytes:
    return _packet(
        _SENDER_REPORT,
        0,
        struct.pack(
            "!IQIII",
            report.ssrc,
            report.ntp,
            report.rtp_timestamp,
            packets & 0xFFFFFFFF,
            octets & 0xFFFFFFFF,
        ),
    )


def receiver_report(sender_ssrc: int, block: ReportBlock) -> bytes:
    loss = block.fraction_lost << 24 | block.packets_lost
    return _packet(
        _RECEIVER_REPORT,
        1,
        struct.pack(
            "!IIIIIII",
            sender_ssrc,
            block.ssrc,
            loss,
            block.highest_sequence,
            block.jitter,
            block.lsr,
            block.dlsr & 0xFFFFFFFF,
        ),
    )


def picture_loss(sender_ssrc: int, media_ssrc: int) -> bytes:
    return _packet(_PAYLOAD_FEEDBACK, _PLI, struct.pack("!II", sender_ssrc, media_ssrc))


def nack(sender_ssrc: int, media_ssrc: int, sequences: tuple[int, ...]) -> bytes:
    """Asks for packets again, one per entry: they are few, a mask saves nothing worth it."""
    entries = b"".join(struct.pack("!HH", sequence, 0) for sequence in sequences)
    return _packet(
        _TRANSPORT_FEEDBACK, _NACK, struct.pack("!II", sender_ssrc, media_ssrc) + entries
    )


def bitrate_limit(sender_ssrc: int, media_ssrc: int, bits_per_s: int) -> bytes:
    """REMB: how much the sender may send (draft-alvestrand-rmcat-remb)."""
    exponent = max(0, bits_per_s.bit_length() - 18)
    mantissa = bits_per_s >> exponent
    return _packet(
        _PAYLOAD_FEEDBACK,
        _APPLICATION,
        struct.pack("!II", sender_ssrc, 0)
        + b"REMB"
        + struct.pack("!II", 1 << 24 | exponent << 18 | mantissa, media_ssrc),
    )


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 2 << 6 | count, kind, len(body) // 4) + body
