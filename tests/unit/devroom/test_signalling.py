"""The signalling connection: who is let in, what comes first, and who comes back."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from livekit.protocol.models import DisconnectReason, ParticipantInfo
from livekit.protocol.rtc import (
    ConnectionSettings,
    JoinRequest,
    LeaveRequest,
    Ping,
    RequestResponse,
    SignalRequest,
    SignalResponse,
    UpdateParticipantMetadata,
    WrappedJoinRequest,
)
from starlette.applications import Starlette

from devroom import sdp
from devroom.settings import Bounds, Timing
from devroom.signalling import Signalling, SocketLink
from tests.unit.devroom.asgi import Visit, ask
from tests.unit.devroom.parts import JOIN, KEYS, House, audio, microphone, offer, token


@dataclass
class Door:
    """Signalling in front of rooms."""

    house: House

    def __post_init__(self) -> None:
        house = self.house
        self.signalling = Signalling(house.rooms, KEYS, house.media, house.bounds, house.timing)
        self.app = Starlette(routes=self.signalling.routes())

    def visit(self, identity: str = "someone", **query: str) -> Visit:
        """A client with two connections."""
        return Visit(self.app, "/rtc", query, token(identity))


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """Rooms and a way in; what is still being closed at the end is waited for."""
    door = Door(House())
    yield door
    await door.house.rooms.background.finish()


def join_request(**fields: object) -> str:
    """What a client with one connection says in the query."""
    request = JoinRequest(connection_settings=ConnectionSettings(auto_subscribe=True), **fields)  # type: ignore[arg-type]  # protobuf checks
    wrapped = WrappedJoinRequest(join_request=request.SerializeToString())
    return base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()


# who is let in


@pytest.mark.parametrize(
    ("bearer", "query", "status"),
    [
        ("", {}, 401),
        ("nonsense", {}, 401),
        ("", {"access_token": "nonsense"}, 401),
        (token(video={"room": "room"}), {}, 401),
        (token(video={"roomJoin": True}), {}, 401),
        (token(""), {}, 401),
        (token("x" * 300), {}, 400),
        (token(video={**JOIN, "room": "r" * 300}), {}, 400),
    ],
)
async def test_a_refusal_is_the_same_at_both_doors(
    door: Door, bearer: str, query: dict[str, str], status: int
) -> None:
    """Catches a client that cannot tell why its WebSocket was refused, or that gets in."""
    async with Visit(door.app, "/rtc", query, bearer) as visit:
        pass
    assert visit.refused.status == status
    assert list(door.house.rooms) == []
    if len(bearer) < 400:  # a name that is too long for a room is found when it is made
        asked = await ask(door.app, "/rtc/validate", query=query, bearer=bearer)
        assert (asked.status, asked.text) == (status, visit.refused.text)


async def test_a_right_token_is_welcome_in_both_its_places(door: Door) -> None:
    """Catches browsers, which cannot send a header, or everyone else."""
    for bearer, query in ((token(), {}), ("", {"access_token": token()})):
        asked = await ask(door.app, "/rtc/validate", query=query, bearer=bearer)
        assert (asked.status, asked.text) == (200, "success")
        async with Visit(door.app, "/rtc", query, bearer) as visit:
            await visit.response("join")


async def test_a_full_room_is_refused_before_the_upgrade(door: Door) -> None:
    """Catches a client that is let in and then thrown out."""
    door.house.room(max_participants=1)
    door.house.member("one")
    async with door.visit("two") as visit:
        pass
    assert visit.refused.status == 429
    async with door.visit("one") as visit:
        await visit.response("join")


async def test_a_join_request_that_does_not_decode_is_refused(door: Door) -> None:
    """Catches the wrong status, by which a client decides whether to try again."""
    async with Visit(door.app, "/rtc/v1", {"join_request": "?"}, token()) as visit:
        pass
    assert visit.refused.status == 400
    asked = await ask(door.app, "/rtc/v1/validate", bearer=token())
    assert asked.status == 400


# what comes first


async def test_the_first_message_is_the_whole_room(door: Door) -> None:
    """Catches a client that misses who was there, or what the server can do."""
    other, _ = door.house.member("other")
    door.house.member("ghost", hidden=True)
    async with door.visit("me") as visit:
        message = await visit.response("join")
        join = message.join
        assert join.room.name == "room"
        assert join.participant.identity == "me"
        assert [info.sid for info in join.other_participants] == [other.sid]
        assert join.subscriber_primary
        assert join.fast_publish
        assert join.server_version
        timing = door.house.timing
        assert (join.ping_interval, join.ping_timeout) == (
            timing.ping_interval_s,
            timing.ping_timeout_s,
        )
        first = await visit.response("offer")
        assert sdp.parse(first.offer.sdp)[0].mid == "0"


async def test_one_connection_joins_publishes_and_offers_at_once(door: Door) -> None:
    """Catches a first offer that is not answered, or a track that must be announced again."""
    query = {
        "join_request": join_request(
            publisher_offer=offer(audio("0", "sendonly", "a=msid:- cid-1"), number=3),
            add_track_requests=[microphone("cid-1")],
        )
    }
    async with Visit(door.app, "/rtc/v1", query, token("me")) as visit:
        join = await visit.response("join")
        assert not join.join.subscriber_primary
        published = await visit.response("track_published")
        answer = await visit.response("answer")
        assert answer.answer.id == 3
        me = door.house.room().get("me")
        assert [track.sid for track in me.publisher.tracks] == [published.track_published.track.sid]


async def test_a_first_offer_that_is_malformed_is_survived(door: Door) -> None:
    """Catches a join that ends in a traceback."""
    query = {"join_request": join_request(publisher_offer=offer())}
    async with Visit(door.app, "/rtc/v1", query, token("me")) as visit:
        await visit.response("join")
        visit.send(SignalRequest(ping=1))
        await visit.response("pong")


async def test_tokens_are_renewed(door: Door) -> None:
    """Catches a client that cannot come back once its first token has run out."""
    door = Door(House(timing=replace(Timing(), renew_token_s=0.001)))
    async with door.visit("me") as visit:
        for _ in range(2):
            renewed = KEYS.verify((await visit.response("refresh_token")).refresh_token)
            assert renewed.identity == "me"
            renewed.require_join()
    await door.house.rooms.background.finish()


# what is asked


async def test_pings_are_answered(door: Door) -> None:
    """Catches a client that takes the server for dead."""
    async with door.visit() as visit:
        visit.send(SignalRequest(ping=1))
        assert (await visit.response("pong")).pong > 0
        visit.send(SignalRequest(ping_req=Ping(timestamp=42)))
        assert (await visit.response("pong_resp")).pong_resp.last_ping_timestamp == 42


@pytest.mark.parametrize(
    ("may", "metadata", "reason"),
    [
        (True, "about", RequestResponse.OK),
        (False, "about", RequestResponse.NOT_ALLOWED),
        (True, "x" * 70_000, RequestResponse.LIMIT_EXCEEDED),
    ],
)
async def test_a_wish_for_other_metadata_is_always_answered(
    door: Door, may: bool, metadata: str, reason: int
) -> None:
    """Catches a client that waits for its timeout, and a grant that is not enforced."""
    video = {**JOIN, "canUpdateOwnMetadata": may}
    async with Visit(door.app, "/rtc", {}, token("me", video=video)) as visit:
        wish = UpdateParticipantMetadata(metadata=metadata, request_id=5)
        visit.send(SignalRequest(update_metadata=wish))
        answer = (await visit.response("request_response")).request_response
        assert (answer.request_id, answer.reason) == (5, reason)
        me = door.house.room().get("me")
        assert me.info.metadata == ("about" if reason == RequestResponse.OK else "")


async def test_nonsense_ends_nothing(door: Door) -> None:
    """Catches a connection that is lost by one message that does not parse."""
    async with door.visit("me") as visit:
        visit._inward.put_nowait({"type": "websocket.receive", "bytes": b"\xff\xff"})
        visit._inward.put_nowait({"type": "websocket.receive", "text": "hello", "bytes": None})
        visit.send(SignalRequest(offer=offer(audio("0", "sendrecv"), audio("0", "sendrecv"))))
        visit.send(SignalRequest(ping=1))
        await visit.response("pong")


async def test_leaving_is_leaving(door: Door) -> None:
    """Catches a participant who says goodbye and stays for the resume grace."""
    async with door.visit("me") as visit:
        await visit.response("join")
        me = door.house.room().get("me")
        visit.send(SignalRequest(leave=LeaveRequest(reason=DisconnectReason.CLIENT_INITIATED)))
        await visit.end()
    assert me.info.disconnect_reason == DisconnectReason.CLIENT_INITIATED
    assert door.house.room().participants == ()


# who comes back


async def test_a_broken_link_is_resumed_by_its_participant(door: Door) -> None:
    """Catches a client that is somebody else after a second without network."""
    async with door.visit("me") as visit:
        sid = (await visit.response("join")).join.participant.sid
        await visit.response("offer")
    me = door.house.room().get("me")
    assert (me.sid, me.closed) == (sid, False)
    me.last_sequence = 12
    gone, _ = door.house.member("gone")
    gone.depart()
    async with door.visit("me", reconnect="1", sid=sid) as visit:
        reconnect = (await visit.response("reconnect")).reconnect
        assert reconnect.last_message_seq == 12
        told = (await visit.response("update")).update.participants
        assert [(info.identity, info.state) for info in told] == [
            ("me", ParticipantInfo.JOINED),
            ("gone", ParticipantInfo.DISCONNECTED),
        ]
        await visit.response("offer")
        assert door.house.room().get("me") is me


@pytest.mark.parametrize(
    ("identity", "room", "sid"),
    [("me", "room", "PA_of_before"), ("stranger", "room", ""), ("me", "elsewhere", "")],
)
async def test_who_is_not_known_joins_anew(door: Door, identity: str, room: str, sid: str) -> None:
    """Catches a client that resumes with a server that was started again, and hangs."""
    me, link = door.house.member("me")
    query = {"reconnect": "1", "sid": sid}
    bearer = token(identity, video={"room": room, "roomJoin": True})
    async with Visit(door.app, "/rtc", query, bearer) as visit:
        leave = (await visit.response("leave")).leave
        assert leave.reason == DisconnectReason.STATE_MISMATCH
        assert leave.action == LeaveRequest.RECONNECT
        await visit.end()
    assert not link.closed
    assert not me.closed
    assert [r.name for r in door.house.rooms] == ["room"]


# a client that does not read


class Stuck:
    """A WebSocket whose other side reads one message and no more."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False
        self._stuck = asyncio.Event()

    async def send_bytes(self, message: bytes) -> None:
        self.sent.append(message)
        await self._stuck.wait()

    async def close(self) -> None:
        self.closed = True

    def read(self) -> None:
        """Go on reading."""
        self._stuck.set()


