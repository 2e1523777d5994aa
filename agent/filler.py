"""A word to the user while an answer is not there yet."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

_T = TypeVar("_T")


async def announced(
    pieces: AsyncIterator[_T],
    overdue: Coroutine[Any, Any, _T],
    *,
    is_answer: Callable[[_T], bool],
) -> AsyncGenerator[_T, None]:
    """The pieces of an answer; before them what `overdue` returns, if it returns before any is one.

    What `pieces` raises is raised when its turn has come.
    """
    filler = asyncio.create_task(overdue, name="filler")
    coming: asyncio.Future[_T] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(pieces))
            await asyncio.wait({coming, filler}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                yield filler.result()
            piece, coming = await coming, None
            yield piece
            if is_answer(piece) or filler.done():
                break
        async for piece in pieces:
            yield piece
    except StopAsyncIteration:
        return
    finally:
        for task in (filler, coming):
            if task is not None:
                task.cancel()
                # what it raised has been told, or nobody waits for it any more
                with suppress(asyncio.CancelledError, Exception):
                    await task
