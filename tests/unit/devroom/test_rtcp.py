"""RTCP; what we read is written by aiortc, and what we write is read by it."""

import pytest
from aiortc.rtp import (
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    pack_remb_fci,
    unpack_remb_fci,
)

from devroom import rtcp

SENDER_REPORT = bytes(
    RtcpSrPacket(
        ssrc=5,
        sender_info=RtcpSenderInfo(
            ntp_timestamp=0x0102030405060708, rtp_timestamp=90_000, packet_count=3, octet_count=99
        ),
    )
)
PLI = bytes(RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=77))
FIR = bytes(RtcpPsfbPacket(fmt=4, ssrc=1, media_ssrc=0, fci=(78).to_bytes(4) + b"\1\0\0\0"))
NACK = bytes(RtcpRtpfbPacket(fmt=1, ssrc=1, media_ssrc=79, lost=[100, 101, 116, 200]))
REMB = bytes(RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=pack_remb_fci(1000, [1])))


def test_a_compound_packet_is_read_part_by_part() -> None:
    """Catches a keyframe that is never asked for, or lost packets that are never sent again."""
    receiver_report = bytes(RtcpRrPacket(ssrc=1))
    assert list(rtcp.parse(SENDER_REPORT + receiver_report + PLI + FIR + REMB + NACK)) == [
        rtcp.SenderReport(5, 0x0102030405060708, 90_000),
        rtcp.KeyframeRequest(77),
        rtcp.KeyframeRequest(78),
        rtcp.Nack(79, (100, 101, 116, 200)),
    ]


def test_lost_packets_around_the_end_of_the_numbers() -> None:
    """Catches a request for packet 65,536."""
    entry = (65_534).to_bytes(2) + (0b101).to_bytes(2)
    (read,) = rtcp.parse(NACK[:2] + b"\0\3" + NACK[4:12] + entry)
    assert read == rtcp.Nack(79, (65_534, 65_535, 1))


@pytest.mark.parametrize("whole", [SENDER_REPORT, PLI, FIR, NACK])
def test_a_part_that_is_cut_short_is_skipped(whole: bytes) -> None:
    """Catches a parser that reads past the end of what came."""
    for length in range(len(whole)):
        assert list(rtcp.parse(whole[:length])) == []


def test_what_follows_a_malformed_part_is_not_believed() -> None:
    """Catches feedback that is made of the middle of another packet."""
    assert list(rtcp.parse(b"\x00" + PLI[1:] + PLI)) == []
    assert list(rtcp.parse(PLI[:2] + b"\xff\xff" + PLI[4:] + PLI)) == []


def test_sender_reports_are_written() -> None:
    """Catches counters that do not fit, and clocks by which nothing can be synchronised."""
    report = rtcp.SenderReport(9, 0x1122334455667788, 4242)
    (read,) = RtcpPacket.parse(rtcp.sender_report(report, packets=2**32 + 1, octets=2**33 + 2))
    assert isinstance(read, RtcpSrPacket)
    assert read.ssrc == 9
    assert read.sender_info == RtcpSenderInfo(
        ntp_timestamp=0x1122334455667788, rtp_timestamp=4242, packet_count=1, octet_count=2
    )


def test_receiver_reports_are_written() -> None:
    """Catches losses that a publisher reads as something else."""
    block = rtcp.ReportBlock(
        ssrc=8,
        fraction_lost=64,
        packets_lost=300,
        highest_sequence=0x10007,
        jitter=12,
        lsr=0x33445566,
        dlsr=65_536,
    )
    (read,) = RtcpPacket.parse(rtcp.receiver_report(7, block))
    assert isinstance(read, RtcpRrPacket)
    assert read.reports == [
        RtcpReceiverInfo(
            ssrc=8,
            fraction_lost=64,
            packets_lost=300,
            highest_sequence=0x10007,
            jitter=12,
            lsr=0x33445566,
            dlsr=65_536,
        )
    ]


def test_feedback_is_written() -> None:
    """Catches a keyframe request, or a request for lost packets, that a publisher ignores."""
    (pli,) = RtcpPacket.parse(rtcp.picture_loss(1, 2))
    assert isinstance(pli, RtcpPsfbPacket)
    assert (pli.fmt, pli.ssrc, pli.media_ssrc) == (1, 1, 2)
    (nack,) = RtcpPacket.parse(rtcp.nack(1, 2, (65_535, 4, 9)))
    assert isinstance(nack, RtcpRtpfbPacket)
    assert (nack.media_ssrc, nack.lost) == (2, [65_535, 4, 9])


@pytest.mark.parametrize("bits_per_s", [1, 200_000, 2_000_000, 50_000_000])
def test_the_bitrate_limit_is_written(bits_per_s: int) -> None:
    """Catches a limit that strangles video."""
    (remb,) = RtcpPacket.parse(rtcp.bitrate_limit(1, 2, bits_per_s))
    assert isinstance(remb, RtcpPsfbPacket)
    limit, streams = unpack_remb_fci(remb.fci)
    assert streams == [2]
    assert bits_per_s * 0.99 <= limit <= bits_per_s
