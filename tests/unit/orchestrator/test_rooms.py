"""The user's token, and the room server's signed webhooks."""

import base64
import hashlib
import json

import jwt
import pytest
from livekit import api

from orchestrator.errors import BadBody, Unauthenticated
from orchestrator.rooms import RoomEvent, WebhookDoor, user_token
from orchestrator.settings import Settings
from tests.unit.orchestrator.sessions import SESSION_ID

KEY, SECRET = "devkey", "a-secret-that-is-long-enough-to-sign-with"


@pytest.fixture
def settings() -> Settings:
    return Settings.model_validate(
        {
            "livekit_url": "ws://rooms.example",
            "livekit_api_key": KEY,
            "livekit_api_secret": SECRET,
            "user_join_timeout_seconds": 60,
            "user_rejoin_timeout_seconds": 30.5,
        }
    )


def test_the_claims_of_a_users_token(settings: Settings) -> None:
    """Catches a token that opens other rooms, lasts, or loses the room on a page reload."""
    token = user_token(settings, room=SESSION_ID, identity="user-1", name="Jané", deployment="d1")
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert (claims["iss"], claims["sub"], claims["name"]) == (KEY, "user-1", "Jané")
    assert claims["video"] == {
        "roomJoin": True,
        "room": SESSION_ID,
        "canPublish": True,
        "canSubscribe": True,
        "canPublishData": True,
    }
    assert claims["exp"] - claims["nbf"] == 600
    assert claims["roomConfig"] == {
        "emptyTimeout": 70,
        "departureTimeout": 41,
        "metadata": '{"majlis": "d1"}',
    }
    assert jwt.get_unverified_header(token)["alg"] == "HS256"


def _signed(body: bytes, *, secret: str = SECRET, of: bytes | None = None) -> str:
    token = api.AccessToken(KEY, secret)
    digest = hashlib.sha256(body if of is None else of).digest()
    return token.with_sha256(base64.b64encode(digest).decode()).to_jwt()


BODY = json.dumps(
    {
        "event": "participant_left",
        "room": {"name": SESSION_ID},
        "participant": {"identity": "u", "sid": "PA_1"},
    }
).encode()


def test_a_signed_webhook_is_read() -> None:
    """Catches a real webhook that is refused, with or without `Bearer`."""
    door = WebhookDoor(KEY, SECRET)
    expected = RoomEvent("participant_left", SESSION_ID, "u", "PA_1")
    assert door.read(BODY, _signed(BODY)) == expected
    assert door.read(BODY, f"Bearer {_signed(BODY)}") == expected


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "nonsense",
        _signed(BODY, secret="another-secret-that-is-long-enough-too"),
        _signed(BODY, of=b"other"),
        api.AccessToken(KEY, SECRET).to_jwt(),
    ],
    ids=["none", "nonsense", "wrong secret", "other body", "no hash"],
)
def test_an_unsigned_webhook_is_refused(authorization: str) -> None:
    """Catches events that anybody could send."""
    with pytest.raises(Unauthenticated):
        WebhookDoor(KEY, SECRET).read(BODY, authorization)


@pytest.mark.parametrize("body", [b"{}x", b"[1]", b"\xff"])
def test_a_signed_body_that_is_no_event(body: bytes) -> None:
    """Catches a 500 for a body that the room server's key signed."""
    with pytest.raises((BadBody, Unauthenticated)):
        WebhookDoor(KEY, SECRET).read(body, _signed(body))


def test_an_event_that_we_do_not_know_is_read() -> None:
    """Catches a refusal of what a newer room server sends."""
    body = b'{"event": "something_new", "unheardOf": 1}'
    assert WebhookDoor(KEY, SECRET).read(body, _signed(body)).event == "something_new"
