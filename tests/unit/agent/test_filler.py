"""What is said before an answer that takes long."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import pytest

from agent.filler import announced

FILLER = "One moment."


async def overdue(due: asyncio.Event) -> str:
    await due.wait()
    return FILLER


async def never() -> str:
    await asyncio.Event().wait()
    return FILLER


async def pieces(
    *given: str | Callable[[], Awaitable[object]],
) -> AsyncGenerator[str, None]:
    """These, or what is done between them."""
    for piece in given:
        if isinstance(piece, str):
            yield piece
        else:
            await piece()


async def heard(
    made: AsyncGenerator[str, None], announcement: asyncio.Event | None = None
) -> list[str]:
    """All of it; `announcement` is set once the filler is among it."""
    found = []
    async with asyncio.timeout(5), aclosing(made):
        async for piece in made:
            found.append(piece)
            if piece == FILLER and announcement is not None:
                announcement.set()
    return found


async def test_an_answer_in_time() -> None:
    """Catches a filler before an answer that is there."""
    made = announced(pieces("a", "b"), never(), is_answer=bool)
    assert await heard(made) == ["a", "b"]


async def test_an_answer_that_takes_long() -> None:
    """Catches silence, and an answer that is lost to the filler."""
    due, announcement = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        due.set()
        await announcement.wait()

    made = announced(pieces(wait, "a", wait, "b"), overdue(due), is_answer=bool)
    assert await heard(made, announcement) == [FILLER, "a", "b"]


async def test_what_is_no_answer_does_not_end_the_wait() -> None:
    """Catches a filler that is left out because the model has opened its stream."""
    due, announcement = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        due.set()
        await announcement.wait()

    made = announced(pieces("", wait, "a"), overdue(due), is_answer=bool)
    assert await heard(made, announcement) == ["", FILLER, "a"]


async def test_an_answer_that_ends_with_nothing() -> None:
    """Catches an end that is taken for an error, and a filler after it."""
    assert await heard(announced(pieces(), never(), is_answer=bool)) == []
    assert await heard(announced(pieces(""), never(), is_answer=bool)) == [""]


async def test_an_answer_that_fails() -> None:
    """Catches a failure that is swallowed."""

    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await heard(announced(pieces(fail), never(), is_answer=bool))
    with pytest.raises(ValueError, match="no"):
        await heard(announced(pieces("a", fail), never(), is_answer=bool))


async def test_an_answer_that_nobody_waits_for_any_more() -> None:
    """Catches tasks that are left behind by an interruption."""
    before = asyncio.all_tasks()
    due = asyncio.Event()
    due.set()

    async def wait() -> None:
        await asyncio.Event().wait()

    async with aclosing(announced(pieces(wait), overdue(due), is_answer=bool)) as made:
        assert await anext(made) == FILLER
    assert asyncio.all_tasks() == before
