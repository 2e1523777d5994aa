"""LiveKit's room API, in protobuf and JSON: what each method needs, and what it refuses."""

import json
from collections.abc import AsyncIterator

import pytest
from google.protobuf.message import Message
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.models import DataPacket, DisconnectReason
from livekit.protocol.models import Room as RoomInfo
from livekit.protocol.room import (
    CreateRoomRequest,
    DeleteRoomRequest,
    ListParticipantsRequest,
    ListParticipantsResponse,
    ListRoomsRequest,
    ListRoomsResponse,
    MuteRoomTrackRequest,
    RoomEgress,
    RoomParticipantIdentity,
    SendDataRequest,
    UpdateParticipantRequest,
    UpdateRoomMetadataRequest,
    UpdateSubscriptionsRequest,
)
from livekit.protocol.webhook import WebhookEvent
from starlette.applications import Starlette

from devroom.twirp import Twirp
from tests.unit.devroom.asgi import Answer, ask
from tests.unit.devroom.parts import KEYS, House, RecordingSink, publish, token

SERVICE = "/twirp/livekit.RoomService"
PROTOBUF = "application/protobuf"
ADMIN = {"room": "room", "roomAdmin": True, "roomCreate": True, "roomList": True}
MAX_BODY_BYTES = 10_000


class Api:
    """The room API, and the rooms behind it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.app = Starlette(routes=Twirp(self.house.rooms, KEYS, MAX_BODY_BYTES).routes())

    async def post(
        self,
        path: str,
        body: bytes = b"",
        *,
        bearer: str | None = None,
        content_type: str = PROTOBUF,
    ) -> Answer:
        """One request; by an administrator, unless told otherwise."""
        return await ask(
            self.app,
            path,
            method="POST",
            bearer=token(video=ADMIN) if bearer is None else bearer,
            body=body,
            content_type=content_type,
        )

    async def call(self, method: str, request: Message, **video: object) -> Answer:
        """One method; by an administrator, unless other grants are given."""
        bearer = token(video=video or ADMIN)
        return await self.post(f"{SERVICE}/{method}", request.SerializeToString(), bearer=bearer)


@pytest.fixture
async def rooms_api() -> AsyncIterator[Api]:
    """The API; what is still being closed at the end is waited for."""
    made = Api(House())
    yield made
    await made.house.rooms.background.finish()


def refusal(answer: Answer) -> tuple[int, str]:
    """(HTTP status, Twirp's code) of an error."""
    told = json.loads(answer.body)
    assert set(told) == {"code", "msg"}
    assert told["msg"]
    return answer.status, told["code"]


CREATE: dict[str, object] = {"roomCreate": True}
LIST: dict[str, object] = {"roomList": True}
OF_THE_ROOM: dict[str, object] = {"room": "room", "roomAdmin": True}
WHO = RoomParticipantIdentity(room="room", identity="one")
METHODS: list[tuple[str, Message, dict[str, object]]] = [
    ("CreateRoom", CreateRoomRequest(name="new"), CREATE),
    ("ListRooms", ListRoomsRequest(), LIST),
    ("DeleteRoom", DeleteRoomRequest(room="room"), CREATE),
    ("ListParticipants", ListParticipantsRequest(room="room"), OF_THE_ROOM),
    ("GetParticipant", WHO, OF_THE_ROOM),
    ("RemoveParticipant", WHO, OF_THE_ROOM),
    ("MutePublishedTrack", MuteRoomTrackRequest(room="room", identity="one"), OF_THE_ROOM),
    ("UpdateParticipant", UpdateParticipantRequest(room="room", identity="one"), OF_THE_ROOM),
    ("UpdateRoomMetadata", UpdateRoomMetadataRequest(room="room"), OF_THE_ROOM),
    ("UpdateSubscriptions", UpdateSubscriptionsRequest(room="room", identity="one"), OF_THE_ROOM),
    ("SendData", SendDataRequest(room="room", data=b"x"), OF_THE_ROOM),
]


@pytest.mark.parametrize(("method", "request_", "needed"), METHODS, ids=[m[0] for m in METHODS])
async def test_each_method_needs_its_grant(
    rooms_api: Api, method: str, request_: Message, needed: dict[str, object]
) -> None:
    """Catches a method that anybody may call, or nobody."""
    member, _ = rooms_api.house.member("one")
    publish(member)
    wanting = [
        {name: value for name, value in ADMIN.items() if name not in needed or name == "room"},
        {"room": "room", "roomJoin": True},
    ]
    if "roomAdmin" in needed:
        wanting.append({**needed, "room": "another"})
        wanting.append({"roomAdmin": True})
    for video in wanting:
        answer = await rooms_api.call(method, request_, **video)
        assert refusal(answer) == (401, "unauthenticated"), video
    assert not member.closed
    answer = await rooms_api.call(method, request_, **needed)
    expected = 404 if method == "MutePublishedTrack" else 200  # of a track that is not there
    assert answer.status == expected, answer.text


async def test_without_a_token_nothing_is_looked_at(rooms_api: Api) -> None:
    """Catches an API that tells strangers what there is."""
    for bearer in (
        "",
        "nonsense",
        token(video=ADMIN, secret="another secret of the same good length"),
    ):
        for path in (f"{SERVICE}/ListRooms", f"{SERVICE}/Nothing"):
            assert refusal(await rooms_api.post(path, bearer=bearer)) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{SERVICE}/Nothing", (404, "bad_route")),
        ("/twirp/livekit.Nothing/ListRooms", (404, "bad_route")),
        ("/twirp/livekit.Egress/ListEgress", (501, "unimplemented")),
        ("/twirp/livekit.SIP/CreateSIPTrunk", (501, "unimplemented")),
        ("/twirp/livekit.AgentDispatchService/CreateDispatch", (501, "unimplemented")),
        (f"{SERVICE}/MoveParticipant", (501, "unimplemented")),
    ],
)
async def test_what_there_is_not(rooms_api: Api, path: str, code: tuple[int, str]) -> None:
    """Catches a feature that is missing in silence, or called a wrong path."""
    assert refusal(await rooms_api.post(path)) == code


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"\xff\xff\xff", PROTOBUF, (400, "malformed")),
        (b"{", "application/json", (400, "malformed")),
        (b"[{}]", "application/json", (400, "malformed")),
        (b'{"name": 5}', "application/json", (400, "malformed")),
        (b'{"name": "x"}', "text/plain", (404, "bad_route")),
        (b"", "", (404, "bad_route")),
        (b" " * (MAX_BODY_BYTES + 1), "application/json", (429, "resource_exhausted")),
    ],
)
async def test_a_body_that_is_not_right(
    rooms_api: Api, body: bytes, content_type: str, code: tuple[int, str]
) -> None:
    """Catches a request that ends in a traceback, or has no bound."""
    answer = await rooms_api.post(f"{SERVICE}/CreateRoom", body, content_type=content_type)
    assert refusal(answer) == code
    assert list(rooms_api.house.rooms) == []


