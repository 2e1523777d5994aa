"""The room API, on any LiveKit: what it does, and who may ask for it."""

from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from livekit import api, rtc

from tests.rooms.client import Crowd, admin_token

pytestmark = pytest.mark.rooms


async def test_rooms_are_created_listed_and_deleted(
    dual_crowd: Crowd, livekit_api: api.LiveKitAPI
) -> None:
    """Catches rooms that are not what was asked for, or stay after they were deleted."""
    name = dual_crowd.room_name
    room = await livekit_api.room.create_room(
        api.CreateRoomRequest(name=name, empty_timeout=60, metadata="about it")
    )
    assert room.sid.startswith("RM_")
    assert (room.name, room.empty_timeout, room.metadata) == (name, 60, "about it")
    again = await livekit_api.room.create_room(api.CreateRoomRequest(name=name))
    assert again.sid == room.sid
    member = await dual_crowd.join("ann")
    await livekit_api.room.delete_room(api.DeleteRoomRequest(room=name))
    (reason,) = await member.next("disconnected")
    assert reason == rtc.DisconnectReason.ROOM_DELETED
    listed = await livekit_api.room.list_rooms(api.ListRoomsRequest(names=[name]))
    assert list(listed.rooms) == []


async def test_participants_are_listed_updated_muted_and_removed(
    dual_crowd: Crowd, livekit_api: api.LiveKitAPI
) -> None:
    """Catches an API that shows or changes another participant than clients see."""
    name = dual_crowd.room_name
    ann, bob = await dual_crowd.join("ann"), await dual_crowd.join("bob")
    publication = await ann.play(440)
    await bob.hear()
    listed = await livekit_api.room.list_participants(api.ListParticipantsRequest(room=name))
    assert {p.identity for p in listed.participants} == {"ann", "bob"}
    who = api.RoomParticipantIdentity(room=name, identity="ann")
    one = await livekit_api.room.get_participant(who)
    assert [track.sid for track in one.tracks] == [publication.sid]
    await livekit_api.room.update_participant(
        api.UpdateParticipantRequest(
            room=name, identity="ann", metadata="m", name="Ann", attributes={"a": "b"}
        )
    )
    await bob.next("participant_attributes_changed", lambda changed, _: changed == {"a": "b"})
    await livekit_api.room.mute_published_track(
        api.MuteRoomTrackRequest(room=name, identity="ann", track_sid=publication.sid, muted=True)
    )
    await bob.next("track_muted")
    await livekit_api.room.remove_participant(who)
    (reason,) = await ann.next("disconnected")
    assert reason == rtc.DisconnectReason.PARTICIPANT_REMOVED
    await bob.next("participant_disconnected")


async def test_a_permission_taken_away_takes_the_track_away(
    dual_crowd: Crowd, livekit_api: api.LiveKitAPI
) -> None:
    """Catches permissions that only count on joining."""
    ann, bob = await dual_crowd.join("ann"), await dual_crowd.join("bob")
    await ann.play(440)
    await bob.hear()
    await livekit_api.room.update_participant(
        api.UpdateParticipantRequest(
            room=dual_crowd.room_name,
            identity="ann",
            permission=api.ParticipantPermission(
                can_subscribe=True, can_publish=False, can_publish_data=True
            ),
        )
    )
    await bob.next("track_unpublished")


async def test_the_api_sends_data_and_room_metadata(
    dual_crowd: Crowd, livekit_api: api.LiveKitAPI
) -> None:
    """Catches data of the API that does not reach exactly those it is for."""
    ann, bob = await dual_crowd.join("ann"), await dual_crowd.join("bob")
    for data, to in ((b"for bob", ["bob"]), (b"for all", [])):
        await livekit_api.room.send_data(
            api.SendDataRequest(
                room=dual_crowd.room_name,
                data=data,
                kind=api.DataPacket.Kind.RELIABLE,
                destination_identities=to,
                topic="news",
            )
        )
    got = [(await bob.next("data_received"))[0] for _ in range(2)]
    assert [packet.data for packet in got] == [b"for bob", b"for all"]
    assert (await ann.next("data_received"))[0].data == b"for all"
    await livekit_api.room.update_room_metadata(
        api.UpdateRoomMetadataRequest(room=dual_crowd.room_name, metadata="new")
    )
    *_, metadata = await ann.next("room_metadata_changed")
    assert metadata == "new"


