"""LiveKit's room API: `POST /twirp/livekit.RoomService/<Method>`, in protobuf or JSON.

What devroom does not do is refused with Twirp's `unimplemented` and a sentence.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from livekit.protocol.models import DataPacket, DisconnectReason, ParticipantInfo, UserPacket
from livekit.protocol.models import Room as RoomInfo
from livekit.protocol.room import (
    CreateRoomRequest,
    DeleteRoomRequest,
    DeleteRoomResponse,
    ListParticipantsRequest,
    ListParticipantsResponse,
    ListRoomsRequest,
    ListRoomsResponse,
    MuteRoomTrackRequest,
    MuteRoomTrackResponse,
    RemoveParticipantResponse,
    RoomConfiguration,
    RoomParticipantIdentity,
    SendDataRequest,
    SendDataResponse,
    UpdateParticipantRequest,
    UpdateRoomMetadataRequest,
    UpdateSubscriptionsRequest,
    UpdateSubscriptionsResponse,
)
from livekit.protocol.rtc import LeaveRequest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from devroom.errors import (
    Code,
    LimitError,
    MalformedError,
    NotFoundError,
    RefusedError,
    UnsupportedError,
)
from devroom.rooms import Rooms
from devroom.signalling import bearer_token
from devroom.tokens import Grants, Keys

_LOGGER = logging.getLogger(__name__)
_JSON = "application/json"
_PROTOBUF = "application/protobuf"
_ROOM_SERVICE = "livekit.RoomService"
_NONCE_BYTES = 16
_UNSUPPORTED_SERVICES = {
    "livekit.Egress": "egress",
    "livekit.Ingress": "ingress",
    "livekit.SIP": "SIP",
    "livekit.AgentDispatchService": "agent dispatch",
    "livekit.Connector": "connectors",
}
_UNSUPPORTED_METHODS = {
    "ForwardParticipant": "forwarding participants",
    "MoveParticipant": "moving participants",
    "PerformRpc": "RPC from the API",
}

RequestT = TypeVar("RequestT", bound=Message)


@dataclass(frozen=True, slots=True)
class _Method(Generic[RequestT]):
    request: type[RequestT]
    handle: Callable[[Grants, RequestT], Message]

    def call(self, grants: Grants, body: bytes, *, is_json: bool) -> Message:
        request = self.request()
        try:
            if is_json:
                json_format.Parse(body or b"{}", request, ignore_unknown_fields=True)
            else:
                request.ParseFromString(body)
        except (DecodeError, json_format.ParseError, ValueError) as error:
            raise MalformedError("the request does not parse") from error
        return self.handle(grants, request)


def _unsupported(what: str) -> UnsupportedError:
    return UnsupportedError(f"{what} is not supported by the development room server")


class RoomService:
    """The methods; each checks its grant first and raises RefusedError for whatever is wrong."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    def create_room(self, grants: Grants, request: CreateRoomRequest) -> RoomInfo:
        grants.require_create()
        if request.agents:
            raise _unsupported("agent dispatch")
        if request.HasField("egress"):
            raise _unsupported("egress")
        config = RoomConfiguration(
            empty_timeout=request.empty_timeout,
            departure_timeout=request.departure_timeout,
            max_participants=request.max_participants,
            metadata=request.metadata,
        )
        return self._rooms.get_or_create(request.name, config).snapshot()

    def list_rooms(self, grants: Grants, request: ListRoomsRequest) -> ListRoomsResponse:
        grants.require_list()
        rooms = [r for r in self._rooms if not request.names or r.name in request.names]
        return ListRoomsResponse(rooms=[room.snapshot() for room in rooms])

    def delete_room(self, grants: Grants, request: DeleteRoomRequest) -> DeleteRoomResponse:
        grants.require_create()
        self._rooms.close(self._rooms.get(request.room), DisconnectReason.ROOM_DELETED)
        return DeleteRoomResponse()

    def list_participants(
        self, grants: Grants, request: ListParticipantsRequest
    ) -> ListParticipantsResponse:
        grants.require_admin(request.room)
        room = self._rooms.find(request.room)
        participants = room.participants if room is not None else ()
        return ListParticipantsResponse(participants=[p.info for p in participants])

    def get_participant(self, grants: Grants, request: RoomParticipantIdentity) -> ParticipantInfo:
        grants.require_admin(request.room)
        room = self._rooms.find(request.room)
        if room is None:
            raise NotFoundError("participant does not exist")
        return room.get(request.identity).info

    def remove_participant(
        self, grants: Grants, request: RoomParticipantIdentity
    ) -> RemoveParticipantResponse:
        grants.require_admin(request.room)
        room = self._rooms.get(request.room)
        room.remove(
            room.get(request.identity),
            DisconnectReason.PARTICIPANT_REMOVED,
            LeaveRequest.DISCONNECT,
        )
        return RemoveParticipantResponse()

    def mute_published_track(
        self, grants: Grants, request: MuteRoomTrackRequest
    ) -> MuteRoomTrackResponse:
        grants.require_admin(request.room)
        participant = self._rooms.get(request.room).get(request.identity)
        track = participant.publisher.track(request.track_sid)
        if track is None:
            raise NotFoundError("track is not found")
        if track.info.muted and not request.muted:
            raise RefusedError("remote unmute not enabled", Code.FAILED_PRECONDITION)
        participant.publisher.set_muted(request.track_sid, request.muted, tell=True)
        participant.changed()
        return MuteRoomTrackResponse(track=track.info)

    def update_participant(
        self, grants: Grants, request: UpdateParticipantRequest
    ) -> ParticipantInfo:
        grants.require_admin(request.room)
        participant = self._rooms.get(request.room).get(request.identity)
        try:
            participant.update(
                name=request.name,
                metadata=request.metadata,
                attributes=request.attributes,
                permission=request.permission if request.HasField("permission") else None,
            )
        except LimitError as error:
            raise RefusedError(str(error)) from error
        return participant.info

    def update_room_metadata(self, grants: Grants, request: UpdateRoomMetadataRequest) -> RoomInfo:
        grants.require_admin(request.room)
        room = self._rooms.get(request.room)
        room.set_metadata(request.metadata)
        return room.snapshot()

    def update_subscriptions(
        self, grants: Grants, request: UpdateSubscriptionsRequest
    ) -> UpdateSubscriptionsResponse:
        grants.require_admin(request.room)
        participant = self._rooms.get(request.room).get(request.identity)
        sids = list(request.track_sids)
        sids += [sid for tracks in request.participant_tracks for sid in tracks.track_sids]
        participant.choose_tracks(sids, request.subscribe)
        return UpdateSubscriptionsResponse()

    def send_data(self, grants: Grants, request: SendDataRequest) -> SendDataResponse:
        grants.require_admin(request.room)
        if len(request.nonce) not in (0, _NONCE_BYTES):
            raise RefusedError("nonce should be 16 bytes or not present")
        user = UserPacket(
            payload=request.data,
            destination_sids=request.destination_sids,
            nonce=request.nonce,
        )
        if request.HasField("topic"):
            user.topic = request.topic
        packet = DataPacket(
            kind=request.kind,
            user=user,
            destination_identities=request.destination_identities,
        )
        reliable = request.kind == DataPacket.RELIABLE
        self._rooms.get(request.room).route(packet, reliable=reliable)
        return SendDataResponse()