async def test_json_is_spoken_with_the_same_names(rooms_api: Api) -> None:
    """Catches a JSON side that LiveKit's other SDKs cannot read."""
    body = json.dumps({"name": "new", "empty_timeout": 7, "maxParticipants": 3, "extra": 1})
    answer = await rooms_api.post(
        f"{SERVICE}/CreateRoom", body.encode(), content_type="application/json; charset=utf-8"
    )
    told = json.loads(answer.body)
    assert (told["name"], told["empty_timeout"], told["max_participants"]) == ("new", 7, 3)
    assert told["num_participants"] == 0
    empty = await rooms_api.post(f"{SERVICE}/ListRooms", content_type="application/json")
    assert [room["name"] for room in json.loads(empty.body)["rooms"]] == ["new"]


async def test_creating_and_listing(rooms_api: Api) -> None:
    """Catches a room made twice, and a list that is not of the rooms asked for."""
    first = await rooms_api.call("CreateRoom", CreateRoomRequest(name="a", metadata="about"))
    again = await rooms_api.call("CreateRoom", CreateRoomRequest(name="a", metadata="other"))
    assert RoomInfo.FromString(first.body) == RoomInfo.FromString(again.body)
    await rooms_api.call("CreateRoom", CreateRoomRequest(name="b"))
    answer = await rooms_api.call("ListRooms", ListRoomsRequest(names=["b", "c"]))
    assert [room.name for room in ListRoomsResponse.FromString(answer.body).rooms] == ["b"]


@pytest.mark.parametrize(
    "request_",
    [
        CreateRoomRequest(name="a", agents=[RoomAgentDispatch(agent_name="x")]),
        CreateRoomRequest(name="a", egress=RoomEgress()),
    ],
)
async def test_a_room_with_what_there_is_not_is_not_made(
    rooms_api: Api, request_: CreateRoomRequest
) -> None:
    """Catches a recording that somebody relies on and that is never made."""
    assert refusal(await rooms_api.call("CreateRoom", request_)) == (501, "unimplemented")
    assert list(rooms_api.house.rooms) == []


