"""Work that nobody waits for, until the end."""

import asyncio
import logging
from collections.abc import Coroutine

_LOGGER = logging.getLogger(__name__)


class Background:
    """Owns such work, and tells what went wrong with it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _LOGGER.error("background work failed", exc_info=task.exception())

    async def finish(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))
