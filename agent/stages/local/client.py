"""An agent's end of a connection to a local speech server: asynchronous, message by message."""

import asyncio
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Generic, Self, TypeVar

from livekit.agents import APIConnectionError, APIError, APITimeoutError
from pydantic import TypeAdapter

from agent.stages.local.messages import Message, Refused, pack, unpack
from agent.stages.local.wire import FrameDecoder, WireError

_RECEIVE_BYTES = 64 * 1024

_R = TypeVar("_R")


class SpeechServer(Generic[_R]):
    """One connection. Errors are livekit-agents' own, so that its retries apply.

    `APIConnectionError` (retryable): the server is not there, or went away. `APITimeoutError`
    (retryable): it did not answer in time. `APIError`: it refused.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        replies: TypeAdapter[_R],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._replies = replies
        self._decoder = FrameDecoder()
        self._pending: deque[_R] = deque()

    @classmethod
    async def connect(
        cls, socket_path: Path, replies: TypeAdapter[_R], *, timeout_s: float
    ) -> "SpeechServer[_R]":
        """Connect within `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                reader, writer = await asyncio.open_unix_connection(socket_path)
        except TimeoutError as error:
            raise APITimeoutError("the local speech server took too long") from error
        except OSError as error:
            raise APIConnectionError(f"no local speech server on {socket_path.name}") from error
        return cls(reader, writer, replies)

    async def send(self, message: Message) -> None:
        """Send, waiting while the server is slow to take it."""
        try:
            self._writer.write(pack(message))
            await self._writer.drain()
        except OSError as error:
            raise APIConnectionError("the local speech server went away") from error

    async def receive(self) -> _R:
        """The next reply, whenever it comes."""
        while not self._pending:
            await self._fill()
        reply = self._pending.popleft()
        if isinstance(reply, Refused):
            raise APIError(
                f"the local speech server refused: {reply.reason}", retryable=reply.retryable
            )
        return reply

    async def receive_within(self, timeout_s: float) -> _R:
        """The next reply; `APITimeoutError` when it takes longer."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self.receive()
        except TimeoutError as error:
            raise APITimeoutError("the local speech server took too long") from error

    def close(self) -> None:
        """Close at once; what the server still does for this connection stops."""
        self._writer.transport.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def _fill(self) -> None:
        try:
            data = await self._reader.read(_RECEIVE_BYTES)
        except OSError as error:
            raise APIConnectionError("the local speech server went away") from error
        if not data:
            raise APIConnectionError("the local speech server went away")
        try:
            frames = self._decoder.feed(data)
            self._pending.extend(unpack(self._replies, frame) for frame in frames)
        except WireError as error:
            raise APIConnectionError("the local speech server sent nonsense") from error
