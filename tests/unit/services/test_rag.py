"""How the answering service keeps a client that waits."""

import asyncio
from collections.abc import AsyncIterator

from agent.stages.services.messages import AnswerDone, AnswerLine, AnswerSources, Ping
from services.rag import with_pings


async def test_pings_come_as_long_as_there_is_nothing_to_say() -> None:
    """Catches a client that takes hard work for a broken connection."""
    found = asyncio.Event()

    async def lines() -> AsyncIterator[AnswerLine]:
        yield AnswerSources(())
        await found.wait()
        yield AnswerDone()

    seen: list[AnswerLine] = []
    async with asyncio.timeout(10):
        async for line in with_pings(lines(), every_s=0.001):
            seen.append(line)
            if seen.count(Ping()) == 3:
                found.set()
    assert seen[0] == AnswerSources(())
    assert seen.count(Ping()) >= 3
    assert seen[-1] == AnswerDone()
