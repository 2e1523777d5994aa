"""Input that no honest client sends: it must end neither the server nor other rooms."""

import asyncio
import gzip
import os
import socket
import struct
from contextlib import suppress

import aiohttp
import httpx
import psutil
import pytest
from livekit import api
from livekit.protocol.models import TrackSource, TrackType
from livekit.protocol.rtc import (
    AddTrackRequest,
    JoinRequest,
    RequestResponse,
    SessionDescription,
    SignalRequest,
    UpdateParticipantMetadata,
)

from tests.clients.stack import eventually
from tests.integration.devroom.raw import RawClient, encoded_join_request
from tests.rooms.client import Crowd, admin_token, heard_frequency_hz, token
from tests.rooms.server import DevroomProcess

_STUN_COOKIE = struct.pack("!I", 0x2112A442)
_BAD_SDP = (
    "",
    "v=0",
    "v=0\r\nm=audio\r\n",
    "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:x y\r\na=mid:0\r\n",
    "v=0\r\na=fingerprint:sha-256\r\nm=video 9 X 1\r\na=mid:0\r\n",
    "v=0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n" * 500,
    "v=0\r\nm=spaghetti 9 X 1\r\na=mid:0\r\n",
    "m=" + "x" * 300_000,
)


def _datagrams() -> list[bytes]:
    header = struct.pack("!HH", 1, 8) + _STUN_COOKIE + os.urandom(12)
    return [
        b"",
        b"\x00",
        b"\x00" * 20,
        struct.pack("!HH", 1, 0) + _STUN_COOKIE + os.urandom(12),
        header + struct.pack("!HH", 6, 4) + b"abcd",
        header + struct.pack("!HH", 6, 60000) + b"abcd",
        header + struct.pack("!HH", 8, 4) + b"abcd",
        b"\x16\xfe\xfd" + os.urandom(60),
        b"\x80\x6f" + os.urandom(100),
        b"\x80\xc8" + os.urandom(3),
        *(os.urandom(size) for size in (1, 12, 100, 1400)),
    ]


async def test_hostile_packets_and_requests_disturb_nobody(devroom: DevroomProcess) -> None:
    """Catches any parser that raises through, in STUN, DTLS, framing, protobuf, SDP or JSON."""
    async with Crowd(devroom.server, single=True) as crowd:
        ann, bob = await crowd.join("ann"), await crowd.join("bob")
        await ann.play(440)
        track = await bob.hear()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            for datagram in _datagrams() * 20:
                udp.sendto(datagram, devroom.udp)
        with socket.create_connection(devroom.tcp) as tcp:
            for datagram in _datagrams():
                tcp.sendall(len(datagram).to_bytes(2) + datagram)
            tcp.sendall(b"\xff\xff unfinished")
        async with RawClient(devroom.server, "elsewhere", "eve") as eve:
            await eve.next("join")
            for sdp in _BAD_SDP:
                description = SessionDescription(type="offer", sdp=sdp)
                await eve.send(SignalRequest(offer=description))
                await eve.send(SignalRequest(answer=description))
            await eve.socket.send_bytes(os.urandom(1000))
            await eve.socket.send_str("{}")
            await eve.send(SignalRequest(ping=1))
            await eve.next("pong")
        assert await heard_frequency_hz(track) == pytest.approx(440, abs=4)
    async with httpx.AsyncClient() as http:
        assert (await http.get(devroom.url)).text == "OK"


async def test_a_message_too_large_ends_only_its_connection(devroom: DevroomProcess) -> None:
    """Catches unbounded WebSocket messages."""
    async with (
        RawClient(devroom.server, "r", "ann") as ann,
        RawClient(devroom.server, "r", "eve") as eve,
    ):
        await eve.next("join")
        with suppress(ConnectionError):  # it may hang up before all of it is sent
            await eve.socket.send_bytes(bytes(2_000_000))
        while (await asyncio.wait_for(eve.socket.receive(), 20)).type is aiohttp.WSMsgType.BINARY:
            pass
        await ann.send(SignalRequest(ping=1))
        await ann.next("pong")


@pytest.mark.parametrize("kind", ["not base64", "not protobuf", "bomb", "nothing"])
async def test_bad_join_requests_are_refused(devroom: DevroomProcess, kind: str) -> None:
    """Catches join requests that crash the upgrade, or inflate without a bound."""
    request = {
        "not base64": "%%%",
        "not protobuf": "AAAA____",
        "nothing": "",
        "bomb": encoded_join_request(JoinRequest(metadata="x" * 50_000_000)),
    }[kind]
    jwt = token(devroom.server, "eve", api.VideoGrants(room_join=True, room="r"))
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {jwt}"}) as http:
        async with http.get(
            f"{devroom.url}/rtc/v1/validate", params={"join_request": request}
        ) as response:
            assert response.status == 400
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{devroom.url}/rtc/v1", params={"join_request": request})
        assert refused.value.status == 400


async def test_a_long_first_offer_fits_into_the_query(devroom: DevroomProcess) -> None:
    """Catches the limit of header lines, which a browser's compressed first offer can pass."""
    noise = os.urandom(12_000).hex()
    request = encoded_join_request(JoinRequest(metadata=noise))
    assert len(request) > 12_000
    jwt = token(devroom.server, "ann", api.VideoGrants(room_join=True, room="r"))
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {jwt}"}) as http,
        http.ws_connect(f"{devroom.url}/rtc/v1", params={"join_request": request}) as link,
    ):
        message = await asyncio.wait_for(link.receive(), 20)
        assert message.type is aiohttp.WSMsgType.BINARY


