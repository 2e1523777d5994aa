"""The signalling connection: WebSocket endpoints, joining and resuming, a bounded way out."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence

from livekit.protocol.models import DisconnectReason, ServerInfo
from livekit.protocol.rtc import (
    JoinResponse,
    LeaveRequest,
    ReconnectResponse,
    SignalResponse,
)
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from devroom import joining, requests
from devroom.errors import MalformedError, RefusedError
from devroom.joining import Hello
from devroom.participant import Media, Participant
from devroom.room import Room
from devroom.rooms import Rooms
from devroom.settings import Bounds, Timing
from devroom.tokens import Grants, Keys

_LOGGER = logging.getLogger(__name__)
# The version of LiveKit whose protocol is spoken; clients decide by it what to expect.
_VERSION = "1.9.0"
_PROTOCOL = 16
_BEARER = "Bearer "


def bearer_token(connection: HTTPConnection) -> str:
    """The token of the Authorization header, empty without one."""
    header = connection.headers.get("authorization", "")
    return header.removeprefix(_BEARER).strip() if header.startswith(_BEARER) else ""


class SocketLink:
    """What is to be sent to one client. Too much of it unread, and the client is dropped."""

    def __init__(self, websocket: WebSocket, backlog_bytes: int) -> None:
        self._websocket = websocket
        self._backlog_bytes = backlog_bytes
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self.overflowed = asyncio.Event()

    def send(self, response: SignalResponse) -> None:
        if self._closing:
            return
        message = response.SerializeToString()
        self._queued_bytes += len(message)
        if self._queued_bytes > self._backlog_bytes:
            _LOGGER.warning("a client that does not read its signalling is dropped")
            self._closing = True
            self._queue.clear()
            self.overflowed.set()
            return
        self._queue.append(message)
        self._wake.set()

    def close(self) -> None:
        self._closing = True
        self._wake.set()

    async def write(self) -> None:
        """Sends until closed, then closes the socket."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while self._queue or not self._closing:
                if not self._queue:
                    self._wake.clear()
                    await self._wake.wait()
                    continue
                message = self._queue.popleft()
                self._queued_bytes -= len(message)
                await self._websocket.send_bytes(message)
            await self._websocket.close()