class Twirp:
    """HTTP in front of the room service."""

    def __init__(self, rooms: Rooms, keys: Keys, max_body_bytes: int) -> None:
        service = RoomService(rooms)
        self._keys = keys
        self._max_body_bytes = max_body_bytes
        self._methods: dict[str, _Method[Any]] = {
            "CreateRoom": _Method(CreateRoomRequest, service.create_room),
            "ListRooms": _Method(ListRoomsRequest, service.list_rooms),
            "DeleteRoom": _Method(DeleteRoomRequest, service.delete_room),
            "ListParticipants": _Method(ListParticipantsRequest, service.list_participants),
            "GetParticipant": _Method(RoomParticipantIdentity, service.get_participant),
            "RemoveParticipant": _Method(RoomParticipantIdentity, service.remove_participant),
            "MutePublishedTrack": _Method(MuteRoomTrackRequest, service.mute_published_track),
            "UpdateParticipant": _Method(UpdateParticipantRequest, service.update_participant),
            "UpdateRoomMetadata": _Method(UpdateRoomMetadataRequest, service.update_room_metadata),
            "UpdateSubscriptions": _Method(
                UpdateSubscriptionsRequest, service.update_subscriptions
            ),
            "SendData": _Method(SendDataRequest, service.send_data),
        }

    def routes(self) -> Sequence[BaseRoute]:
        return [Route("/twirp/{service}/{method}", self._post, methods=["POST"])]

    async def _post(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except RefusedError as error:
            return _error(error.code, str(error))
        except Exception:  # the edge of the process: log, and let others go on
            _LOGGER.exception("a request failed")
            return _error(Code.INTERNAL, "internal error")

    async def _answer(self, request: Request) -> Response:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip()
        if content_type not in (_JSON, _PROTOBUF):
            raise RefusedError(f"unexpected Content-Type: {content_type!r}", Code.BAD_ROUTE)
        grants = self._keys.verify(bearer_token(request))
        method = self._method(request.path_params["service"], request.path_params["method"])
        body = await self._body(request)
        response = method.call(grants, body, is_json=content_type == _JSON)
        if content_type == _JSON:
            text = json_format.MessageToJson(
                response,
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            return Response(text, media_type=_JSON)
        return Response(response.SerializeToString(), media_type=_PROTOBUF)

    def _method(self, service: str, name: str) -> _Method[Any]:
        if service in _UNSUPPORTED_SERVICES:
            raise _unsupported(_UNSUPPORTED_SERVICES[service])
        if service == _ROOM_SERVICE and name in _UNSUPPORTED_METHODS:
            raise _unsupported(_UNSUPPORTED_METHODS[name])
        if service != _ROOM_SERVICE or name not in self._methods:
            raise RefusedError(f"no handler for path /twirp/{service}/{name}", Code.BAD_ROUTE)
        return self._methods[name]

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body_bytes:
                raise LimitError("request body too large")
        return bytes(body)


def _error(code: Code, message: str) -> Response:
    body = json.dumps({"code": code.wire, "msg": message})
    return Response(body, code.http_status, media_type=_JSON)
