"""Who asks the host over its socket, and who watches whether it has room."""

import selectors
import socket
from collections.abc import Callable

from agent.host.stream import OnEvents, Stream
from agent.host_protocol import MAX_LINE_BYTES, REPLY_CODEC, HostReply, Refusal, Refused, Vacancy

MAX_CLIENTS = 256
ACCEPTS_AT_ONCE = 32

Answer = Callable[[int, bytes], HostReply]
"""What to answer to a line of this client."""


class Clients:
    """The connections of one host. The oldest makes room for one too many."""

    def __init__(
        self, selector: selectors.BaseSelector, listener: socket.socket, answer: Answer
    ) -> None:
        self._selector = selector
        self._listener = listener
        self._answer = answer
        self._streams: dict[int, Stream] = {}
        self._watchers: set[int] = set()
        self._next = 0
        on_events: OnEvents = self._on_connecting
        selector.register(listener, selectors.EVENT_READ, on_events)

    def watch(self, client: int) -> None:
        """Tell this client from now on."""
        self._watchers.add(client)

    def tell(self, vacancy: Vacancy) -> None:
        """Tell those who watch; one that does not read misses what is old."""
        for client in tuple(self._watchers):
            stream = self._streams[client]
            if stream.unsent_bytes == 0:
                self._send(stream, vacancy)

    def _on_connecting(self, _: int) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._welcome(sock)

    def _welcome(self, sock: socket.socket) -> None:
        if len(self._streams) >= MAX_CLIENTS:
            oldest = next((c for c in self._streams if c not in self._watchers), None)
            self._drop(next(iter(self._streams)) if oldest is None else oldest)
        client, self._next = self._next, self._next + 1
        stream = self._streams[client] = Stream(
            self._selector,
            sock,
            on_line=lambda line: self._send(stream, self._answer(client, line)),
            on_closed=lambda: self._forget(client),
            max_line_bytes=MAX_LINE_BYTES,
            on_too_long=lambda: self._send(stream, Refused(Refusal.BAD_REQUEST, "line too long")),
        )

    @staticmethod
    def _send(stream: Stream, reply: HostReply) -> None:
        stream.send(REPLY_CODEC.dump_json(reply) + b"\n")

    def _drop(self, client: int) -> None:
        self._streams[client].close()
        self._forget(client)

    def _forget(self, client: int) -> None:
        self._streams.pop(client, None)
        self._watchers.discard(client)
