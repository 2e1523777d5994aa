"""Tracks by their life: announced, offered, gone."""

from typing import Any

import pytest
from livekit.protocol.models import ParticipantPermission, TrackSource, TrackType
from livekit.protocol.rtc import AddTrackRequest, RequestResponse

from devroom import rtp, sdp
from devroom.errors import MalformedError
from devroom.participant import Participant
from devroom.sdp import Direction
from devroom.settings import Bounds
from tests.unit.devroom.parts import (
    LEVEL,
    MID,
    House,
    RecordingLink,
    application,
    audio,
    camera,
    microphone,
    offer,
    publish,
    video,
)


def answer_of(link: RecordingLink) -> tuple[sdp.Section, ...]:
    """The last answer, read."""
    return sdp.parse(link.of("answer")[-1].answer.sdp)


def sids(participant: Participant) -> list[str]:
    """Of what it publishes."""
    return [track.sid for track in participant.publisher.tracks]


async def test_publishing_in_the_order_that_clients_expect() -> None:
    """Catches a client that waits for `track_published`, or learns its sid from the answer."""
    participant, link = House().member("a")
    participant.publisher.announce(microphone("cid-1"))
    assert link.kinds == ["track_published"]
    told = link.sent[0].track_published
    assert told.cid == "cid-1"
    assert told.track.sid.startswith("TR_AM")
    assert sids(participant) == []
    participant.offer_received(
        offer(application("0"), audio("1", "sendonly", "a=msid:- cid-1", LEVEL, MID), number=7)
    )
    assert link.of("answer")[0].answer.id == 7
    assert [s.direction for s in answer_of(link)][1] is Direction.RECVONLY
    assert sids(participant) == [told.track.sid]
    assert [t.mid for t in participant.info.tracks] == ["1"]
    assert participant.info.is_publisher


async def test_tracks_are_matched_by_name_and_else_by_kind() -> None:
    """Catches a camera under the microphone's sid, and browsers that rename their tracks."""
    participant, link = House().member("a")
    for request in (microphone("m1"), microphone("m2"), camera("c1")):
        participant.publisher.announce(request)
    named = {r.track_published.cid: r.track_published.track.sid for r in link.sent}
    participant.offer_received(
        offer(
            audio("0", "sendonly", "a=msid:- m2"),
            video("1", "sendonly", "a=msid:- {renamed}"),
            audio("2", "sendonly", "a=msid:- {renamed, too}"),
        )
    )
    assert sids(participant) == [named["m2"], named["c1"], named["m1"]]


async def test_a_section_that_stops_sending_is_an_unpublished_track() -> None:
    """Catches tracks that others go on to see after they have gone."""
    participant, link = House().member("a")
    sid = publish(participant)
    participant.offer_received(offer(audio("0", "inactive")))
    assert [r.track_unpublished.track_sid for r in link.of("track_unpublished")] == [sid]
    assert sids(participant) == []
    again = publish(participant, cid="cid-2")
    assert again != sid
    participant.offer_received(
        offer(["m=audio 0 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=rtpmap:111 opus/48000/2"])
    )
    assert sids(participant) == []


async def test_another_track_in_the_same_section() -> None:
    """Catches a replaced microphone that goes on under the sid of the first."""
    participant, link = House().member("a")
    first = publish(participant)
    second = publish(participant, cid="cid-2")
    assert second != first
    assert [r.track_unpublished.track_sid for r in link.of("track_unpublished")] == [first]


async def test_offering_again_changes_nothing() -> None:
    """Catches a track that is published twice when the client offers for another reason."""
    participant, link = House().member("a")
    sid = publish(participant)
    version = participant.info.version
    sending = audio("0", "sendonly", "a=msid:- cid-1", "a=ssrc:1 cname:c")
    participant.offer_received(offer(sending, number=2))
    assert sids(participant) == [sid]
    assert participant.info.version == version
    assert link.of("track_unpublished") == []


async def test_what_nobody_announced_is_not_published() -> None:
    """Catches a track without a source, which no grant was asked for."""
    participant, link = House().member("a")
    participant.offer_received(offer(audio("0", "sendonly", "a=msid:- unknown")))
    assert sids(participant) == []
    assert [s.direction for s in answer_of(link)] == [Direction.INACTIVE]


@pytest.mark.parametrize(
    ("grant", "request_", "reason"),
    [
        ({"canPublish": False}, microphone(), RequestResponse.NOT_ALLOWED),
        ({"canPublishSources": ["microphone"]}, camera(), RequestResponse.NOT_ALLOWED),
        ({}, AddTrackRequest(cid="d", type=TrackType.DATA), RequestResponse.UNSUPPORTED_TYPE),
    ],
)
async def test_refusals_name_the_track(
    grant: dict[str, Any], request_: AddTrackRequest, reason: int
) -> None:
    """Catches a grant that is not enforced, and a client that waits for an answer for ever."""
    participant, link = House().member("a", **grant)
    participant.publisher.announce(request_)
    (refusal,) = link.sent
    assert refusal.request_response.reason == reason
    assert refusal.request_response.add_track.cid == request_.cid
    participant.offer_received(offer(audio("0", "sendonly", f"a=msid:- {request_.cid}")))
    assert sids(participant) == []