async def test_a_client_that_does_not_read_is_dropped(devroom: DevroomProcess) -> None:
    """Catches unbounded buffers for a client that stopped reading its WebSocket."""
    host, _, port = devroom.url.removeprefix("http://").rpartition(":")
    jwt = token(devroom.server, "stuck", api.VideoGrants(room_join=True, room="r"))
    with socket.create_connection((host, int(port))) as stuck:
        stuck.sendall(
            f"GET /rtc?access_token={jwt} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        process = psutil.Process(devroom.pid)
        before = process.memory_info().rss
        async with RawClient(devroom.server, "r", "ann", can_update_own_metadata=True) as ann:
            for number in range(400):
                text = f"{number}" + "x" * 50_000
                wish = UpdateParticipantMetadata(request_id=number, metadata=text)
                await ann.send(SignalRequest(update_metadata=wish))
                await ann.next("request_response")
        assert "does not read its signalling" in devroom.log.read_text()
        assert process.memory_info().rss - before < 60_000_000


async def test_publishing_is_refused_as_livekit_does(devroom: DevroomProcess) -> None:
    """Catches tracks beyond the grants or the bounds, and refusals a client cannot match."""
    microphone = AddTrackRequest(cid="m", type=TrackType.AUDIO, source=TrackSource.MICROPHONE)
    camera = AddTrackRequest(cid="c", type=TrackType.VIDEO, source=TrackSource.CAMERA)
    async with RawClient(devroom.server, "r", "eve", can_publish=False) as eve:
        await eve.send(SignalRequest(add_track=microphone))
        refusal = (await eve.next("request_response")).request_response
        assert refusal.reason == RequestResponse.NOT_ALLOWED
        assert refusal.add_track.cid == "m"
    async with RawClient(devroom.server, "r", "ann", can_publish_sources=["microphone"]) as ann:
        await ann.send(SignalRequest(add_track=camera))
        refusal = (await ann.next("request_response")).request_response
        assert (refusal.reason, refusal.add_track.cid) == (RequestResponse.NOT_ALLOWED, "c")
        for number in range(33):
            microphone.cid = str(number)
            await ann.send(SignalRequest(add_track=microphone))
        refusal = (await ann.next("request_response")).request_response
        assert refusal.reason == RequestResponse.LIMIT_EXCEEDED


@pytest.mark.parametrize(
    ("path", "body", "what"),
    [
        ("livekit.Egress/StartEgress", {}, "egress"),
        ("livekit.Ingress/CreateIngress", {}, "ingress"),
        ("livekit.SIP/CreateSIPParticipant", {}, "SIP"),
        ("livekit.AgentDispatchService/CreateDispatch", {}, "agent dispatch"),
        ("livekit.RoomService/MoveParticipant", {}, "moving participants"),
        ("livekit.RoomService/CreateRoom", {"name": "r", "agents": [{}]}, "agent dispatch"),
        ("livekit.RoomService/CreateRoom", {"name": "r", "egress": {}}, "egress"),
    ],
)
def test_what_is_not_supported_is_refused_with_a_sentence(
    devroom: DevroomProcess, path: str, body: dict[str, object], what: str
) -> None:
    """Catches features that would be silently ignored."""
    jwt = admin_token(devroom.server, api.VideoGrants(room_create=True))
    response = httpx.post(
        f"{devroom.url}/twirp/{path}", json=body, headers={"Authorization": f"Bearer {jwt}"}
    )
    assert response.status_code == 501
    assert response.json() == {
        "code": "unimplemented",
        "msg": f"{what} is not supported by the development room server",
    }


@pytest.mark.parametrize(
    ("content", "type_", "status"),
    [
        (b"\xff\xff\xff", "application/protobuf", 400),
        (b"{", "application/json", 400),
        (b'{"names": 3}', "application/json", 400),
        (gzip.compress(b"x", mtime=0), "text/plain", 404),
        (b" " * 3_000_000, "application/json", 429),
    ],
)
def test_malformed_api_requests(
    devroom: DevroomProcess, content: bytes, type_: str, status: int
) -> None:
    """Catches request bodies that end in an internal error, or have no bound."""
    jwt = admin_token(devroom.server, api.VideoGrants(room_list=True))
    response = httpx.post(
        f"{devroom.url}/twirp/livekit.RoomService/ListRooms",
        content=content,
        headers={"Authorization": f"Bearer {jwt}", "Content-Type": type_},
    )
    assert response.status_code == status


async def test_many_visits_leave_nothing_behind(devroom: DevroomProcess) -> None:
    """Catches rooms, sockets, credentials or memory that stay after participants left."""
    process = psutil.Process(devroom.pid)
    url = devroom.url
    async with api.LiveKitAPI(url, devroom.server.api_key, devroom.server.api_secret) as client:

        async def visit(round_number: int) -> None:
            async with Crowd(devroom.server, single=round_number % 2 == 0) as crowd:
                ann, bob = await crowd.join("ann"), await crowd.join("bob")
                await ann.play(440)
                await bob.hear()
                await client.room.delete_room(api.DeleteRoomRequest(room=crowd.room_name))

        for round_number in range(4):
            await visit(round_number)
        await asyncio.sleep(0.5)
        descriptors, memory = process.num_fds(), process.memory_info().rss
        for round_number in range(24):
            await visit(round_number)
        await asyncio.to_thread(
            eventually,
            lambda: process.num_fds() <= descriptors + 2,
            within_s=10,
            what="all are closed",
        )
        assert list((await client.room.list_rooms(api.ListRoomsRequest())).rooms) == []
    assert process.memory_info().rss - memory < 15_000_000
