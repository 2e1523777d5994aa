"""The room server as the control plane uses it: tokens, rooms, webhooks."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import aiohttp
import jwt
from google.protobuf.json_format import ParseError
from livekit import api
from livekit.protocol.models import Room
from livekit.protocol.room import (
    DeleteRoomRequest,
    ListParticipantsRequest,
    ListRoomsRequest,
)

from agent.room_configuration import room_configuration, room_mark
from orchestrator.errors import BadBody, RoomsUnavailable, Unauthenticated
from orchestrator.settings import Settings


def user_token(settings: Settings, *, room: str, identity: str, name: str, deployment: str) -> str:
    """The token with which a user joins this room and no other, which is `deployment`'s."""
    token = api.AccessToken(
        settings.livekit_api_key, settings.livekit_api_secret.get_secret_value()
    )
    grants = api.VideoGrants(
        room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=True
    )
    return (
        token.with_identity(identity)
        .with_name(name)
        .with_grants(grants)
        .with_room_config(room_configuration(settings, deployment))
        .with_ttl(timedelta(seconds=settings.token_ttl_seconds))
        .to_jwt()
    )


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """What a webhook told."""

    event: str
    """LiveKit's name for it, `room_finished`."""
    room: str
    identity: str = ""
    """The participant it is about."""
    visit: str = ""
    """That participant's `sid`, which is another one at each return."""


class WebhookDoor:
    """Checks and reads the room server's signed webhooks."""

    def __init__(self, key: str, secret: str) -> None:
        self._receiver = api.WebhookReceiver(api.TokenVerifier(key, secret))

    def read(self, body: bytes, authorization: str) -> RoomEvent:
        """Raises `Unauthenticated` when the signature does not hold, `BadBody` for no event."""
        try:
            event = self._receiver.receive(
                body.decode(), authorization.removeprefix("Bearer ").strip()
            )
        except ParseError as error:
            raise BadBody("The body is not a webhook event.") from error
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated("The signature does not hold.") from error
        except Exception as error:
            # livekit-api raises the base class for a missing or wrong hash.
            if type(error) is not Exception:
                raise
            raise Unauthenticated("The signature does not hold.") from error
        who = event.participant
        return RoomEvent(event.event, event.room.name, who.identity, who.sid)


class RoomServer:
    """LiveKit's room API. Make it where an event loop runs, and close it there."""

    def __init__(self, settings: Settings, *, timeout_s: float = 2.0) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._api: api.LiveKitAPI | None = None
        if settings.livekit_is_configured:
            self._api = api.LiveKitAPI(
                settings.livekit_url,
                settings.livekit_api_key,
                settings.livekit_api_secret.get_secret_value(),
                timeout=self._timeout,
                failover=False,
            )

    async def delete(self, name: str) -> None:
        """Throw everybody out and delete the room; none of that name is no error.

        Raises `RoomsUnavailable`.
        """
        try:
            await self._rooms().delete_room(DeleteRoomRequest(room=name))
        except api.ServerError as error:
            if error.code != api.ServerErrorCode.NOT_FOUND:
                raise RoomsUnavailable from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RoomsUnavailable from error

    async def names(self, deployment: str) -> list[str]:
        """The rooms of this deployment that exist. Raises `RoomsUnavailable`."""
        mark = room_mark(deployment)
        rooms = await self._list(ListRoomsRequest())
        return [room.name for room in rooms if room.metadata == mark]

    async def participants(self, name: str) -> frozenset[str]:
        """The identities of those in a room; nobody where there is none of that name.

        Raises `RoomsUnavailable`.
        """
        try:
            answer = await self._rooms().list_participants(ListParticipantsRequest(room=name))
        except api.ServerError as error:
            if error.code != api.ServerErrorCode.NOT_FOUND:
                raise RoomsUnavailable from error
            return frozenset()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RoomsUnavailable from error
        return frozenset(each.identity for each in answer.participants)

    async def check(self) -> None:
        """Returns if the server answers and takes our key. Raises `RoomsUnavailable`."""
        await self._list(ListRoomsRequest(names=["majlis-probe"]))

    async def _list(self, request: ListRoomsRequest) -> list[Room]:
        try:
            answer = await self._rooms().list_rooms(request)
        except (api.ServerError, aiohttp.ClientError, TimeoutError) as error:
            raise RoomsUnavailable from error
        return list(answer.rooms)

    def _rooms(self) -> api.room_service.RoomService:
        if self._api is None:
            raise RoomsUnavailable("No room server is configured.")
        return self._api.room

    async def aclose(self) -> None:
        """Close the connections."""
        if self._api is not None:
            await self._api.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
