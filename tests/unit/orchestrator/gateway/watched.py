"""Waiting for what a test watches, in place of sleeping."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

WITHIN_S = 10.0


@dataclass
class Watched:
    """Whoever changes it sets `changed`, so that a test can wait `until` it is as it should be."""

    changed: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    async def until(self, look: Callable[[], object]) -> None:
        """Returns when `look` finds it so. Raises TimeoutError."""
        async with asyncio.timeout(WITHIN_S):
            while not look():
                self.changed.clear()
                await self.changed.wait()


async def settled() -> None:
    """Returns when whatever could go on without time passing has gone on."""
    for _ in range(100):
        await asyncio.sleep(0)