class Signalling:
    """Lets clients into rooms."""

    def __init__(
        self, rooms: Rooms, keys: Keys, media: Media, bounds: Bounds, timing: Timing
    ) -> None:
        self._rooms = rooms
        self._keys = keys
        self._media = media
        self._bounds = bounds
        self._timing = timing

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/rtc/validate", self._validate),
            Route("/rtc/v1/validate", self._validate),
            WebSocketRoute("/rtc", self._connect),
            WebSocketRoute("/rtc/v1", self._connect),
        ]

    async def _validate(self, request: Request) -> Response:
        """Tells a client whose WebSocket was refused why, with the same answer."""
        try:
            self._admit(request)
        except RefusedError as error:
            return PlainTextResponse(str(error), error.code.http_status)
        return PlainTextResponse("success")

    async def _connect(self, websocket: WebSocket) -> None:
        try:
            grants, hello = self._admit(websocket)
            room = (
                self._rooms.find(grants.room)
                if hello.reconnect
                else self._rooms.get_or_create(grants.room, grants.room_config)
            )
        except RefusedError as error:
            refusal = PlainTextResponse(str(error), error.code.http_status)
            await websocket.send_denial_response(refusal)
            return
        await websocket.accept()
        link = SocketLink(websocket, self._bounds.signal_backlog_bytes)
        if room is None or hello.reconnect:
            participant = self._resume(room, grants, hello, link)
        else:
            participant = self._join(room, grants, hello, link)
        await self._serve(websocket, link, participant, grants)

    def _admit(self, connection: HTTPConnection) -> tuple[Grants, Hello]:
        """Who wants in and how. Raises RefusedError; nothing is changed."""
        query = connection.query_params
        grants = self._keys.verify(bearer_token(connection) or query.get("access_token", ""))
        grants.require_join()
        if len(grants.identity) > self._bounds.identity_chars:
            raise RefusedError("participant identity length exceeds limits")
        if connection.url.path.startswith("/rtc/v1"):
            encoded = query.get("join_request", "")
            hello = joining.from_join_request(encoded, self._bounds.join_request_bytes)
        else:
            hello = joining.from_query(query)
        room = self._rooms.find(grants.room)
        if room is not None:
            room.check_space(grants.identity)
        return grants, hello

    def _join(self, room: Room, grants: Grants, hello: Hello, link: SocketLink) -> Participant:
        participant = Participant(
            room,
            grants,
            hello.client,
            self._media,
            self._bounds,
            single=hello.single,
            auto_subscribe=hello.auto_subscribe,
        )
        room.add(participant)
        participant.attach(link)
        info = room.snapshot()
        join = JoinResponse(
            room=info,
            participant=participant.info,
            other_participants=room.visible_to(participant),
            server_version=_VERSION,
            server_info=_server_info(),
            subscriber_primary=not hello.single,
            ping_interval=self._timing.ping_interval_s,
            ping_timeout=self._timing.ping_timeout_s,
            enabled_publish_codecs=info.enabled_codecs,
            # Without it native clients wait 150 ms before each publication.
            fast_publish=True,
        )
        participant.send(SignalResponse(join=join))
        room.tell_changed(participant)
        for request in hello.tracks:
            participant.publisher.announce(request)
        _receive_offer(participant, hello)
        participant.start()
        _LOGGER.info("participant %s joined room %s", participant.sid, info.sid)
        return participant

    def _resume(
        self, room: Room | None, grants: Grants, hello: Hello, link: SocketLink
    ) -> Participant | None:
        """The participant that comes back; one that is not known is told to join anew."""
        participant = room.find(grants.identity) if room is not None else None
        if room is None or participant is None or hello.resumed_sid not in ("", participant.sid):
            leave = LeaveRequest(
                reason=DisconnectReason.STATE_MISMATCH, action=LeaveRequest.RECONNECT
            )
            link.send(SignalResponse(leave=leave))
            link.close()
            return None
        participant.attach(link)
        reconnect = ReconnectResponse(
            server_info=_server_info(), last_message_seq=participant.last_sequence
        )
        participant.send(SignalResponse(reconnect=reconnect))
        participant.send_update(room.resume_updates(participant))
        _receive_offer(participant, hello)
        participant.resumed()
        _LOGGER.info("participant %s resumed", participant.sid)
        return participant

    async def _serve(
        self,
        websocket: WebSocket,
        link: SocketLink,
        participant: Participant | None,
        grants: Grants,
    ) -> None:
        """Until either side closes, or the client reads too little."""
        loop = asyncio.get_running_loop()
        tasks = {
            loop.create_task(self._read(websocket, participant)),
            loop.create_task(link.write()),
            loop.create_task(link.overflowed.wait()),
        }
        if participant is not None:
            tasks.add(loop.create_task(self._renew_token(link, grants)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if participant is not None:
                participant.detach(link)

    async def _renew_token(self, link: SocketLink, grants: Grants) -> None:
        """Keeps the client able to come back, however long ago its first token ran out."""
        while True:
            link.send(SignalResponse(refresh_token=self._keys.renew(grants)))
            await asyncio.sleep(self._timing.renew_token_s)

    async def _read(self, websocket: WebSocket, participant: Participant | None) -> None:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            payload = message.get("bytes")
            if participant is None or payload is None:
                continue
            try:
                requests.handle(participant, payload)
            except MalformedError as error:
                _LOGGER.warning("request of %s ignored: %s", participant.sid, error)
            except Exception:  # one client's request must not end its connection, or others'
                _LOGGER.exception("request of %s failed", participant.sid)


def _receive_offer(participant: Participant, hello: Hello) -> None:
    if not hello.offer.sdp:
        return
    try:
        participant.offer_received(hello.offer)
    except MalformedError as error:
        _LOGGER.warning("offer of %s ignored: %s", participant.sid, error)


def _server_info() -> ServerInfo:
    return ServerInfo(
        edition=ServerInfo.Standard, version=_VERSION, protocol=_PROTOCOL, node_id="ND_devroom"
    )
