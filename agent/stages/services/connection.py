"""One WebSocket to a service, message by message, its errors in livekit-agents' terms."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Generic, Self, TypeVar

import aiohttp
from livekit.agents import APIConnectionError, APIError, APIStatusError, APITimeoutError
from pydantic import SecretStr, TypeAdapter

from agent.stages.services.addresses import over_websocket
from agent.stages.services.messages import (
    MAX_MESSAGE_BYTES,
    Failure,
    Message,
    WireError,
    decode,
    encode,
)

CONNECT_S = 5.0
"""A service that takes longer to take a connection is taken for gone."""
SEND_S = 10.0
"""And one that takes so long to read what it is sent."""
_CLOSE_S = 0.5

_R = TypeVar("_R")
_Ready = TypeVar("_Ready", bound=Message)


def credentials(token: SecretStr | None) -> dict[str, str]:
    """The headers that tell a service who asks."""
    return {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}


class ServiceSocket(Generic[_R]):
    """One connection. `APIConnectionError`, `APITimeoutError`: trying again may help; other
    `APIError`s say whether it does."""

    def __init__(
        self, name: str, socket: aiohttp.ClientWebSocketResponse, replies: TypeAdapter[_R]
    ) -> None:
        self._name = name
        self._socket = socket
        self._replies = replies

    @classmethod
    async def connect(
        cls,
        name: str,
        url: str,
        path: str,
        replies: TypeAdapter[_R],
        *,
        http: aiohttp.ClientSession,
        token: SecretStr | None,
        timeout_s: float,
        heartbeat_s: float | None = None,
    ) -> "ServiceSocket[_R]":
        """Connect to an endpoint of the service at `url`, within `timeout_s`.

        `name` is for messages. With `heartbeat_s` the service is pinged as often, and one that does
        not answer is gone; it needs somebody who always receives.
        """
        try:
            async with asyncio.timeout(min(CONNECT_S, timeout_s)):
                socket = await http.ws_connect(
                    over_websocket(url, path),
                    headers=credentials(token),
                    heartbeat=heartbeat_s,
                    max_msg_size=MAX_MESSAGE_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S),
                )
        except TimeoutError as error:
            raise APITimeoutError(f"the {name} service did not take the connection") from error
        except aiohttp.WSServerHandshakeError as error:
            raise APIStatusError(
                f"the {name} service refused the connection", status_code=error.status
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise APIConnectionError(f"the {name} service cannot be reached") from error
        return cls(name, socket, replies)

    async def begin(self, start: Message, ready: type[_Ready], timeout_s: float) -> _Ready:
        """Say what is wanted; the service's word that it is ready. Closes where it fails."""
        try:
            await self.send(start)
            answer = await self.receive(timeout_s)
            if not isinstance(answer, ready):
                raise APIConnectionError(f"the {self._name} service does not say that it is ready")
        except BaseException:
            await self.close()
            raise
        return answer

    async def send(self, message: Message) -> None:
        """Send, waiting while the service is slow to take it."""
        await self._send(self._socket.send_str(encode(message)))

    async def send_audio(self, pcm: bytes) -> None:
        """Mono s16le."""
        await self._send(self._socket.send_bytes(pcm))

    async def receive(self, timeout_s: float | None) -> _R | bytes:
        """The next message, or audio; `APITimeoutError` when it takes longer."""
        try:
            async with asyncio.timeout(timeout_s):
                message = await self._socket.receive()
        except TimeoutError as error:
            raise APITimeoutError(f"the {self._name} service took too long") from error
        match message.type:
            case aiohttp.WSMsgType.BINARY:
                return bytes(message.data)
            case aiohttp.WSMsgType.TEXT:
                return self._reply(message.data)
            case aiohttp.WSMsgType.ERROR:
                raise APIConnectionError(f"the {self._name} service sent nonsense")
            case _:
                raise APIConnectionError(f"the {self._name} service went away")

    async def close(self) -> None:
        """Close; a service that does not answer to that is left."""
        await self._socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _send(self, sending: Coroutine[None, None, None]) -> None:
        try:
            async with asyncio.timeout(SEND_S):
                await sending
        except TimeoutError as error:
            raise APITimeoutError(f"the {self._name} service does not read") from error
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise APIConnectionError(f"the {self._name} service went away") from error

    def _reply(self, text: str) -> _R:
        try:
            reply = decode(self._replies, text)
        except WireError as error:
            raise APIConnectionError(f"the {self._name} service sent nonsense") from error
        if isinstance(reply, Failure):
            raise refused(self._name, reply)
        return reply


def refused(name: str, failure: Failure) -> APIError:
    """What a service says that it will not do."""
    return APIError(
        f"the {name} service refused: {failure.code}",
        body={"code": failure.code},
        retryable=failure.retryable,
    )