async def test_the_api_subscribes(dual_crowd: Crowd, livekit_api: api.LiveKitAPI) -> None:
    """Catches UpdateSubscriptions that does nothing."""
    ann, bob = await dual_crowd.join("ann"), await dual_crowd.join("bob", auto_subscribe=False)
    publication = await ann.play(440)
    await bob.next("track_published")
    await livekit_api.room.update_subscriptions(
        api.UpdateSubscriptionsRequest(
            room=dual_crowd.room_name, identity="bob", track_sids=[publication.sid], subscribe=True
        )
    )
    await bob.hear(publication.sid)


async def test_what_is_not_there_is_not_found(
    dual_crowd: Crowd, livekit_api: api.LiveKitAPI
) -> None:
    """Catches other answers than LiveKit's to a room or participant that does not exist."""
    name = dual_crowd.room_name
    room_service = livekit_api.room
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: room_service.delete_room(api.DeleteRoomRequest(room=name)),
        lambda: room_service.get_participant(
            api.RoomParticipantIdentity(room=name, identity="nobody")
        ),
        lambda: room_service.remove_participant(
            api.RoomParticipantIdentity(room=name, identity="nobody")
        ),
    ]
    for call in calls:
        with pytest.raises(api.TwirpError) as raised:
            await call()
        assert raised.value.code == "not_found"


@pytest.mark.parametrize(
    ("method", "grants"),
    [
        ("CreateRoom", api.VideoGrants(room_list=True, room_admin=True, room="r")),
        ("DeleteRoom", api.VideoGrants(room_list=True, room_admin=True, room="r")),
        ("ListRooms", api.VideoGrants(room_create=True, room_admin=True, room="r")),
        ("ListParticipants", api.VideoGrants(room_create=True, room_list=True)),
        ("GetParticipant", api.VideoGrants(room_admin=True, room="other")),
        ("RemoveParticipant", api.VideoGrants(room_admin=True, room="other")),
        ("MutePublishedTrack", api.VideoGrants(room_join=True, room="r")),
        ("UpdateParticipant", api.VideoGrants(room_admin=True, room="other")),
        ("UpdateRoomMetadata", api.VideoGrants(room_admin=True, room="other")),
        ("UpdateSubscriptions", api.VideoGrants(room_admin=True, room="other")),
        ("SendData", api.VideoGrants(room_join=True, room="r")),
    ],
)
async def test_each_method_needs_its_grant(
    dual_crowd: Crowd, method: str, grants: api.VideoGrants
) -> None:
    """Catches a method that forgets to ask what the caller may do."""
    server = dual_crowd.server
    if grants.room_join:
        grants = api.VideoGrants(room="r")
    url = f"{server.url.replace('ws', 'http', 1)}/twirp/livekit.RoomService/{method}"
    headers = {"Authorization": f"Bearer {admin_token(server, grants)}"}
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, json={"room": "r", "identity": "x"}, headers=headers) as response,
    ):
        assert response.status == 401
        assert (await response.json())["code"] == "unauthenticated"


async def test_json_is_spoken_too(dual_crowd: Crowd) -> None:
    """Catches a JSON side with other names or types than the protobuf one."""
    server, name = dual_crowd.server, dual_crowd.room_name
    grants = api.VideoGrants(room_create=True, room_list=True)
    base = f"{server.url.replace('ws', 'http', 1)}/twirp/livekit.RoomService"
    headers = {"Authorization": f"Bearer {admin_token(server, grants)}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.post(
            f"{base}/CreateRoom", json={"name": name, "emptyTimeout": 44}
        ) as response:
            created = await response.json()
        assert (created["name"], created["empty_timeout"]) == (name, 44)
        async with http.post(f"{base}/ListRooms", json={"names": [name]}) as response:
            assert [room["name"] for room in (await response.json())["rooms"]] == [name]
        async with http.post(f"{base}/DeleteRoom", json={"room": name}) as response:
            assert response.status == 200
