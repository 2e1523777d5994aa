"""Ending tasks that do not hear it the first time."""

import asyncio
import contextlib

from agent.cancellation import cancel


async def deaf(times: int) -> None:
    """Loses so many cancellations, as redis-py does at the wrong moment."""
    for _ in range(times):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    await asyncio.Event().wait()


async def test_a_cancellation_that_is_lost() -> None:
    """Catches a program that hangs when it is to stop, and a task that ended before."""
    tasks = [asyncio.create_task(deaf(times)) for times in (0, 1, 3)]
    over = asyncio.create_task(asyncio.sleep(0))
    await over
    async with asyncio.timeout(20):
        await cancel(over, *tasks)
    assert all(task.cancelled() for task in tasks)
    assert not over.cancelled()
