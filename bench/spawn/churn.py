"""Hundreds of sessions started and ended in a row, some of their agents killed; what is left?"""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil
from redis import Redis

from bench.spawn.site import PATIENCE_S, Site
from tests.clients.remains import agent_processes, live_keys

AT_ONCE = 4
KILLED_SHARE = 0.1
SETTLE_S = 20.0
"""After which idle connections between the programs are closed."""
WARM_UP = 60
WARM_UP_AT_ONCE = 3 * AT_ONCE
"""Pools keep as many connections as were ever used at once: more than it takes afterwards."""
LOOKS = 5
LOOK_EVERY_S = 1.0
PROGRAMS = {
    "agent host": "agent host",
    "api": "-m orchestrator",
    "worker": "-A orchestrator.tasks worker",
    "room server": "-m devroom",
    "redis": "redis-server",
}


@dataclass(slots=True)
class Tally:
    """What was done."""

    sessions: list[str] = field(default_factory=list)
    killed: int = 0
    before_the_agent_came: int = 0


async def churn(site: Site, sessions: int) -> dict[str, object]:
    """Start and end so many, a few at a time; at any moment of their lives, one in ten killed."""
    chance = random.Random(20)  # noqa: S311 (the same kills in every run)
    tally = Tally()
    await _many(site, tally, WARM_UP, chance, at_once=WARM_UP_AT_ONCE)
    await asyncio.sleep(SETTLE_S)
    descriptors, memory = await _descriptors(site), _memory_mib(site)
    await _many(site, tally, sessions, chance, at_once=AT_ONCE)
    await asyncio.sleep(SETTLE_S)
    left = await _left(site, tally)
    after, memory_after = await _descriptors(site), _memory_mib(site)
    more = {name: max(0, after[name] - before) for name, before in descriptors.items()}
    return {
        "sessions": len(tally.sessions),
        "killed": tally.killed,
        "ended_before_the_agent_came": tally.before_the_agent_came,
        "left": left,
        "left_in_all": sum(_count(each) for each in left.values()) + sum(more.values()),
        "open_descriptors": {"before": descriptors, "after": after},
        "resident_mib": {"before": memory, "after": memory_after},
    }


async def _left(site: Site, tally: Tally) -> dict[str, int | list[str]]:
    with Redis.from_url(site.redis_url, decode_responses=True) as redis:
        keys = live_keys(redis)
    health = (await site.http.get("/health")).json()
    return {
        "processes": len(agent_processes(tally.sessions)),
        "zombies": _zombies(site),
        "rooms": len(await site.rooms() & set(tally.sessions)),
        "slots_and_keys": keys[:20],
        "active_sessions": int(health["active_sessions"]),
    }


def _count(left: int | list[str]) -> int:
    return left if isinstance(left, int) else len(left)


async def _many(
    site: Site, tally: Tally, sessions: int, chance: random.Random, *, at_once: int
) -> None:
    free = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with free:
            await _live_and_end(site, tally, chance)

    await asyncio.gather(*(one() for _ in range(sessions)))


async def _live_and_end(site: Site, tally: Tally, chance: random.Random) -> None:
    kill, hurry = chance.random() < KILLED_SHARE, chance.random() < 2 * KILLED_SHARE
    started = await site.start()
    tally.sessions.append(started.session_id)
    if hurry and not kill:
        tally.before_the_agent_came += 1
        await asyncio.sleep(chance.random() * 0.1)
    else:
        async with site.watch(started) as watcher:
            await watcher.agent(within_s=PATIENCE_S)
    if kill:
        tally.killed += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(await site.agent_pid(started.session_id), signal.SIGKILL)
        await asyncio.sleep(chance.random() * 0.5)
    await site.end(started.session_id)


async def _descriptors(site: Site) -> dict[str, int]:
    """The fewest in several looks: a leak is in each, a request that is under way is not."""
    fewest = _of_programs(site, lambda process: process.num_fds())
    for _ in range(LOOKS - 1):
        await asyncio.sleep(LOOK_EVERY_S)
        look = _of_programs(site, lambda process: process.num_fds())
        fewest = {name: min(fewest[name], look[name]) for name in fewest}
    return fewest


def _memory_mib(site: Site) -> dict[str, int]:
    return _of_programs(site, lambda process: round(process.memory_info().rss / 2**20))


def _of_programs(site: Site, look: Callable[[psutil.Process], int]) -> dict[str, int]:
    """By program; a worker's processes together, as each does tasks."""
    found = {}
    for name, part in PROGRAMS.items():
        command = site.stack.find(part)
        if command is not None:
            process = psutil.Process(command.pid)
            together = [process, *(process.children() if name == "worker" else [])]
            found[name] = sum(look(each) for each in together)
    return found


def _zombies(site: Site) -> int:
    children = psutil.Process(site.host_pid()).children(recursive=True)
    return sum(child.status() == psutil.STATUS_ZOMBIE for child in children)
