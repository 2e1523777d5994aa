"""Telling the control plane what happens in a session, without ever waiting for it.

Reports wait in a bounded queue and go to the Redis stream in order. While Redis is away the queue
fills; then the least telling go first, changes of state, and the conversation goes on regardless.
"""

import asyncio
import logging
from collections import deque

from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.typing import EncodableT

from agent.cancellation import cancel
from agent.job import REPORT_CODEC, REPORTS_STREAM, Report, StateChanged

STREAM_MAX_LENGTH = 100_000
"""About how many reports the stream keeps, read or not."""

_MAX_WAITING = 1000
_RETRY_S = 0.25

_log = logging.getLogger(__name__)


class Backlog:
    """Reports that wait, in order, at most `limit`. Nothing in here does I/O."""

    def __init__(self, limit: int = _MAX_WAITING) -> None:
        self._limit = limit
        self._waiting: deque[Report] = deque()
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, report: Report) -> None:
        """Put a report at the end; one that matters less is dropped when there is no room."""
        if len(self._waiting) >= self._limit:
            self.dropped += 1
            victim = next((r for r in self._waiting if isinstance(r, StateChanged)), None)
            if victim is None:
                self._waiting.popleft()
            else:
                self._waiting.remove(victim)
        self._waiting.append(report)

    def first(self) -> Report:
        """The oldest. Raises IndexError when nothing waits."""
        return self._waiting[0]

    def done(self, report: Report) -> None:
        """This one is written, if it was not dropped meanwhile."""
        if self._waiting and self._waiting[0] is report:
            self._waiting.popleft()


class Reports:
    """Writes one session's reports. Use as `async with Reports(redis) as reports`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._backlog = Backlog()
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._writer: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Reports":
        self._writer = asyncio.create_task(self._write(), name="reports")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writer is not None:
            await cancel(self._writer)
        if len(self._backlog) or self._backlog.dropped:
            lost = len(self._backlog) + self._backlog.dropped
            _log.error("reports lost", extra={"reports": lost})

    def send(self, report: Report) -> None:
        """Have a report written soon. Never blocks."""
        self._backlog.add(report)
        self._empty.clear()
        self._news.set()

    async def flush(self, timeout_s: float) -> bool:
        """Wait until all is written, at most so long. False: it is not."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        return True

    async def _write(self) -> None:
        away = False
        while True:
            await self._news.wait()
            self._news.clear()
            while len(self._backlog):
                report = self._backlog.first()
                try:
                    entry: dict[EncodableT, EncodableT] = {"report": REPORT_CODEC.dump_json(report)}
                    await self._redis.xadd(REPORTS_STREAM, entry, maxlen=STREAM_MAX_LENGTH)
                except (RedisError, OSError) as error:
                    if not away:
                        _log.warning("redis is away", extra={"error": type(error).__name__})
                    away = True
                    await asyncio.sleep(_RETRY_S)
                    continue
                away = False
                self._backlog.done(report)
            self._empty.set()