async def test_tracks_have_a_bound() -> None:
    """Catches a client that announces tracks without end."""
    participant, link = House(bounds=Bounds(tracks_per_participant=2)).member("a")
    for number in range(3):
        participant.publisher.announce(microphone(f"cid-{number}"))
    assert link.kinds == ["track_published", "track_published", "request_response"]
    assert link.sent[-1].request_response.reason == RequestResponse.LIMIT_EXCEEDED


async def test_announcing_twice_is_announcing_once() -> None:
    """Catches a client that resumes, asks again, and gets a second track."""
    participant, link = House().member("a")
    participant.publisher.announce(microphone())
    participant.publisher.announce(microphone())
    first, second = (response.track_published.track.sid for response in link.sent)
    assert first == second


async def test_a_malformed_offer_changes_nothing() -> None:
    """Catches half an answer: tracks that are gone though the client still sends them."""
    participant, link = House().member("a")
    sid = publish(participant)
    before = len(link.sent)
    broken = offer(audio("0", "inactive"), audio("0", "inactive"))
    with pytest.raises(MalformedError):
        participant.offer_received(broken)
    assert sids(participant) == [sid]
    assert len(link.sent) == before


async def test_sections_that_are_not_spoken_are_rejected() -> None:
    """Catches an m-line that goes missing in the answer, which no client forgives."""
    participant, link = House().member("a")
    h264 = ["m=video 9 UDP/TLS/RTP/SAVPF 102", "a=mid:v", "a=sendonly", "a=rtpmap:102 H264/90000"]
    participant.offer_received(offer(application("d"), h264, audio("a", "recvonly")))
    assert [(s.mid, s.rejected) for s in answer_of(link)] == [
        ("d", False),
        ("v", True),
        ("a", False),
    ]


async def test_a_new_ufrag_restarts_ice() -> None:
    """Catches a client that comes back from another network and is answered with old names."""
    participant, link = House().member("a")
    for number, ufrag in enumerate(("one", "one", "two")):
        participant.offer_received(offer(audio("0", "inactive"), number=number, ufrag=ufrag))
    ours = [sdp.parse(r.answer.sdp)[0].ufrag for r in link.of("answer")]
    assert ours[0] == ours[1] != ours[2]


async def test_a_permission_taken_away_takes_only_its_tracks_away() -> None:
    """Catches a camera that stays on though only the microphone is still allowed."""
    participant, link = House().member("a")
    participant.publisher.announce(microphone("m"))
    participant.publisher.announce(camera("c"))
    participant.offer_received(
        offer(audio("0", "sendonly", "a=msid:- m"), video("1", "sendonly", "a=msid:- c"))
    )
    heard, seen = sids(participant)
    permission = ParticipantPermission(
        can_publish=True, can_publish_sources=[TrackSource.MICROPHONE], can_subscribe=True
    )
    participant.update(permission=permission)
    assert sids(participant) == [heard]
    assert [r.track_unpublished.track_sid for r in link.of("track_unpublished")] == [seen]


async def test_a_stream_is_known_by_its_ssrc_or_by_its_mid() -> None:
    """Catches media of a client that does not say its SSRC in advance, as browsers do not."""
    participant, _ = House().member("a")
    participant.publisher.announce(microphone())
    participant.offer_received(offer(audio("0", "sendonly", "a=msid:- cid-1", MID)))
    (track,) = participant.publisher.tracks
    stray = rtp.Packet(0, 0, 1, 960, 555, b"\x40" + b"9" + b"\0\0", b"x")
    participant.publisher.rtp_received(stray)
    known = [track.ssrc]
    ours = rtp.Packet(0, 0, 1, 960, 555, b"\x40" + b"0" + b"\0\0", b"x")
    participant.publisher.rtp_received(ours)
    assert [*known, track.ssrc] == [None, 555]
    assert track.has_arrived


async def test_muting() -> None:
    """Catches a mute that is lost because it came before the track."""
    participant, link = House().member("a")
    participant.publisher.announce(microphone())
    early = link.sent[0].track_published.track.sid
    assert not participant.publisher.set_muted(early, True)
    participant.offer_received(offer(audio("0", "sendonly", "a=msid:- cid-1")))
    (track,) = participant.publisher.tracks
    muted = [track.info.muted]
    assert participant.publisher.set_muted(track.sid, False, tell=True)
    assert [*muted, track.info.muted] == [True, False]
    assert (link.sent[-1].mute.sid, link.sent[-1].mute.muted) == (track.sid, False)
    assert not participant.publisher.set_muted("TR_nobody", True, tell=True)
