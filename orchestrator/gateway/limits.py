"""How much one connection may send, and how much may wait for it. Pure, but for the outbox's event.

A client that never reads must cost no more than `Outbox` holds; it is dropped when that is full.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

MAX_WAITING_BYTES = 4 << 20
MAX_WAITING_MESSAGES = 2_000
BURST_S = 2.0
"""Messages that may come at once are those of so many seconds."""


class OutboxFull(Exception):
    """The client does not read."""


@dataclass(slots=True)
class MessageRate:
    """A token bucket. `now` is any one monotonic clock's seconds."""

    per_second: float
    _tokens: float = 0.0
    _at: float | None = None

    def allows(self, now: float) -> bool:
        """Count one message; False: it is one too many."""
        most = self.per_second * BURST_S
        if self._at is None:
            self._tokens = most
        else:
            self._tokens = min(most, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        self._tokens -= 1.0
        return self._tokens >= 0.0


class Outbox:
    """Messages on their way to one client, in order."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, bool]] = deque()
        self._bytes = 0
        self._news = asyncio.Event()
        self._closed = False

    def put(self, text: str, *, is_audio: bool) -> None:
        """At the end. Raises `OutboxFull`."""
        if self._closed:
            return
        self._bytes += len(text)
        if self._bytes > MAX_WAITING_BYTES or len(self._waiting) >= MAX_WAITING_MESSAGES:
            raise OutboxFull
        self._waiting.append((text, is_audio))
        self._news.set()

    def drop_audio(self) -> None:
        """Throw away audio that waits."""
        self._waiting = deque(entry for entry in self._waiting if not entry[1])
        self._bytes = sum(len(text) for text, _ in self._waiting)

    def close(self) -> None:
        """Nothing more is put; what waits is still given."""
        self._closed = True
        self._news.set()

    async def get(self) -> tuple[str, bool] | None:
        """The next message, and whether it is audio; None: there are no more."""
        while not self._waiting:
            if self._closed:
                return None
            self._news.clear()
            await self._news.wait()
        text, is_audio = self._waiting.popleft()
        self._bytes -= len(text)
        return text, is_audio
