"""Ending tasks that may be at work in redis-py, which loses a cancellation at the wrong moment."""

import asyncio
from typing import Any

CANCEL_AGAIN_S = 0.05


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and wait until all are done, telling them again until they have heard it.

    What they raise stays with them.
    """
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=CANCEL_AGAIN_S)
