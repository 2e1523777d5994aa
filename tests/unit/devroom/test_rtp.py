"""RTP headers and the statistics of a stream; aiortc's reader is the other opinion."""

import pytest
from aiortc.rtp import RtpPacket

from devroom import rtp

PAYLOAD = b"opus"


def packet(sequence: int = 7, *, marker: int = 0, csrcs: int = 0, extension: bytes = b"") -> bytes:
    """A packet with these header fields."""
    first = 0x80 | csrcs | (0x10 if extension else 0)
    fixed = bytes([first, marker << 7 | 111]) + sequence.to_bytes(2)
    block = b"\xbe\xde" + (len(extension) // 4).to_bytes(2) + extension if extension else b""
    stream = (90_000).to_bytes(4) + (0x01020304).to_bytes(4) + b"\0\0\0\1" * csrcs
    return fixed + stream + block + PAYLOAD


def test_a_packet_is_read() -> None:
    """Catches a header field that is read from the wrong place."""
    extension = bytes([0x10, 0x95, 0x40, 0x31])
    parsed = rtp.parse(packet(0xFFFE, marker=1, csrcs=2, extension=extension))
    assert parsed == rtp.Packet(0x80, 0, 0xFFFE, 90_000, 0x01020304, extension, PAYLOAD)


@pytest.mark.parametrize("length", range(12 + 4 + 4))
def test_a_packet_that_is_cut_short_is_none(length: int) -> None:
    """Catches a parser that trusts the header."""
    whole = packet(extension=b"\x10\x95\0\0")
    assert rtp.parse(whole[:length]) is None


def test_rewriting_changes_the_stream_and_nothing_else() -> None:
    """Catches a forwarded packet that a receiver cannot order or decode."""
    parsed = rtp.parse(packet(500, marker=1, csrcs=1, extension=b"\x10\x95\0\0"))
    assert parsed is not None
    out = RtpPacket.parse(rtp.rewrite(parsed, ssrc=42, payload_type=63))
    assert (out.ssrc, out.payload_type, out.marker) == (42, 63, 1)
    assert (out.sequence_number, out.timestamp, out.payload) == (500, 90_000, PAYLOAD)
    assert (out.csrc, out.padding_size) == ([], 0)


def test_padding_stays_padding() -> None:
    """Catches probing packets that would be decoded as sound."""
    padded = bytes([0xA0]) + packet()[1:] + b"\0\0\0\4"
    parsed = rtp.parse(padded)
    assert parsed is not None
    out = RtpPacket.parse(rtp.rewrite(parsed, ssrc=1, payload_type=111))
    assert (out.payload, out.padding_size) == (PAYLOAD, 4)


def test_extension_values() -> None:
    """Catches an audio level or a mid that is read from another element."""
    block = bytes([0x10, 0x95, 0x00, 0x42, 0x61, 0x62, 0x63, 0x00])
    assert rtp.extension_value(block, 1) == b"\x95"
    assert rtp.extension_value(block, 4) == b"abc"
    assert rtp.extension_value(block, 2) is None
    assert rtp.extension_value(b"", 1) is None


def test_losses_are_counted_between_reports() -> None:
    """Catches loss that is told twice, or never."""
    statistics = rtp.ReceptionStatistics(48_000)
    assert statistics.report() is None
    for sequence in (65_534, 65_535, 0, 1):
        statistics.add(sequence, sequence * 960, sequence * 0.02)
    first = statistics.report()
    assert first is not None
    assert (first.fraction_lost, first.packets_lost) == (0, 0)
    assert first.highest_sequence == 0x10001
    for sequence in (3, 5):
        statistics.add(sequence, sequence * 960, sequence * 0.02)
    second = statistics.report()
    assert second is not None
    assert (second.fraction_lost, second.packets_lost) == (128, 2)
    third = statistics.report()
    assert third is not None
    assert (third.fraction_lost, third.packets_lost) == (0, 2)


def test_packets_out_of_order_and_twice_are_no_loss() -> None:
    """Catches a loss below zero, and a late packet taken for a new round of numbers."""
    statistics = rtp.ReceptionStatistics(48_000)
    for sequence in (10, 12, 11, 12, 12):
        statistics.add(sequence, 0, 0.0)
    report = statistics.report()
    assert report is not None
    assert (report.fraction_lost, report.packets_lost, report.highest_sequence) == (0, 0, 12)


def test_jitter_is_zero_for_an_even_stream_and_grows_with_an_uneven_one() -> None:
    """Catches jitter in the wrong unit."""
    even, uneven = rtp.ReceptionStatistics(48_000), rtp.ReceptionStatistics(48_000)
    for number in range(200):
        even.add(number, number * 960, number * 0.02)
        uneven.add(number, number * 960, number * 0.02 + (0.01 if number % 2 else 0.0))
    told = [statistics.report() for statistics in (even, uneven)]
    assert told[0] is not None
    assert told[1] is not None
    assert told[0].jitter <= 1
    assert 400 < told[1].jitter <= 481