async def test_deleting_sends_everyone_away_for_good(rooms_api: Api) -> None:
    """Catches a client that comes back and makes the room anew."""
    member, link = rooms_api.house.member("one")
    assert (await rooms_api.call("DeleteRoom", DeleteRoomRequest(room="room"))).status == 200
    assert member.closed
    assert link.of("leave")[0].leave.reason == DisconnectReason.ROOM_DELETED
    again = await rooms_api.call("DeleteRoom", DeleteRoomRequest(room="room"))
    assert refusal(again) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("GetParticipant", RoomParticipantIdentity(room="room", identity="nobody")),
        ("RemoveParticipant", RoomParticipantIdentity(room="room", identity="nobody")),
        ("UpdateParticipant", UpdateParticipantRequest(room="room", identity="nobody")),
        ("MutePublishedTrack", MuteRoomTrackRequest(room="room", identity="one", track_sid="T")),
    ],
)
async def test_who_is_not_there_is_not_found(
    rooms_api: Api, method: str, request_: Message
) -> None:
    """Catches another answer than LiveKit's, by which callers decide."""
    rooms_api.house.member("one")
    assert refusal(await rooms_api.call(method, request_)) == (404, "not_found")


async def test_a_room_that_is_not_there_has_nobody_in_it(rooms_api: Api) -> None:
    """Catches an error where LiveKit answers with an empty list."""
    answer = await rooms_api.call("ListParticipants", ListParticipantsRequest(room="room"))
    assert answer.status == 200
    assert list(ListParticipantsResponse.FromString(answer.body).participants) == []


async def test_muting_is_possible_and_unmuting_is_not(rooms_api: Api) -> None:
    """Catches an API that switches a microphone on."""
    member, link = rooms_api.house.member("one")
    sid = publish(member)

    async def mute(muted: bool) -> Answer:
        wish = MuteRoomTrackRequest(room="room", identity="one", track_sid=sid, muted=muted)
        return await rooms_api.call("MutePublishedTrack", wish)

    assert (await mute(True)).status == 200
    assert link.of("mute")[0].mute.muted
    assert member.info.tracks[0].muted
    assert refusal(await mute(False)) == (412, "failed_precondition")
    assert len(link.of("mute")) == 1


async def test_what_is_too_large_is_refused_and_nothing_changed(rooms_api: Api) -> None:
    """Catches an administrator without bounds."""
    member, _ = rooms_api.house.member("one")
    long = "x" * (rooms_api.house.bounds.name_chars + 1)
    wish = UpdateParticipantRequest(room="room", identity="one", name=long)
    answer = await rooms_api.call("UpdateParticipant", wish)
    assert refusal(answer) == (400, "invalid_argument")
    assert member.info.name == ""


async def test_data_of_the_api(rooms_api: Api) -> None:
    """Catches data that reach the wrong ones, or by the wrong channel."""
    sent: list[tuple[str, bytes, bool]] = []
    for name in ("one", "two"):
        member, _ = rooms_api.house.member(name)

        def take(message: bytes, *, reliable: bool, to: str = name) -> None:
            sent.append((to, DataPacket.FromString(message).user.payload, reliable))

        member.send_data = take  # type: ignore[method-assign]  # no SCTP in a unit test
    wish = SendDataRequest(
        room="room", data=b"hi", kind=DataPacket.LOSSY, destination_identities=["two"]
    )
    assert (await rooms_api.call("SendData", wish)).status == 200
    assert sent == [("two", b"hi", False)]
    wish = SendDataRequest(room="room", data=b"hi", nonce=b"short")
    assert refusal(await rooms_api.call("SendData", wish)) == (400, "invalid_argument")


class BrokenSink(RecordingSink):
    """Fails at every event."""

    def send(self, event: WebhookEvent) -> None:
        raise RuntimeError("a secret detail")


async def test_a_fault_of_ours_is_an_internal_error() -> None:
    """Catches a traceback, with what is in it, that reaches a caller."""
    answer = await Api(House(hooks=BrokenSink())).call("CreateRoom", CreateRoomRequest(name="a"))
    assert refusal(answer) == (500, "internal")
    assert "secret" not in answer.text
