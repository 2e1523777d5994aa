"""Tasks that serve one: none of them outlives it, and none fails without a word."""

import asyncio
from typing import Any, TypeVar

from livekit.agents import utils

_T = TypeVar("_T")


async def alongside(main: asyncio.Task[_T], *others: asyncio.Task[Any]) -> _T:
    """What `main` comes to. Raises what any of them raises meanwhile; all are ended after it.

    Others may come to their own end before.
    """
    waiting: set[asyncio.Task[Any]] = {main, *others}
    try:
        while not main.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        return main.result()
    finally:
        await utils.aio.cancel_and_wait(main, *others)
