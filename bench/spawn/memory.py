"""What agents cost in memory: idle, in a call, and many of them."""

import asyncio
import contextlib
import statistics

import psutil

from bench.memory import family_mib, uss_mib
from bench.spawn.site import Site
from tests.clients.caller import Caller

QUESTION = "How long do I have to return something?"
SETTLE_S = 2.0
AT_ONCE = 5


async def memory(site: Site, calls: int) -> dict[str, object]:
    """So many calls at once; a few at a time they begin, are greeted and answered once."""
    host = site.host_pid()
    await asyncio.sleep(SETTLE_S)
    idle = [uss_mib(pid) for pid in idle_agents(host)]
    alone = family_mib(host)
    async with contextlib.AsyncExitStack() as stack:
        callers: list[Caller] = []
        while len(callers) < calls:
            more = min(AT_ONCE, calls - len(callers))
            group = [Caller.start(site.stack.url) for _ in range(more)]
            callers += [await stack.enter_async_context(caller) for caller in group]
            await asyncio.gather(*(converse(caller) for caller in group))
            # or this process would need the machine for itself
            await asyncio.gather(*(caller.rest() for caller in group))
        pids = [await site.agent_pid(caller.session_id) for caller in callers]
        in_call = [uss_mib(pid) for pid in pids]
        total = family_mib(host)
        await asyncio.gather(*(caller.end() for caller in callers))
    return {
        "idle_child_unique_mib": spread(idle),
        "child_in_a_call_unique_mib": spread(in_call),
        "host_without_calls_total_mib": round(alone),
        "calls": calls,
        f"host_and_{calls}_calls_total_mib": round(total),
    }


async def converse(caller: Caller) -> None:
    """Be greeted, ask, be answered."""
    await caller.until_quiet(within_s=60)
    await caller.type(QUESTION)
    await caller.until_cited(after=0, within_s=60)
    await caller.until_quiet(since=caller.heard.sources_at[0], within_s=60)


def idle_agents(host: int) -> list[int]:
    """Children of a host that wait for a job."""
    return _titled(host, "agent idle")


def busy_agents(host: int) -> list[int]:
    """Children of a host that have one."""
    return _titled(host, "agent session_")


def _titled(host: int, beginning: str) -> list[int]:
    found = []
    for child in psutil.Process(host).children():
        with contextlib.suppress(psutil.Error):  # gone meanwhile
            if " ".join(child.cmdline()).startswith(beginning):
                found.append(child.pid)
    return found


def spread(values: list[float]) -> dict[str, float]:
    """How many, the middle one and the largest."""
    if not values:
        return {"n": 0}
    return {
        "n": len(values),
        "median": round(statistics.median(values), 1),
        "max": round(max(values), 1),
    }
