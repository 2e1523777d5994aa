"""What one participant receives, and how its descriptions tell it: m-lines are never lost.

With two connections the server offers; with one, tracks go into the client's spare sections.
"""

from livekit.protocol.models import TrackInfo
from livekit.protocol.rtc import SessionDescription

from devroom import sdp
from devroom.forwarding import DownTrack, UpTrack
from devroom.sdp import Direction, Kind
from devroom.shared_sections import SharedSections
from devroom.subscriber_offers import SubscriberOffers
from devroom.subscribing import Subscriptions
from tests.unit.devroom.parts import (
    Clock,
    RecordingLink,
    Transport,
    application,
    audio,
    description,
    video,
)


def track(sid: str, kind: Kind = Kind.AUDIO, *, stereo: bool = False) -> UpTrack:
    """Somebody's published track."""
    info = TrackInfo(sid=sid, type=kind.upper(), stereo=stereo)
    return UpTrack(info, "PA_other", kind, Transport(), None, lambda _: None, Clock())


def sections(response: SessionDescription) -> list[tuple[str, Direction, str]]:
    """(mid, direction, track) of each section."""
    return [(s.mid, s.direction, s.track_id) for s in sdp.parse(response.sdp)]


class Two:
    """A client with two connections."""

    def __init__(self) -> None:
        self.link = RecordingLink()
        self.transport = Transport()
        self.offers = SubscriberOffers(self.transport, self.link.send)
        self.subscriptions = Subscriptions(self.offers, auto=True)

    @property
    def offered(self) -> SessionDescription:
        """The last offer."""
        return self.link.of("offer")[-1].offer

    def answer(self, number: int | None = None) -> None:
        """Answer the last offer, or the one of this number."""
        text = self.offered.sdp.replace("actpass", "active")
        self.offers.answer_received(
            SessionDescription(
                type="answer", sdp=text, id=self.offered.id if number is None else number
            )
        )


async def test_the_first_offer_opens_the_data_channels() -> None:
    """Catches a client that is alone in the room and gets no data."""
    two = Two()
    two.subscriptions.follow([])
    assert sections(two.offered) == [("0", Direction.SENDRECV, "")]
    two.answer()
    two.subscriptions.follow([])
    assert len(two.link.of("offer")) == 1


async def test_one_offer_at_a_time() -> None:
    """Catches two offers under way, of which a client answers neither."""
    two = Two()
    two.subscriptions.follow([track("TR_1")])
    two.subscriptions.follow([track("TR_1"), track("TR_2")])
    assert len(two.link.of("offer")) == 1
    two.answer()
    assert sections(two.offered)[1:] == [
        ("1", Direction.SENDONLY, "TR_1"),
        ("2", Direction.SENDONLY, "TR_2"),
    ]
    assert dict(two.offered.mid_to_track_id) == {"1": "TR_1", "2": "TR_2"}


async def test_a_section_is_never_used_twice() -> None:
    """Catches an m-line that is reused or left out: native clients miss the next track."""
    two = Two()
    two.subscriptions.follow([track("TR_1"), track("TR_2", Kind.VIDEO)])
    two.answer()
    two.subscriptions.follow([track("TR_2", Kind.VIDEO), track("TR_3")])
    assert sections(two.offered) == [
        ("0", Direction.SENDRECV, ""),
        ("1", Direction.INACTIVE, ""),
        ("2", Direction.SENDONLY, "TR_2"),
        ("3", Direction.SENDONLY, "TR_3"),
    ]


async def test_an_answer_to_another_offer_is_no_answer() -> None:
    """Catches tracks that are sent before the client knows of them."""
    two = Two()
    two.transport.up = True
    two.subscriptions.follow([track("TR_1")])
    (down,) = two.subscriptions
    two.answer(number=99)
    assert not down.is_live
    two.answer(number=0)  # native clients leave the number out
    assert down.is_live


async def test_nothing_is_sent_before_the_transport_is_up() -> None:
    """Catches media in the clear, or lost before DTLS."""
    two = Two()
    two.subscriptions.follow([track("TR_1")])
    two.answer()
    (down,) = two.subscriptions
    assert not down.is_live
    two.transport.up = True
    two.subscriptions.start_answered()
    assert down.is_live


async def test_a_resume_offers_anew_with_fresh_names() -> None:
    """Catches an offer lost with the old link that is waited for until the end."""
    two = Two()
    two.subscriptions.follow([track("TR_1")])
    before = two.offered
    two.offers.restart_ice()
    assert two.offered.id == before.id + 1
    assert sections(two.offered) == sections(before)
    assert sdp.parse(two.offered.sdp)[0].ufrag != sdp.parse(before.sdp)[0].ufrag


class One:
    """A client with one connection; `offer` is what it does when it is asked to."""

    def __init__(self) -> None:
        self.link = RecordingLink()
        self.transport = Transport()
        self.shared = SharedSections(self.transport, self.link.send)
        self.subscriptions = Subscriptions(self.shared, auto=True)

    @property
    def asked(self) -> list[tuple[int, int]]:
        """(audio, video) sections that were asked for, each time."""
        wishes = [response.media_sections_requirement for response in self.link.sent]
        return [(wish.num_audios, wish.num_videos) for wish in wishes]

    def offer(self, *lines: list[str]) -> list[sdp.Media]:
        """The answers to the sections that do not send."""
        offered = sdp.parse(description(*lines))
        self.shared.begin(offered)
        answers = [
            self.shared.line(section, section.payload_type)
            for section in offered
            if not section.direction.sends and not section.rejected and section.payload_type
        ]
        self.shared.finish()
        return answers