async def test_a_client_that_does_not_read_is_dropped() -> None:
    """Catches a queue without bound for a browser that was put to sleep."""
    socket = Stuck()
    link = SocketLink(socket, Bounds(signal_backlog_bytes=100).signal_backlog_bytes)  # type: ignore[arg-type]  # as far as it is used
    writing = asyncio.create_task(link.write())
    message = SignalResponse(refresh_token="x" * 37)
    assert message.ByteSize() == 40
    link.send(message)
    await asyncio.sleep(0)
    link.send(message)
    link.send(message)
    assert not link.overflowed.is_set()
    link.send(message)
    assert link.overflowed.is_set()
    link.send(message)
    socket.read()
    await asyncio.wait_for(writing, 5)
    assert len(socket.sent) == 1
    assert socket.closed


async def test_what_was_queued_is_sent_before_closing() -> None:
    """Catches a `leave` that is lost as the connection closes under it."""
    socket = Stuck()
    socket.read()
    link = SocketLink(socket, 1000)  # type: ignore[arg-type]  # as far as it is used
    for number in range(3):
        link.send(SignalResponse(pong=number + 1))
    link.close()
    link.send(SignalResponse(pong=9))
    await asyncio.wait_for(link.write(), 5)
    assert [SignalResponse.FromString(message).pong for message in socket.sent] == [1, 2, 3]
    assert socket.closed
