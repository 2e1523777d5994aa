"""Kills a part of the product while a session is in a given state, and tells what came of it."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import httpx
import psutil
from redis import Redis
from redis.exceptions import RedisError

from tests.clients.caller import Caller
from tests.clients.remains import agent_processes, live_keys, redis_url_of, room_server_of, rooms_of
from tests.clients.stack import Stack, eventually

QUESTION = "How long do I have to return something?"
ASK_AGAIN_S = 1.5
GIVE_UP_S = 90.0
CLEAN_S = 30.0
"""How long everything may take to be gone after the end; the beat schedule has that long."""
AT_ONCE_S = 1.5
"""An answer within this time is one that was not disturbed: it is what a question takes."""
POLL_S = 0.02


class Victim(StrEnum):
    """What is killed."""

    AGENT = "agent"
    HOST = "agent host"
    WORKER = "worker"
    BEAT = "beat"
    API = "API"
    REDIS = "Redis"
    ROOMS = "room server"


COMMANDS = {
    Victim.HOST: "agent host",
    Victim.WORKER: "-A orchestrator.tasks worker",
    Victim.BEAT: "-A orchestrator.tasks beat",
    Victim.API: "-m orchestrator",
    Victim.REDIS: "redis-server",
    Victim.ROOMS: "-m devroom",
}
"""How each program is found; an agent is found by its session."""


class State(StrEnum):
    """Where the session is when that happens."""

    QUEUED = "queued"
    SPAWNING = "spawning"
    READY = "ready"
    ACTIVE = "active"
    ENDING = "ending"


@dataclass(slots=True)
class Held:
    """A session that is held in a state, by processes that do not run until it is released."""

    session_id: str
    caller: Caller
    stopped: list[psutil.Process] = field(default_factory=list)
    agent: int | None = None
    ending: "asyncio.Task[None] | None" = None

    def release(self) -> None:
        """Let everything go on that still lives."""
        for process in self.stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    notice: str
    """What the user notices."""
    after_s: float
    """From the kill until the user is answered, or until the session is over."""
    left: tuple[str, ...]
    """What was there still when all should have been gone."""


async def strike(stack: Stack, victim: Victim, state: State) -> Outcome:
    """Bring a new session into the state, kill the victim, and see how it goes on."""
    async with in_state(stack, state) as held:
        killed_at = time.monotonic()
        os.kill(pid_of(stack, victim, held), signal.SIGKILL)
        held.release()
        if state is State.ENDING:
            notice = await _until_over(stack, held)
        else:
            notice = await _until_answered(stack, held, state)
        after_s = time.monotonic() - killed_at
        await _end(stack, held.session_id)
    return Outcome(notice, after_s, await left_of(stack, [held.session_id]))


def pid_of(stack: Stack, victim: Victim, held: Held) -> int:
    """The process to kill."""
    if victim is Victim.AGENT:
        assert held.agent is not None
        return held.agent
    found = eventually(lambda: stack.find(COMMANDS[victim]), within_s=15, what=f"{victim} is up")
    return found.pid


# bringing a session into a state


@contextlib.asynccontextmanager
async def in_state(stack: Stack, state: State) -> AsyncIterator[Held]:
    """A session that is in this state now, and stays there until it is released."""
    caller = Caller.start(stack.url)
    held = Held("", caller)
    try:
        match state:
            case State.QUEUED:
                _stop(held, _family(stack, COMMANDS[Victim.WORKER]))
                await _start(stack, held)
            case State.SPAWNING:
                await _start_and_stop_agent(stack, held)
            case State.READY:
                await _start(stack, held)
                await _until_status(stack, held, State.READY)
            case State.ACTIVE | State.ENDING:
                await _start(stack, held)
                await caller.join()
                await caller.until_quiet(within_s=60)
                await _until_status(stack, held, State.ACTIVE)
        held.agent = next(iter(agent_processes([held.session_id])), None)
        if state is State.ENDING:
            assert held.agent is not None
            _stop(held, [psutil.Process(held.agent)])
            held.ending = asyncio.create_task(_ask_end(stack, held.session_id))
        await _until_status(stack, held, state)
        yield held
    except BaseException:
        if held.session_id:  # or it would be in the way of what comes next
            held.release()
            await _ask_end(stack, held.session_id)
        raise
    finally:
        held.release()
        if held.ending is not None:
            held.ending.cancel()
        await caller.leave()


async def _start(stack: Stack, held: Held) -> None:
    async with httpx.AsyncClient(base_url=stack.url, timeout=15) as http:
        answer = await http.post("/api/session/start", json={})
    assert answer.status_code == 200, answer.text
    held.caller.answer = answer.json()
    held.session_id = held.caller.session_id


async def _start_and_stop_agent(stack: Stack, held: Held) -> None:
    """The agent is stopped between taking its job and joining the room, some 100 ms later."""
    host = stack.find(COMMANDS[Victim.HOST])
    assert host is not None
    starting = asyncio.create_task(_start(stack, held))
    deadline = time.monotonic() + 15
    while True:
        assert time.monotonic() < deadline, "no agent took the job"
        for child in psutil.Process(host.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if " ".join(child.cmdline()).startswith("agent session_"):
                    _stop(held, [child])
                    await starting
                    return
        await asyncio.sleep(0)


def _stop(held: Held, processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()
            held.stopped.append(process)


def _family(stack: Stack, part: str) -> list[psutil.Process]:
    process = stack.find(part)
    assert process is not None
    above = psutil.Process(process.pid)
    return [above, *above.children(recursive=True)]


async def _until_status(stack: Stack, held: Held, wanted: State) -> None:
    async def is_there() -> bool:
        return await _status(stack, held.session_id) == wanted.value

    await _until(is_there, within_s=30, what=f"{held.session_id} is {wanted}")


# seeing how it goes on


async def _until_answered(stack: Stack, held: Held, state: State) -> str:
    """Ask until there is an answer; what the user notices of that."""
    caller, began = held.caller, time.monotonic()
    if state is not State.ACTIVE:
        await _join(caller)
    answered = len(caller.heard.sources)
    while len(caller.heard.sources) <= answered:
        if time.monotonic() - began > GIVE_UP_S:
            return f"no answer in {GIVE_UP_S:.0f} s; the session is {await _fate(stack, held)}"
        with contextlib.suppress(Exception):  # not connected at the moment
            await asyncio.wait_for(caller.type(QUESTION), ASK_AGAIN_S)
        with contextlib.suppress(AssertionError):
            await caller.until(
                lambda: len(caller.heard.sources) > answered, within_s=ASK_AGAIN_S, what="answer"
            )
    took = time.monotonic() - began
    return _notice(held, took)


def _notice(held: Held, took: float) -> str:
    now = next(iter(agent_processes([held.session_id])), None)
    agent = "another agent" if held.agent is not None and now != held.agent else "the agent"
    if took < AT_ONCE_S:
        return f"{agent} answers"
    return f"{agent} answers late"


async def _until_over(stack: Stack, held: Held) -> str:
    """Wait until the session is over and its process gone; asks for the end again if need be."""

    async def over() -> bool:
        if held.ending is not None and held.ending.done():
            held.ending = asyncio.create_task(_ask_end(stack, held.session_id))
        is_over = await _status(stack, held.session_id) in ("ended", "failed")
        return is_over and not agent_processes([held.session_id])

    try:
        await _until(over, within_s=GIVE_UP_S, what="over")
    except AssertionError:
        return f"not over in {GIVE_UP_S:.0f} s; the session is {await _fate(stack, held)}"
    return await _fate(stack, held)


async def _join(caller: Caller) -> None:
    """Join as a page does: again, while the room server is away."""
    deadline = time.monotonic() + GIVE_UP_S
    while True:
        try:
            await asyncio.wait_for(caller.join(), 10)
        except Exception:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.3)
        else:
            return


async def _fate(stack: Stack, held: Held) -> str:
    answer = await _get(stack, f"/api/session/{held.session_id}")
    if answer is None:
        return "unknown, as the API does not answer"
    state = answer.json()
    reason = state.get("endReason")
    return f"{state.get('status')} ({reason})" if reason else str(state.get("status"))


async def _status(stack: Stack, session_id: str) -> str | None:
    answer = await _get(stack, f"/api/session/{session_id}")
    return None if answer is None else answer.json().get("status")


async def _get(stack: Stack, path: str) -> httpx.Response | None:
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient(base_url=stack.url, timeout=5) as http:
            return await http.get(path)
    return None


async def _ask_end(stack: Stack, session_id: str) -> None:
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient(base_url=stack.url, timeout=15) as http:
            await http.post("/api/session/end", json={"sessionId": session_id})
    await asyncio.sleep(0.5)


async def _end(stack: Stack, session_id: str) -> None:
    async def ended() -> bool:
        await _ask_end(stack, session_id)
        return await _status(stack, session_id) in ("ended", "failed")

    await _until(ended, within_s=GIVE_UP_S, what=f"{session_id} is over")


async def left_of(stack: Stack, sessions: list[str]) -> tuple[str, ...]:
    """What is left of sessions that are over: processes, rooms, keys; nothing within some time."""
    left: tuple[str, ...] = ()

    async def nothing() -> bool:
        nonlocal left
        left = await _remains(stack, sessions)
        return not left

    with contextlib.suppress(AssertionError):
        await _until(nothing, within_s=CLEAN_S, what="nothing left", every_s=0.25)
    return left


async def _remains(stack: Stack, sessions: list[str]) -> tuple[str, ...]:
    found = [f"process {pid}" for pid in agent_processes(sessions)]
    try:
        found += [f"room {name}" for name in await rooms_of(room_server_of(stack))]
        with Redis.from_url(redis_url_of(stack), decode_responses=True) as redis:
            found += live_keys(redis)
    except (OSError, RedisError, httpx.HTTPError, psutil.Error) as error:
        found.append(f"cannot look: {type(error).__name__}")
    return tuple(found)


async def _until(
    look: Callable[[], object], *, within_s: float, what: str, every_s: float = POLL_S
) -> None:
    deadline = time.monotonic() + within_s
    while not await look():  # type: ignore[misc]
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        await asyncio.sleep(every_s)
