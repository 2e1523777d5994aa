"""Reads the stream of reports and applies them, in order.

The order of a session's reports matters (an agent's end explains its exit), so one process of the
deployment reads at a time: the one that holds a lock in Redis for a few seconds, renewed with
every batch. Whoever takes the lock over first applies what the one before had read and not
acknowledged. Applying a report twice changes nothing.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from agent.job import REPORT_CODEC, REPORTS_STREAM, Report
from orchestrator.errors import StoreUnavailable

logger = logging.getLogger(__name__)

GROUP = "sessions"
READER_LOCK = "majlis:reports:reader"
LOCK_TTL_MS = 5_000
BATCH = 100
BLOCK_MS = 1_000
STANDBY_S = 0.5
MAX_BACKOFF_S = 2.0

_HOLD = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

_LET_GO = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"

Entry = tuple[str, dict[str, str]]


class ReportReader:
    """One process's turn at reading. `redis` must decode responses; `name` is unique."""

    def __init__(
        self, redis: Redis, apply: Callable[[Report], Awaitable[None]], *, name: str
    ) -> None:
        self._redis = redis
        self._apply = apply
        self._name = name
        self._hold = redis.register_script(_HOLD)
        self._let_go = redis.register_script(_LET_GO)

    async def run(self) -> None:
        """Read until cancelled, whatever happens to Redis."""
        backoff_s = 0.1
        try:
            while True:
                try:
                    await self._take_turn()
                    backoff_s = 0.1
                except (RedisError, StoreUnavailable) as error:
                    fields = {"error": type(error).__name__}
                    logger.warning("reports cannot be read", extra=fields)
                    await asyncio.sleep(backoff_s * random.uniform(0.8, 1.2))  # noqa: S311
                    backoff_s = min(2 * backoff_s, MAX_BACKOFF_S)
                except Exception:
                    logger.exception("reading reports failed")
                    await asyncio.sleep(MAX_BACKOFF_S)
        finally:
            await self._leave()

    async def _take_turn(self) -> None:
        """Read as long as the turn is ours; returns when it is somebody else's."""
        if not await self._holds():
            await asyncio.sleep(STANDBY_S)
            return
        await self._ensure_group()
        while entries := await self._claimed():
            await self._apply_all(entries)
        while await self._holds():
            answer = await self._redis.xreadgroup(
                GROUP, self._name, {REPORTS_STREAM: ">"}, count=BATCH, block=BLOCK_MS
            )
            if answer:
                await self._apply_all(_entries(answer))

    async def _holds(self) -> bool:
        return bool(await self._hold(keys=[READER_LOCK], args=[self._name, LOCK_TTL_MS]))

    async def _ensure_group(self) -> None:
        try:
            await self._redis.xgroup_create(REPORTS_STREAM, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _claimed(self) -> list[Entry]:
        """What was read, by anybody, and not acknowledged; oldest first."""
        answer = await self._redis.xautoclaim(
            REPORTS_STREAM, GROUP, self._name, min_idle_time=0, count=BATCH
        )
        return [(str(key), fields or {}) for key, fields in answer[1]]

    async def _apply_all(self, entries: list[Entry]) -> None:
        for key, fields in entries:
            try:
                report = REPORT_CODEC.validate_json(fields.get("report", ""))
            except ValidationError:
                logger.warning("a report could not be read", extra={"entry": key})
            else:
                await self._apply_one(report)
            async with self._redis.pipeline() as pipeline:
                pipeline.xack(REPORTS_STREAM, GROUP, key)
                pipeline.xdel(REPORTS_STREAM, key)  # it may quote what was said
                await pipeline.execute()

    async def _apply_one(self, report: Report) -> None:
        """Apply it, or drop it where that can never work: the others come after it."""
        try:
            await self._apply(report)
        except (RedisError, StoreUnavailable):
            raise
        except Exception:
            fields = {"session_id": report.session_id, "kind": report.kind}
            logger.exception("a report could not be applied", extra=fields)

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._let_go(keys=[READER_LOCK], args=[self._name])
        except (RedisError, TimeoutError):
            pass  # it expires


def _entries(answer: object) -> list[Entry]:
    """The entries of our one stream, from either shape that redis-py answers in."""
    streams = answer.items() if isinstance(answer, dict) else answer
    found: list[Entry] = []
    for _, batches in streams:  # type: ignore[attr-defined]  # redis-py types it as a union
        batch = batches[0] if batches and isinstance(batches[0], list) else batches
        found += [(str(key), fields or {}) for key, fields in batch]
    return found
