"""Media from one publisher to many subscribers, packet by packet, without decoding.

A packet goes out with its own sequence number and timestamp under a stream id and payload type
of the subscriber's: a track published again is another track with another stream id, so there
is nothing else to rewrite. All of it is synchronous: no queue, no task.
"""

import secrets
from typing import Protocol

from livekit.protocol.models import TrackInfo

from devroom import rtcp, rtp
from devroom.clock import Clock
from devroom.sdp import DEFAULT_PAYLOAD_TYPES, Kind

_CLOCK_RATE_HZ = {Kind.AUDIO: 48_000, Kind.VIDEO: 90_000}
_VIDEO_BITS_PER_S = 2_000_000
_KEYFRAME_INTERVAL_S = 0.3
_KEPT_VIDEO_PACKETS = 512
_SILENT_LEVEL = 127
_LEVEL_FRESH_S = 0.5


class PacketSender(Protocol):
    """The way packets leave: a transport."""

    def send_rtp(self, packet: bytes) -> None: ...
    def send_rtcp(self, packet: bytes) -> None: ...


def new_ssrc() -> int:
    return secrets.randbelow(0xFFFFFFFE) + 1


class DownTrack:
    """One published track on its way to one subscriber.

    `mid` is the section of the subscriber's description it is in, None while it has none;
    `answered` is whether the subscriber knows of it.
    """

    __slots__ = (
        "_history",
        "_octets",
        "_packets",
        "_sender",
        "answered",
        "enabled",
        "mid",
        "payload_type",
        "ssrc",
        "up",
    )

    def __init__(self, up: "UpTrack") -> None:
        self.up = up
        self.ssrc = new_ssrc()
        self.payload_type = DEFAULT_PAYLOAD_TYPES[up.kind]
        self.mid: str | None = None
        self.answered = False
        self.enabled = True
        self._sender: PacketSender | None = None
        self._packets = 0
        self._octets = 0
        self._history: dict[int, bytes] = {}

    @property
    def is_live(self) -> bool:
        return self._sender is not None

    def start(self, sender: PacketSender) -> None:
        if self._sender is None:
            self._sender = sender
            self.up.attach(self)

    def stop(self) -> None:
        if self._sender is not None:
            self._sender = None
            self.up.detach(self)

    def forward(self, packet: rtp.Packet) -> None:
        if self._sender is None or not self.enabled:
            return
        out = rtp.rewrite(packet, self.ssrc, self.payload_type)
        self._packets += 1
        self._octets += len(packet.payload)
        if self.up.kind is Kind.VIDEO:
            self._history[packet.sequence] = out
            self._history.pop((packet.sequence - _KEPT_VIDEO_PACKETS) & 0xFFFF, None)
        self._sender.send_rtp(out)

    def forward_clock(self, report: rtcp.SenderReport) -> None:
        """The publisher's sender report as ours, so that receivers can synchronise tracks."""
        if self._sender is not None:
            ours = rtcp.SenderReport(self.ssrc, report.ntp, report.rtp_timestamp)
            self._sender.send_rtcp(rtcp.sender_report(ours, self._packets, self._octets))

    def resend(self, sequences: tuple[int, ...]) -> None:
        """Sends lost video packets again; what never arrived here is asked of the publisher."""
        if self._sender is None:
            return
        for sequence in sequences:
            packet = self._history.get(sequence)
            if packet is not None:
                self._sender.send_rtp(packet)
        missing = tuple(s for s in sequences if s not in self._history)
        if missing and self.up.kind is Kind.VIDEO:
            self.up.request_again(missing)


