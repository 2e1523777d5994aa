"""A client made of bare protobuf messages, for what no SDK would do."""

import asyncio
import base64
import gzip
from types import TracebackType
from typing import Self

import aiohttp
from livekit import api
from livekit.protocol.rtc import (
    JoinRequest,
    SignalRequest,
    SignalResponse,
    WrappedJoinRequest,
)

from tests.rooms.client import token
from tests.rooms.server import RoomServer


def encoded_join_request(request: JoinRequest) -> str:
    wrapped = WrappedJoinRequest(
        compression=WrappedJoinRequest.GZIP,
        join_request=gzip.compress(request.SerializeToString()),
    )
    return base64.urlsafe_b64encode(wrapped.SerializeToString()).decode()


class RawClient:
    """One signalling connection. It answers nothing by itself and brings up no media."""

    def __init__(self, server: RoomServer, room: str, identity: str, **grants: object) -> None:
        video = api.VideoGrants(**{"room_join": True, "room": room, **grants})  # type: ignore[arg-type]  # test grants
        self._url = f"{server.url}/rtc"
        self._jwt = token(server, identity, video)
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        try:
            self._socket = await self._http.ws_connect(
                self._url, headers={"Authorization": f"Bearer {self._jwt}"}
            )
        except BaseException:
            await self._http.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._http is not None
        assert self._socket is not None
        await self._socket.close()
        await self._http.close()

    @property
    def socket(self) -> aiohttp.ClientWebSocketResponse:
        assert self._socket is not None
        return self._socket

    async def send(self, request: SignalRequest) -> None:
        await self.socket.send_bytes(request.SerializeToString())

    async def next(self, kind: str, within_s: float = 20.0) -> SignalResponse:
        """The next message of this kind; others before it are skipped."""
        async with asyncio.timeout(within_s):
            while True:
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.BINARY, message
                response = SignalResponse()
                response.ParseFromString(message.data)
                if response.WhichOneof("message") == kind:
                    return response
