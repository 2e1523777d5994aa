"""A client of one of the WebSocket protocols: sends, and notes what comes and when."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.clients.recording import Recording

CHUNK_MS = 100
CHUNK_BYTES = 16 * 2 * CHUNK_MS
"""16 kHz mono of 16 bits."""

WITHIN_S = 30.0


@dataclass(frozen=True)
class Message:
    """A message from the server, and when it came, on the client's clock."""

    at_s: float
    fields: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.fields["type"])

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]


class SocketClient:
    """One connection. Subclasses play what they hear in `on_message`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.messages: list[Message] = []
        self.recording = Recording()
        self.closed: tuple[int, str] | None = None
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, url: str, **parameters: str | int) -> Self:
        """Connect to a door; `parameters` go on the URL."""
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return cls(await connect(f"{url}?{query}" if query else url, open_timeout=WITHIN_S))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Hang up."""
        await self.socket.close()
        self._reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading

    @staticmethod
    def now() -> float:
        """The client's clock, in seconds."""
        return time.monotonic()

    async def send(self, kind: str, **fields: object) -> None:
        """A JSON message."""
        await self.socket.send(json.dumps({"type": kind, **fields}))

    def on_message(self, message: Message) -> None:
        """Something came; it is in `messages`."""

    async def until(
        self, seen: Callable[[Message], bool] | str, *, after: int = 0, within_s: float = WITHIN_S
    ) -> Message:
        """The first message from number `after` on that is `seen`, or of that type.

        Raises AssertionError where none comes in time, or the connection is closed before.
        """
        wanted = (lambda m: m.type == seen) if isinstance(seen, str) else seen
        at = after
        try:
            async with asyncio.timeout(within_s), self._news:
                while True:
                    for message in self.messages[at:]:
                        at += 1
                        if wanted(message):
                            return message
                    assert self.closed is None, f"closed {self.closed}: {self.types(after)}"
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {within_s} s: {self.types(after)}") from None

    async def until_closed(self, *, within_s: float = WITHIN_S) -> tuple[int, str]:
        """The code and reason that the server closed with."""
        async with asyncio.timeout(within_s), self._news:
            await self._news.wait_for(lambda: self.closed is not None)
        assert self.closed is not None
        return self.closed

    def types(self, after: int = 0) -> list[str]:
        """The types of what came, and states and codes with theirs."""
        return [_name(message) for message in self.messages[after:]]

    async def _read(self) -> None:
        try:
            async for frame in self.socket:
                message = Message(self.now(), json.loads(frame))
                self.messages.append(message)
                self.on_message(message)
                async with self._news:
                    self._news.notify_all()
        except ConnectionClosed:
            pass
        finally:
            self.closed = (self.socket.close_code or 1006, self.socket.close_reason or "")
            async with self._news:
                self._news.notify_all()


def _name(message: Message) -> str:
    for detail in ("state", "error_code", "action"):
        if detail in message.fields:
            return f"{message.type}:{message[detail]}"
    return message.type
