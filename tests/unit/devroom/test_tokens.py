"""Who is calling, and what they may do."""

import time

import pytest
from livekit import api
from livekit.protocol.models import ParticipantPermission, TrackSource
from pydantic import SecretStr

from devroom.errors import Code, TokenError
from devroom.tokens import Keys, may_publish
from tests.unit.devroom.parts import JOIN, KEY, KEYS, SECRET, grants, token

LONG_AGO = int(time.time()) - 3600


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "no token",
        "a.b.c",
        token(secret="another secret of the same good length"),
        token(iss="APIother"),
        token(iss=None),
        token(exp=None),
        token(exp=LONG_AGO, nbf=LONG_AGO - 10),
        token(nbf=int(time.time()) + 3600, exp=int(time.time()) + 7200),
        token(secret="", algorithm="none"),
        token(algorithm="HS512", secret=SECRET * 2),
        token(kind="robot"),
        token(video={**JOIN, "roomJoin": "perhaps"}),
        token(video={**JOIN, "canPublishSources": 5}),
        token(video={**JOIN, "canPublishSources": ["telepathy"]}),
        token(attributes={"a": {"b": "c"}}),
        token(roomConfig={"emptyTimeout": "soon"}),
    ],
)
def test_a_token_that_is_not_right_is_refused(bad: str) -> None:
    """Catches anyone who gets in with a forged, stale, foreign or senseless token."""
    with pytest.raises(TokenError) as caught:
        KEYS.verify(bad)
    assert caught.value.code is Code.UNAUTHENTICATED
    assert SECRET not in str(caught.value)


def test_a_clock_that_is_a_little_wrong_is_forgiven() -> None:
    """Catches refusals between two machines whose clocks differ by seconds."""
    now = int(time.time())
    assert KEYS.verify(token(nbf=now + 30, exp=now + 600)).identity == "someone"
    assert KEYS.verify(token(nbf=now - 600, exp=now - 30)).identity == "someone"


def test_the_sdk_s_own_token_is_understood() -> None:
    """Catches a claim that is read under another name than LiveKit's SDK writes."""
    made = (
        api.AccessToken(KEY, SECRET)
        .with_identity("agent-1")
        .with_name("Assistant")
        .with_kind("agent")
        .with_metadata("about")
        .with_attributes({"a": "b"})
        .with_grants(
            api.VideoGrants(
                room_join=True,
                room="room",
                can_publish=False,
                can_publish_data=True,
                can_update_own_metadata=True,
                hidden=True,
                agent=True,
            )
        )
        .with_room_config(api.RoomConfiguration(empty_timeout=7, departure_timeout=8))
    )
    told = KEYS.verify(made.to_jwt())
    assert (told.identity, told.name, told.kind) == ("agent-1", "Assistant", "AGENT")
    assert (told.metadata, dict(told.attributes)) == ("about", {"a": "b"})
    assert told.permission == ParticipantPermission(
        can_subscribe=True,
        can_publish_data=True,
        can_update_metadata=True,
        hidden=True,
        agent=True,
    )
    assert (told.room_config.empty_timeout, told.room_config.departure_timeout) == (7, 8)


@pytest.mark.parametrize(
    ("video", "publish", "subscribe", "send_data", "update"),
    [
        ({}, True, True, True, False),
        ({"canPublish": False}, False, True, False, False),
        ({"canPublish": False, "canPublishData": True}, False, True, True, False),
        ({"canPublish": True, "canPublishData": False}, True, True, False, False),
        ({"canSubscribe": False}, True, False, True, False),
        ({"canUpdateOwnMetadata": True}, True, True, True, True),
    ],
)
def test_what_a_token_leaves_unsaid(
    video: dict[str, bool], publish: bool, subscribe: bool, send_data: bool, update: bool
) -> None:
    """Catches defaults other than LiveKit's: publish, subscribe and data yes, metadata no."""
    permission = grants(**video).permission
    assert permission.can_publish is publish
    assert permission.can_subscribe is subscribe
    assert permission.can_publish_data is send_data
    assert permission.can_update_metadata is update


def test_joining_needs_a_room_a_name_and_the_grant() -> None:
    """Catches a guest without one of the three."""
    grants().require_join()
    for video, identity in (({"room": "room"}, "x"), ({"roomJoin": True}, "x"), (JOIN, "")):
        with pytest.raises(TokenError):
            KEYS.verify(token(identity, video=video)).require_join()


def test_each_grant_opens_only_its_own_door() -> None:
    """Catches an administrator of one room in another, and a guest who administers."""
    admin = KEYS.verify(token(video={"room": "mine", "roomAdmin": True}))
    admin.require_admin("mine")
    with pytest.raises(TokenError):
        admin.require_admin("yours")
    for refused in (admin.require_create, admin.require_list, admin.require_join):
        with pytest.raises(TokenError):
            refused()
    KEYS.verify(token(video={"roomCreate": True})).require_create()
    KEYS.verify(token(video={"roomList": True})).require_list()


def test_sources_that_may_be_published() -> None:
    """Catches a camera where only a microphone was granted."""
    spoken = grants(canPublishSources=["microphone"]).permission
    assert may_publish(spoken, TrackSource.MICROPHONE)
    assert not may_publish(spoken, TrackSource.CAMERA)
    assert may_publish(grants().permission, TrackSource.CAMERA)
    nothing = grants(canPublish=False, canPublishSources=["microphone"]).permission
    assert not may_publish(nothing, TrackSource.MICROPHONE)


def test_a_renewed_token_says_the_same_for_longer() -> None:
    """Catches a client that comes back with less than it had, or cannot."""
    soon = int(time.time()) + 5
    first = KEYS.verify(token(name="Some One", exp=soon, roomConfig={"emptyTimeout": 9}))
    renewed = KEYS.verify(KEYS.renew(first))
    changed = {"nbf", "exp"}
    assert {k: v for k, v in renewed.claims.items() if k not in changed} == {
        k: v for k, v in first.claims.items() if k not in changed
    }
    assert (renewed.permission, renewed.room_config) == (first.permission, first.room_config)
    assert int(str(renewed.claims["exp"])) > soon + 300


def test_claims_are_not_shown() -> None:
    """Catches metadata and the like in a log that shows grants."""
    told = KEYS.verify(token(private="do-not-tell"))
    assert "do-not-tell" not in repr(told)


def test_a_webhook_is_signed_as_livekit_s_receiver_wants() -> None:
    """Catches a signature that LiveKit's own SDK refuses, or that holds for another body."""
    body = b'{"event": "room_started"}'
    receiver = api.WebhookReceiver(api.TokenVerifier(KEY, SECRET))
    signature = KEYS.sign_body(body)
    assert receiver.receive(body.decode(), signature).event == "room_started"
    with pytest.raises(Exception, match="hash mismatch"):
        receiver.receive(body.decode().replace("started", "finished"), signature)
    other = Keys(KEY, SecretStr("another secret of the same good length"))
    with pytest.raises(Exception, match="Signature"):
        receiver.receive(body.decode(), other.sign_body(body))
