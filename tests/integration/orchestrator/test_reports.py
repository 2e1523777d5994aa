"""Reading the stream of reports: in order, once each, by one process at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from agent.job import REPORT_CODEC, REPORTS_STREAM, AgentJoined, Report
from orchestrator.errors import StoreUnavailable
from orchestrator.sessions.reports import GROUP, ReportReader
from tests.integration.orchestrator.conftest import until
from tests.unit.orchestrator.sessions import SESSION_ID


async def send(redis: Redis, *fences: int) -> None:
    for fence in fences:
        report = AgentJoined(SESSION_ID, fence, 0.0)
        await redis.xadd(REPORTS_STREAM, {"report": REPORT_CODEC.dump_json(report)})


class Applied:
    """Remembers what it was given; raises `errors` first, one at each call."""

    def __init__(self, *errors: Exception) -> None:
        self.fences: list[int] = []
        self.errors = list(errors)

    async def __call__(self, report: Report) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.fences.append(report.fence)

    async def has(self, count: int) -> bool:
        return len(self.fences) >= count


@asynccontextmanager
async def reading(redis: Redis, applied: Applied, name: str) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(ReportReader(redis, applied, name=name).run())
    try:
        yield task
    finally:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=0.1)


async def test_reports_are_applied_in_order_and_then_gone(redis: Redis) -> None:
    """Catches reports out of order, and words of users that stay in the stream."""
    applied = Applied()
    await send(redis, 1, 2, 3)
    async with reading(redis, applied, "a"):
        await until(lambda: applied.has(3))
        await send(redis, 4)
        await until(lambda: applied.has(4))

        async def empty() -> bool:
            return int(await redis.xlen(REPORTS_STREAM)) == 0

        await until(empty)
    assert applied.fences == [1, 2, 3, 4]
    assert (await redis.xpending(REPORTS_STREAM, GROUP))["pending"] == 0


async def test_what_cannot_be_applied_now_is_applied_later_and_first(redis: Redis) -> None:
    """Catches reports lost, or overtaken, during an outage."""
    applied = Applied(StoreUnavailable())
    await send(redis, 1, 2)
    async with reading(redis, applied, "a"):
        await until(lambda: applied.has(2))
    assert applied.fences == [1, 2]


async def test_what_can_never_be_applied_does_not_stop_the_rest(redis: Redis) -> None:
    """Catches one broken report that blocks every session."""
    applied = Applied(ZeroDivisionError())
    await redis.xadd(REPORTS_STREAM, {"report": "{nonsense"})
    await redis.xadd(REPORTS_STREAM, {"other": "field"})
    await send(redis, 1, 2)
    async with reading(redis, applied, "a"):
        await until(lambda: applied.has(1))
    assert applied.fences == [2]


async def test_one_reads_at_a_time_and_the_other_takes_over(redis: Redis) -> None:
    """Catches two readers that overtake each other, and a standby that never starts."""
    first, second = Applied(), Applied()
    async with reading(redis, second, "b") as standby:
        await send(redis, 1)
        await until(lambda: second.has(1))
        async with reading(redis, first, "a"):
            await send(redis, 2, 3)
            await until(lambda: second.has(3))
            assert first.fences == []
            while not standby.done():
                standby.cancel()
                await asyncio.wait({standby}, timeout=0.1)
            await send(redis, 4)
            await until(lambda: first.has(1))
    assert (second.fences, first.fences) == ([1, 2, 3], [4])


async def test_what_a_dead_reader_had_read_is_applied_first(redis: Redis) -> None:
    """Catches reports that died with the process that had read them."""
    await redis.xgroup_create(REPORTS_STREAM, GROUP, id="0", mkstream=True)
    await send(redis, 1, 2)
    await redis.xreadgroup(GROUP, "dead", {REPORTS_STREAM: ">"})
    await send(redis, 3)
    applied = Applied()
    async with reading(redis, applied, "a"):
        await until(lambda: applied.has(3))
    assert applied.fences == [1, 2, 3]


async def test_a_stream_that_is_gone_is_made_again(redis: Redis) -> None:
    """Catches a reader that needs a restart after Redis lost its data."""
    applied = Applied()
    async with reading(redis, applied, "a"):
        await send(redis, 1)
        await until(lambda: applied.has(1))
        await redis.flushdb()
        await send(redis, 2)
        await until(lambda: applied.has(2))
    assert applied.fences == [1, 2]
