"""Many starts at once: within the capacity, and beyond it."""

import asyncio
import contextlib
import time
from collections import Counter

from bench.figures import summary_ms
from bench.spawn.site import PATIENCE_S, Site, Started
from tests.clients.remains import agent_processes

CAPACITY = 30
"""Sessions of the deployment in the burst that is too large."""


async def burst(site: Site, starts: int) -> dict[str, object]:
    """So many starts at the same moment; all of them can be served."""
    began = time.monotonic()
    took = await asyncio.gather(*(_until_there(site, began) for _ in range(starts)))
    sessions = [session for session, _ in took]
    processes = len(agent_processes(sessions))
    await asyncio.gather(*(site.end(session) for session in sessions))
    return {
        "starts": starts,
        "all_agents_in_their_rooms_ms": round(max(s for _, s in took) * 1000),
        "start_to_agent_in_room": summary_ms([s for _, s in took]),
        "agent_processes": processes,
    }


async def overload(site: Site, starts: int) -> dict[str, object]:
    """More starts at the same moment than there is capacity for."""
    began = time.monotonic()
    answers = await asyncio.gather(*(site.ask_to_start() for _ in range(starts)))
    statuses = Counter(answer.status_code for answer, _ in answers)
    accepted = [
        Started(answer.json(), asked_at, asked_at)
        for answer, asked_at in answers
        if answer.status_code == 200
    ]
    refused = [answer for answer, _ in answers if answer.status_code == 429]
    seen = await asyncio.gather(*(_seen(site, started) for started in accepted))
    there = [at - began for at in seen if at is not None]
    await asyncio.gather(*(site.end(started.session_id) for started in accepted))
    return {
        "starts": starts,
        "capacity": CAPACITY,
        "answers": {str(status): count for status, count in sorted(statuses.items())},
        "refused_with_retry_after": sum("retry-after" in answer.headers for answer in refused),
        "accepted_with_agent": len(there),
        "lost": len(accepted) - len(there),
        "all_accepted_in_their_rooms_ms": round(max(there, default=0.0) * 1000),
    }


async def _until_there(site: Site, began: float) -> tuple[str, float]:
    started = await site.start()
    async with site.watch(started) as watcher:
        seen = await watcher.agent(within_s=PATIENCE_S)
    return started.session_id, seen.at - began


async def _seen(site: Site, started: Started) -> float | None:
    with contextlib.suppress(TimeoutError):
        async with site.watch(started) as watcher:
            return (await watcher.agent(within_s=PATIENCE_S)).at
    return None