def placed(lines: list[sdp.Media]) -> list[tuple[str, Direction, str]]:
    """(mid, direction, track) of each answer."""
    return [(line.mid, line.direction, line.msid.rpartition(" ")[2]) for line in lines]


async def test_sections_are_asked_for_once() -> None:
    """Catches a client that is asked to offer again and again, or never."""
    one = One()
    one.subscriptions.follow([])
    assert one.asked == []
    one.subscriptions.follow([track("TR_1"), track("TR_2", Kind.VIDEO)])
    one.subscriptions.follow([track("TR_1"), track("TR_2", Kind.VIDEO)])
    assert one.asked == [(1, 1)]


async def test_tracks_go_into_spare_sections() -> None:
    """Catches a track in a section of another kind, or in one that the client sends in."""
    one = One()
    one.subscriptions.follow([track("TR_1", stereo=True), track("TR_2", Kind.VIDEO)])
    lines = one.offer(
        application("0"),
        audio("1", "sendonly"),
        video("2", "recvonly"),
        audio("3", "recvonly"),
        audio("4", "recvonly"),
    )
    assert placed(lines) == [
        ("2", Direction.SENDONLY, "TR_2"),
        ("3", Direction.SENDONLY, "TR_1"),
        ("4", Direction.INACTIVE, ""),
    ]
    assert "stereo=1" in lines[1].parameters
    assert one.shared.track_ids == {"2": "TR_2", "3": "TR_1"}
    assert len(one.asked) == 1


async def test_an_offer_is_asked_for_where_sections_are_free() -> None:
    """Catches a track that waits for a section that is there: only an offer can fill it."""
    one = One()
    one.offer(audio("1", "recvonly"), audio("2", "recvonly"))
    one.subscriptions.follow([track("TR_1")])
    assert one.asked == [(0, 0)]
    one.subscriptions.follow([track("TR_1"), track("TR_2"), track("TR_3")])
    assert one.asked == [(0, 0), (1, 0)]


async def test_a_section_that_lost_its_track_is_inactive_once() -> None:
    """Catches a native client that does not notice that the track in a section is another."""
    one = One()
    first, second = track("TR_1"), track("TR_2")
    spare = audio("1", "recvonly")
    one.subscriptions.follow([first])
    assert placed(one.offer(spare)) == [("1", Direction.SENDONLY, "TR_1")]
    one.subscriptions.follow([second])
    assert one.asked[-1] == (1, 0)
    assert placed(one.offer(spare)) == [("1", Direction.INACTIVE, "")]
    assert one.asked[-1] == (0, 0)
    assert placed(one.offer(spare)) == [("1", Direction.SENDONLY, "TR_2")]


async def test_a_section_that_is_gone_gives_its_track_back() -> None:
    """Catches a track that is lost when the client drops the section it was in."""
    one = One()
    one.transport.up = True
    one.subscriptions.follow([track("TR_1")])
    one.offer(audio("1", "recvonly"))
    (down,) = one.subscriptions
    live = [down.is_live]
    one.offer(video("2", "recvonly"))
    live.append(down.is_live)
    assert one.asked[-1] == (1, 0)
    assert placed(one.offer(audio("3", "recvonly"))) == [("3", Direction.SENDONLY, "TR_1")]
    assert [*live, down.is_live] == [True, False, True]


async def test_a_track_that_goes_before_it_was_placed() -> None:
    """Catches a section for a track that is no more."""
    one = One()
    one.subscriptions.follow([track("TR_1")])
    one.subscriptions.follow([])
    assert placed(one.offer(audio("1", "recvonly"))) == [("1", Direction.INACTIVE, "")]


async def test_choices_hold() -> None:
    """Catches a client that gets what it declined, or not what it asked for."""
    one = One()
    available = [track("TR_1"), track("TR_2")]
    one.subscriptions.choose("TR_1", False)
    one.subscriptions.follow(available)
    assert [down.up.sid for down in one.subscriptions] == ["TR_2"]
    one.subscriptions.choose("TR_1", True)
    one.subscriptions.follow(available)
    assert {down.up.sid for down in one.subscriptions} == {"TR_1", "TR_2"}
    manual = Subscriptions(one.shared, auto=False)
    manual.follow(available)
    assert list(manual) == []
    manual.choose("TR_2", True)
    manual.follow(available)
    assert [down.up.sid for down in manual] == ["TR_2"]


async def test_a_stream_keeps_its_number_as_long_as_it_is_followed() -> None:
    """Catches a subscription that is made anew, and heard as a gap, whenever anything changes."""
    two = Two()
    one, other = track("TR_1"), track("TR_2")
    two.subscriptions.follow([one])
    (first,) = two.subscriptions
    two.subscriptions.follow([one, other])
    assert isinstance(first, DownTrack)
    assert two.subscriptions.get("TR_1") is first
