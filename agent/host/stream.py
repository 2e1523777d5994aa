"""Lines over a non-blocking socket, for a `selectors` loop that no peer can block."""

import contextlib
import selectors
import socket
from collections.abc import Callable

from agent.host.lines import Lines, LineTooLong

_RECEIVE_BYTES = 1 << 16

OnEvents = Callable[[int], None]
"""What the loop calls when a registered descriptor is ready, with the selector's event mask."""


class Stream:
    """One connection. While the peer does not read what it is owed, nothing is read from it."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        sock: socket.socket,
        *,
        on_line: Callable[[bytes], None],
        on_closed: Callable[[], None],
        max_line_bytes: int,
        on_too_long: Callable[[], None] | None = None,
    ) -> None:
        """`on_closed` is called when the peer is gone, not on `close`. `on_too_long` may send a
        last answer; the stream then closes."""
        sock.setblocking(False)
        self._selector = selector
        self._sock = sock
        self._on_line = on_line
        self._on_closed = on_closed
        self._on_too_long = on_too_long
        self._lines = Lines(max_line_bytes)
        self._unsent = bytearray()
        self._closing = False
        self.closed = False
        on_events: OnEvents = self._on_events
        selector.register(sock, selectors.EVENT_READ, on_events)

    @property
    def unsent_bytes(self) -> int:
        """What the peer has not taken yet."""
        return len(self._unsent)

    def send(self, data: bytes) -> None:
        """Send as much as the peer takes now, and the rest when it takes more."""
        if self.closed or self._closing:
            return
        self._unsent += data
        self._flush()

    def close_when_sent(self) -> None:
        """Read no more; close once the peer has everything."""
        self._closing = True
        if not self.closed and not self._unsent:
            self.close()

    def close(self) -> None:
        """Close at once."""
        if not self.closed:
            self.closed = True
            self._selector.unregister(self._sock)
            self._sock.close()

    def _on_events(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._flush()
        if events & selectors.EVENT_READ and not self.closed and not self._unsent:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
            return
        try:
            lines = self._lines.feed(data)
        except LineTooLong:
            if self._on_too_long is not None:
                self._on_too_long()
            self.close_when_sent()
            return
        for line in lines:
            if self.closed or self._closing:
                return
            self._on_line(line)

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                sent = self._sock.send(self._unsent)
            except BlockingIOError:
                raise
            except OSError:
                self._lose()
                return
            del self._unsent[:sent]
        if self._unsent:
            self._want(selectors.EVENT_WRITE)
        elif self._closing:
            self.close()
        else:
            self._want(selectors.EVENT_READ)

    def _want(self, events: int) -> None:
        on_events: OnEvents = self._on_events
        self._selector.modify(self._sock, events, on_events)

    def _lose(self) -> None:
        if not self.closed:
            self.close()
            self._on_closed()