class UpTrack:
    """One published track as it arrives. `ssrc` is None until its stream is known."""

    __slots__ = (
        "_clock",
        "_downs",
        "_first_subscriber",
        "_keyframe_asked_at_s",
        "_level",
        "_level_at_s",
        "_level_extension",
        "_own_ssrc",
        "_report_at_s",
        "_report_ntp",
        "_sender",
        "_statistics",
        "fraction_lost",
        "info",
        "kind",
        "participant_sid",
        "ssrc",
    )

    def __init__(
        self,
        info: TrackInfo,
        participant_sid: str,
        kind: Kind,
        sender: PacketSender,
        level_extension: int | None,
        first_subscriber: "FirstSubscriber",
        clock: Clock,
    ) -> None:
        self.info = info
        self.participant_sid = participant_sid
        self.kind = kind
        self.ssrc: int | None = None
        self.fraction_lost = 0
        self._sender = sender
        self._clock = clock
        self._level_extension = level_extension
        self._first_subscriber: FirstSubscriber | None = first_subscriber
        self._downs: list[DownTrack] = []
        self._own_ssrc = new_ssrc()
        self._statistics = rtp.ReceptionStatistics(_CLOCK_RATE_HZ[kind])
        self._report_ntp = 0
        self._report_at_s = 0.0
        self._level = _SILENT_LEVEL
        self._level_at_s = 0.0
        self._keyframe_asked_at_s = 0.0

    @property
    def sid(self) -> str:
        return self.info.sid

    @property
    def has_arrived(self) -> bool:
        return self._statistics.has_any

    def attach(self, down: DownTrack) -> None:
        self._downs.append(down)
        self.request_keyframe()
        if self._first_subscriber is not None:
            tell, self._first_subscriber = self._first_subscriber, None
            tell(self)

    def detach(self, down: DownTrack) -> None:
        self._downs.remove(down)

    def rtp_received(self, packet: rtp.Packet) -> None:
        now_s = self._clock()
        self._statistics.add(packet.sequence, packet.timestamp, now_s)
        if self._level_extension is not None and packet.extension:
            value = rtp.extension_value(packet.extension, self._level_extension)
            if value:
                self._level, self._level_at_s = value[0] & 0x7F, now_s
        for down in self._downs:
            down.forward(packet)

    def clock_received(self, report: rtcp.SenderReport) -> None:
        self._report_ntp, self._report_at_s = report.ntp, self._clock()
        for down in self._downs:
            down.forward_clock(report)

    def level(self, now_s: float) -> int:
        """Loudness as -dBov, 0 loudest, 127 silent, unknown or muted."""
        if self.info.muted or now_s - self._level_at_s > _LEVEL_FRESH_S:
            return _SILENT_LEVEL
        return self._level

    def report(self) -> None:
        """Tells the publisher how the stream arrives; to be called about once a second."""
        figures = self._statistics.report()
        if figures is None or self.ssrc is None:
            return
        self.fraction_lost = figures.fraction_lost
        lsr = self._report_ntp >> 16 & 0xFFFFFFFF
        block = rtcp.ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=figures.fraction_lost,
            packets_lost=figures.packets_lost,
            highest_sequence=figures.highest_sequence,
            jitter=figures.jitter,
            lsr=lsr,
            dlsr=int((self._clock() - self._report_at_s) * 65536) if lsr else 0,
        )
        self._sender.send_rtcp(rtcp.receiver_report(self._own_ssrc, block))
        if self.kind is Kind.VIDEO:
            self._sender.send_rtcp(rtcp.bitrate_limit(self._own_ssrc, self.ssrc, _VIDEO_BITS_PER_S))

    def request_keyframe(self) -> None:
        now_s = self._clock()
        due = now_s - self._keyframe_asked_at_s > _KEYFRAME_INTERVAL_S
        if self.kind is Kind.VIDEO and self.ssrc is not None and due:
            self._keyframe_asked_at_s = now_s
            self._sender.send_rtcp(rtcp.picture_loss(self._own_ssrc, self.ssrc))

    def request_again(self, sequences: tuple[int, ...]) -> None:
        if self.ssrc is not None:
            self._sender.send_rtcp(rtcp.nack(self._own_ssrc, self.ssrc, sequences))


class FirstSubscriber(Protocol):
    """Called once, when the first subscriber of a track is being sent to."""

    def __call__(self, track: UpTrack, /) -> None: ...
