"""Who gets into a room, who sees whom, and how one leaves, on any LiveKit."""

import asyncio

import pytest
from livekit import api, rtc
from livekit.protocol.room import RoomConfiguration

from tests.rooms.client import Crowd, token

pytestmark = pytest.mark.rooms


async def test_members_see_each_other_come_and_go(crowd: Crowd) -> None:
    """Catches participants that are not listed on joining, or not announced, or never leave."""
    ann = await crowd.join("ann")
    bob = await crowd.join("bob")
    (seen,) = await ann.next("participant_connected")
    assert (seen.identity, seen.name) == ("bob", "name of bob")
    assert list(bob.room.remote_participants) == ["ann"]
    await bob.room.disconnect()
    (gone,) = await ann.next("participant_disconnected")
    assert gone.identity == "bob"
    assert gone.disconnect_reason == rtc.DisconnectReason.CLIENT_INITIATED


async def test_the_older_of_two_with_one_identity_is_thrown_out(crowd: Crowd) -> None:
    """Catches two participants under one identity, or the wrong one of them leaving."""
    first = await crowd.join("ann")
    second = await crowd.join("ann")
    (reason,) = await first.next("disconnected")
    assert reason == rtc.DisconnectReason.DUPLICATE_IDENTITY
    assert second.room.isconnected()


async def test_hidden_participants_are_not_seen_but_see(crowd: Crowd) -> None:
    """Catches a `hidden` grant that is not enforced."""
    ann = await crowd.join("ann")
    ghost = await crowd.join("ghost", hidden=True)
    await ann.play(440)
    await ghost.hear()
    bob = await crowd.join("bob")
    (seen,) = await ann.next("participant_connected")
    assert seen.identity == "bob"
    assert list(bob.room.remote_participants) == ["ann"]


@pytest.mark.parametrize(
    "case", ["forged", "expired", "no-join", "other-room-only", "without-identity"]
)
async def test_a_bad_token_is_refused(dual_crowd: Crowd, case: str) -> None:
    """Catches a token that is not verified, not expired, or a missing `roomJoin`."""
    server, grants = dual_crowd.server, dual_crowd.grants()
    match case:
        case "forged":
            jwt = token(server, "eve", grants, secret="another-secret-that-is-long-enough-too")
        case "expired":
            jwt = token(server, "eve", grants, ttl_s=-3600)
        case "no-join":
            jwt = token(server, "eve", api.VideoGrants(room=dual_crowd.room_name))
        case "other-room-only":
            jwt = token(server, "eve", api.VideoGrants(room_admin=True, room="elsewhere"))
        case _:
            jwt = token(server, "", api.VideoGrants(room_list=True))
    with pytest.raises(rtc.ConnectError):
        await asyncio.wait_for(dual_crowd.join_with(jwt), 10)


async def test_the_token_configures_a_room_it_creates(
    dual_crowd: Crowd, livekit_api: api.LiveKitAPI
) -> None:
    """Catches `roomConfig` that is ignored when joining creates the room."""
    config = RoomConfiguration(
        empty_timeout=77, departure_timeout=33, max_participants=5, metadata="from the token"
    )
    ann = await dual_crowd.join("ann", config=config)
    assert ann.room.metadata == "from the token"
    listed = await livekit_api.room.list_rooms(api.ListRoomsRequest(names=[dual_crowd.room_name]))
    room = listed.rooms[0]
    assert (room.empty_timeout, room.departure_timeout, room.max_participants) == (77, 33, 5)


async def test_a_full_room_takes_nobody_else(
    dual_crowd: Crowd, livekit_api: api.LiveKitAPI
) -> None:
    """Catches a `max_participants` that is not enforced."""
    await livekit_api.room.create_room(
        api.CreateRoomRequest(name=dual_crowd.room_name, max_participants=1)
    )
    await dual_crowd.join("ann")
    with pytest.raises(rtc.ConnectError):
        await asyncio.wait_for(dual_crowd.join("bob"), 15)
