"""Who may hear whom, as the publisher says."""

from livekit.protocol.rtc import SubscriptionPermission, TrackPermission

from devroom.audience import Audience, from_request


def test_everyone_by_default() -> None:
    """Catches a publisher who must ask to be heard."""
    assert Audience().may_hear("anyone", "PA_any", "TR_1")


def test_only_those_listed() -> None:
    """Catches a private track that others hear, and a listener who is known by sid alone."""
    audience = from_request(
        SubscriptionPermission(
            all_participants=False,
            track_permissions=[
                TrackPermission(participant_identity="friend", all_tracks=True),
                TrackPermission(participant_sid="PA_colleague", track_sids=["TR_1"]),
                TrackPermission(all_tracks=True),
            ],
        )
    )
    assert audience.may_hear("friend", "PA_x", "TR_2")
    assert audience.may_hear("c", "PA_colleague", "TR_1")
    assert not audience.may_hear("c", "PA_colleague", "TR_2")
    assert not audience.may_hear("stranger", "PA_y", "TR_1")
    assert not audience.may_hear("", "", "TR_1")


def test_a_list_has_an_end() -> None:
    """Catches a request that makes the server hold as much as it likes."""
    entries = [TrackPermission(participant_identity=str(n), all_tracks=True) for n in range(5000)]
    audience = from_request(SubscriptionPermission(track_permissions=entries))
    assert len(audience.whole) == 1000
