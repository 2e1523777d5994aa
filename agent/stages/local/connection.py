"""A server's end of one connection: blocking, message by message."""

import select
import socket
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from pydantic import TypeAdapter

from agent.stages.local.messages import Message, pack, unpack
from agent.stages.local.wire import FrameDecoder

_SEND_TIMEOUT_S = 30.0
"""A peer that takes nothing for so long is given up on (`TimeoutError`)."""
_RECEIVE_BYTES = 64 * 1024
_MAX_PENDING = 64
"""Messages read ahead of their turn; more stay in the socket's buffer."""

_M = TypeVar("_M")


class Connection(Generic[_M]):
    """Reads messages of one union and writes any; raises `WireError` for what is neither."""

    def __init__(self, sock: socket.socket, requests: TypeAdapter[_M]) -> None:
        self._sock = sock
        self._requests = requests
        self._decoder = FrameDecoder()
        self._pending: deque[_M] = deque()
        self._closed = False

    def send(self, message: Message) -> None:
        """Send, waiting while the peer is slow to take it; raises `OSError` when it is gone."""
        self._sock.settimeout(_SEND_TIMEOUT_S)
        self._sock.sendall(pack(message))

    def __iter__(self) -> Iterator[_M]:
        """The messages, as they come, until the peer closes."""
        while True:
            while self._pending:
                yield self._pending.popleft()
            if self._closed:
                return
            self._sock.settimeout(None)
            self._receive()

    def arrived(self) -> tuple[_M, ...]:
        """What has come but has not been taken yet, without waiting."""
        while not self._closed and len(self._pending) < _MAX_PENDING and self._readable():
            self._receive()
        return tuple(self._pending)

    @property
    def closed(self) -> bool:
        """Whether the peer is seen to have closed."""
        return self._closed

    def _readable(self) -> bool:
        return bool(select.select([self._sock], [], [], 0)[0])

    def _receive(self) -> None:
        data = self._sock.recv(_RECEIVE_BYTES)
        if not data:
            self._closed = True
        self._pending.extend(unpack(self._requests, frame) for frame in self._decoder.feed(data))
