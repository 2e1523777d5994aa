"""What agents cost in memory: idle, in a call, and many of them."""

import asyncio
import contextlib
import statistics
import time
from pathlib import Path

import psutil

from bench.memory import family_mib, uss_mib
from bench.spawn.site import Site
from tests.clients.caller import RATE_HZ, Caller, read_wav

QUESTION = "How long do I have to return something?"
THANKS = "Thank you."
"""Interrupts the answer, and gets a short one: nobody needs to hear out twenty long ones."""
SPEECH = Path(__file__).resolve().parents[2] / "tests" / "audio" / "go-forward.wav"
OPENING_LINE = "Hello! How can I help?"
SETTLE_S = 2.0
AT_ONCE = 3
PATIENCE_S = 120.0
"""Twenty agents and their users share the machine's cores."""
TURN_S = 1.5
"""In which time a turn is over and its answer begins."""


async def memory(site: Site, calls: int) -> dict[str, object]:
    """So many calls at once: each is greeted, speaks, asks, and stays; few of them at a time."""
    host = site.host_pid()
    await asyncio.sleep(SETTLE_S)
    idle = [uss_mib(pid) for pid in idle_agents(host)]
    alone = family_mib(host)
    in_call: list[float] = []
    async with contextlib.AsyncExitStack() as stack:
        free = asyncio.Semaphore(AT_ONCE)

        async def call() -> Caller:
            async with free:
                caller = Caller.start(site.stack.url, openingLine=OPENING_LINE)
                await stack.enter_async_context(caller)
                await converse(caller)
                in_call.append(uss_mib(await site.agent_pid(caller.session_id)))
                await caller.rest()
                await close_microphone(caller)
                return caller

        callers = await asyncio.gather(*(call() for _ in range(calls)))
        total = family_mib(host)
        pids = [await site.agent_pid(caller.session_id) for caller in callers]
        closed = [uss_mib(pid) for pid in pids]
        there = sum(caller.heard.disconnected.is_set() is False for caller in callers)
        await asyncio.gather(*(caller.end() for caller in callers))
    return {
        "idle_child_unique_mib": spread(idle),
        "child_in_a_call_unique_mib": spread(in_call),
        "the_same_once_the_microphone_is_closed_mib": spread(closed),
        "host_without_calls_total_mib": round(alone),
        "calls": calls,
        "callers_still_there": there,
        f"host_and_{calls}_calls_total_mib": round(total),
    }


async def converse(caller: Caller) -> None:
    """Be greeted, speak, be heard or not, type a question, be answered, and thank for it."""
    await caller.until_quiet(within_s=PATIENCE_S)
    speech = read_wav(SPEECH)
    caller.say(speech)
    # what is made of it depends on the recogniser; what it costs does not
    await asyncio.sleep(len(speech) / RATE_HZ + TURN_S)
    for line in (QUESTION, THANKS):
        said_at, answers = time.monotonic(), len(caller.heard.sources)
        await caller.type(line)
        await caller.until_cited(after=answers, within_s=PATIENCE_S)
    await caller.until_quiet(since=said_at, within_s=PATIENCE_S)


async def close_microphone(caller: Caller) -> None:
    """Stay in the call and send no more audio: so many open ones need more than two cores."""
    me = caller.room.local_participant
    for publication in list(me.track_publications.values()):
        await me.unpublish_track(publication.sid)


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
