"""Tasks that serve one."""

import asyncio

import pytest

from agent.stages.alongside import alongside


async def soon(value: str) -> str:
    await asyncio.sleep(0)
    return value


async def fail() -> None:
    raise ValueError("no")


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_the_others_end_with_it() -> None:
    """Catches tasks that outlive the connection that they served."""
    early, late = asyncio.create_task(soon("early")), asyncio.create_task(for_ever())
    assert await alongside(asyncio.create_task(soon("heard")), early, late) == "heard"
    assert early.result() == "early"
    assert late.cancelled()


async def test_it_ends_with_one_that_fails() -> None:
    """Catches a recogniser that is waited for while nothing is sent to it any more."""
    main = asyncio.create_task(for_ever())
    with pytest.raises(ValueError, match="no"):
        await alongside(main, asyncio.create_task(fail()))
    assert main.cancelled()


async def test_all_end_when_it_is_given_up() -> None:
    """Catches tasks that are left over when a conversation ends in the middle of a word."""
    tasks = [asyncio.create_task(for_ever()) for _ in range(2)]
    waiting = asyncio.create_task(alongside(*tasks))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert all(task.cancelled() for task in tasks)
