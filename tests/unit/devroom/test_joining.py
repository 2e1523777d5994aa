"""What a client says when it opens its signalling connection."""

import base64
import gzip

import pytest
from livekit.protocol.models import ClientInfo
from livekit.protocol.rtc import (
    ConnectionSettings,
    JoinRequest,
    SessionDescription,
    WrappedJoinRequest,
)

from devroom.errors import MalformedError
from devroom.joining import from_join_request, from_query
from tests.unit.devroom.parts import microphone

ROOMY = 100_000


def encoded(request: bytes, *, packed: bool = True) -> str:
    """A join request as it stands in the query, without padding."""
    compression = WrappedJoinRequest.GZIP if packed else WrappedJoinRequest.NONE
    wrapped = WrappedJoinRequest(
        compression=compression, join_request=gzip.compress(request) if packed else request
    )
    return base64.urlsafe_b64encode(wrapped.SerializeToString()).decode().rstrip("=")


UNKNOWN_FIELD = b"\x78\x01"
"""Two bytes that are a message, as often as they are repeated."""
CUT_SHORT = base64.urlsafe_b64encode(
    WrappedJoinRequest(
        compression=WrappedJoinRequest.GZIP, join_request=gzip.compress(UNKNOWN_FIELD)[:-9]
    ).SerializeToString()
).decode()


def test_the_query_of_a_client_with_two_connections() -> None:
    """Catches a resume that is taken for a join, or protocol versions that get lost."""
    hello = from_query(
        {
            "protocol": "16",
            "client_protocol": "1",
            "auto_subscribe": "0",
            "reconnect": "1",
            "sid": "PA_me",
            "capabilities": "CAP_PACKET_TRAILER,CAP_OF_THE_FUTURE",
        }
    )
    assert (hello.single, hello.auto_subscribe, hello.reconnect) == (False, False, True)
    assert hello.resumed_sid == "PA_me"
    assert (hello.client.protocol, hello.client.client_protocol) == (16, 1)
    assert list(hello.client.capabilities) == [ClientInfo.CAP_PACKET_TRAILER]


def test_an_empty_query_is_a_plain_join() -> None:
    """Catches defaults other than LiveKit's."""
    hello = from_query({"protocol": "-1", "client_protocol": "9" * 30})
    assert (hello.auto_subscribe, hello.reconnect, hello.resumed_sid) == (True, False, "")
    assert (hello.client.protocol, hello.client.client_protocol) == (0, 0)


@pytest.mark.parametrize("packed", [True, False])
def test_the_request_of_a_client_with_one_connection(packed: bool) -> None:
    """Catches a first offer or first tracks that get lost on the way in."""
    request = JoinRequest(
        client_info=ClientInfo(version="2.23.0"),
        connection_settings=ConnectionSettings(auto_subscribe=True),
        publisher_offer=SessionDescription(type="offer", id=7, sdp="v=0"),
        add_track_requests=[microphone("mine")],
        reconnect=True,
        participant_sid="PA_me",
    )
    hello = from_join_request(encoded(request.SerializeToString(), packed=packed), ROOMY)
    assert (hello.single, hello.auto_subscribe, hello.reconnect) == (True, True, True)
    assert (hello.offer.id, hello.offer.sdp, hello.resumed_sid) == (7, "v=0", "PA_me")
    assert [track.cid for track in hello.tracks] == ["mine"]
    assert hello.client.version == "2.23.0"


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "not base64!",
        "====",
        base64.urlsafe_b64encode(b"\xff" * 40).decode(),
        encoded(b"\xff" * 40),
        encoded(b"\xff" * 2, packed=False),
        encoded(UNKNOWN_FIELD * (ROOMY // 2 + 1)),
        encoded(UNKNOWN_FIELD * ROOMY * 10),
        CUT_SHORT,
    ],
    ids=[
        "nothing",
        "text",
        "padding",
        "no message",
        "packed nonsense",
        "nonsense",
        "longer",
        "bomb",
        "cut",
    ],
)
def test_what_does_not_decode_is_refused(bad: str) -> None:
    """Catches a request that ends in a traceback, or inflates without a bound."""
    with pytest.raises(MalformedError):
        from_join_request(bad, ROOMY)
