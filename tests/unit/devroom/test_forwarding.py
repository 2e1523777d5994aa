"""Media from one publisher to many subscribers, packet by packet."""

from dataclasses import dataclass, field

from livekit.protocol.models import TrackInfo

from devroom import rtcp
from devroom.forwarding import DownTrack, UpTrack
from devroom.rtp import Packet, parse
from devroom.sdp import Kind
from tests.unit.devroom.parts import Clock

LEVEL_ID = 1


@dataclass
class Wire:
    """A transport that keeps what it sends."""

    media: list[Packet] = field(default_factory=list)
    control: list[bytes] = field(default_factory=list)

    def send_rtp(self, packet: bytes) -> None:
        parsed = parse(packet)
        assert parsed is not None
        self.media.append(parsed)

    def send_rtcp(self, packet: bytes) -> None:
        self.control.append(packet)

    @property
    def feedback(self) -> list[rtcp.Feedback]:
        """What was sent, as far as it asks for something."""
        return [one for packet in self.control for one in rtcp.parse(packet)]


class Publication:
    """A track and its publisher's wire."""

    def __init__(self, kind: Kind = Kind.AUDIO, ssrc: int | None = 7) -> None:
        self.clock = Clock()
        self.wire = Wire()
        self.subscribed: list[str] = []
        self.up = UpTrack(
            TrackInfo(sid="TR_1"),
            "PA_1",
            kind,
            self.wire,
            LEVEL_ID,
            lambda track: self.subscribed.append(track.sid),
            self.clock,
        )
        self.up.ssrc = ssrc

    def subscribe(self) -> tuple[DownTrack, Wire]:
        """One more subscriber."""
        down, wire = DownTrack(self.up), Wire()
        down.start(wire)
        return down, wire

    def arrives(self, sequence: int, *, level: int | None = None) -> None:
        """One packet of the publisher's."""
        extension = b"" if level is None else bytes([LEVEL_ID << 4, level, 0, 0])
        self.up.rtp_received(Packet(0, 0, sequence, sequence * 960, 7, extension, b"sound"))


def test_each_subscriber_has_a_stream_of_its_own() -> None:
    """Catches two streams under one number, and packets whose order or clock is lost."""
    publication = Publication()
    (one, first), (other, second) = publication.subscribe(), publication.subscribe()
    other.payload_type = 63
    publication.arrives(65_535)
    publication.arrives(0)
    assert one.ssrc != other.ssrc
    for down, wire in ((one, first), (other, second)):
        assert [packet.sequence for packet in wire.media] == [65_535, 0]
        assert {packet.ssrc for packet in wire.media} == {down.ssrc}
        assert wire.media[0].timestamp == 65_535 * 960
        assert wire.media[0].payload == b"sound"


def test_who_stopped_or_switched_off_gets_nothing() -> None:
    """Catches media to someone who unsubscribed."""
    publication = Publication()
    (gone, first), (off, second) = publication.subscribe(), publication.subscribe()
    gone.stop()
    off.enabled = False
    publication.arrives(1)
    assert (first.media, second.media) == ([], [])
    off.enabled = True
    publication.arrives(2)
    assert [packet.sequence for packet in second.media] == [2]


def test_the_publisher_hears_of_its_first_subscriber_once() -> None:
    """Catches an agent that waits for `track_subscribed`, or is told again for each listener."""
    publication = Publication()
    assert publication.subscribed == []
    publication.subscribe()
    publication.subscribe()
    assert publication.subscribed == ["TR_1"]


def test_a_new_subscriber_of_video_gets_a_keyframe_soon() -> None:
    """Catches a black picture, and a publisher that is asked for keyframes without end."""
    publication = Publication(Kind.VIDEO)
    publication.subscribe()
    publication.subscribe()
    assert publication.wire.feedback == [rtcp.KeyframeRequest(7)]
    publication.clock.now_s += 0.31
    publication.up.request_keyframe()
    assert publication.wire.feedback == [rtcp.KeyframeRequest(7)] * 2
    sound = Publication(Kind.AUDIO)
    sound.subscribe()
    assert sound.wire.feedback == []


def test_lost_video_is_sent_again_or_asked_for() -> None:
    """Catches losses that nobody mends, and a history without bound."""
    publication = Publication(Kind.VIDEO)
    down, wire = publication.subscribe()
    for sequence in range(1000):
        if sequence != 998:
            publication.arrives(sequence)
    wire.media.clear()
    publication.wire.control.clear()
    down.resend((999, 998, 3))
    assert [packet.sequence for packet in wire.media] == [999]
    assert wire.media[0].ssrc == down.ssrc
    assert publication.wire.feedback == [rtcp.Nack(7, (998, 3))]


def test_lost_audio_is_lost() -> None:
    """Catches a late packet that is heard out of its place, and a request for it."""
    publication = Publication(Kind.AUDIO)
    down, wire = publication.subscribe()
    publication.arrives(1)
    down.resend((1, 2))
    assert len(wire.media) == 1
    assert publication.wire.feedback == []


def test_the_publisher_s_clock_goes_on_under_the_subscriber_s_number() -> None:
    """Catches sound and picture that cannot be brought together."""
    publication = Publication()
    down, wire = publication.subscribe()
    publication.up.clock_received(rtcp.SenderReport(7, 12345, 960))
    assert wire.feedback == [rtcp.SenderReport(down.ssrc, 12345, 960)]


def test_how_loud_it_is() -> None:
    """Catches a speaker who is still shown as one after a mute, or after the stream stopped."""
    publication = Publication()
    clock, up = publication.clock, publication.up
    assert up.level(clock()) == 127
    publication.arrives(1, level=0x80 | 20)
    assert up.level(clock()) == 20
    up.info.muted = True
    assert up.level(clock()) == 127
    up.info.muted = False
    clock.now_s += 0.6
    assert up.level(clock()) == 127


def test_the_publisher_is_told_how_it_arrives() -> None:
    """Catches a publisher that never lowers its rate, and a report about nothing."""
    publication = Publication(Kind.VIDEO)
    publication.up.report()
    assert publication.wire.control == []
    for sequence in (1, 2, 3, 5):
        publication.arrives(sequence)
    publication.up.clock_received(rtcp.SenderReport(7, 0x0001_0002_0003_0004, 1))
    publication.clock.now_s += 2
    publication.up.report()
    report, limit = publication.wire.control
    assert publication.up.fraction_lost == 51
    assert report[12] == 51
    assert int.from_bytes(report[-8:-4]) == 0x0002_0003
    assert int.from_bytes(report[-4:]) == 2 * 65_536
    assert b"REMB" in limit
