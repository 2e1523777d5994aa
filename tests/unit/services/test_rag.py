"""How the answering service keeps a client that waits."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from agent.stages.services.messages import (
    RETRIEVE_REQUEST,
    AnswerDone,
    AnswerLine,
    AnswerSources,
    Ping,
)
from services.access import Access
from services.rag import _asked, with_pings


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


async def test_places_that_are_taken_while_a_body_comes() -> None:
    """Catches more at once than there are places for, all of whom were let in when it was empty."""
    access = Access(None, most=1)
    with ExitStack() as others:

        async def receive() -> dict[str, Any]:
            others.enter_context(access.place())
            body = json.dumps({"query": "hours", "collection": "default"}).encode()
            return {"type": "http.request", "body": body, "more_body": False}

        request = Request({"type": "http", "method": "POST", "headers": []}, receive)
        answer = await _asked(request, access, RETRIEVE_REQUEST)
    assert isinstance(answer, Response)
    assert answer.status_code == 503
