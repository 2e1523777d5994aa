"""Faults that last for a while, with a call running: away, frozen, out of space."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.clients.caller import Caller
from tests.clients.faults import COMMANDS, QUESTION, Victim, left_of
from tests.clients.remains import agent_processes
from tests.clients.stack import Stack

PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True)
class Endured:
    """What an outage did to a call that ran, and to one that was to begin."""

    fault: str
    lasted_s: float
    running_call: str
    new_session_meanwhile: str
    works_again_after_s: float
    """From the end of the fault until a new session's agent has answered."""
    left: tuple[str, ...]


@contextlib.asynccontextmanager
async def redis_away(stack: Stack, seconds: float) -> AsyncIterator[None]:
    """Redis is stopped, and connections to it are refused."""
    await asyncio.to_thread(supervisorctl, stack, "stop", "redis")
    began = time.monotonic()
    yield
    await asyncio.sleep(max(0.0, seconds - (time.monotonic() - began)))
    await asyncio.to_thread(supervisorctl, stack, "start", "redis")


@contextlib.asynccontextmanager
async def frozen(stack: Stack, victim: Victim, seconds: float) -> AsyncIterator[None]:
    """A program is stopped by a signal: it neither answers nor refuses."""
    found = stack.find(COMMANDS[victim])
    assert found is not None
    process = psutil.Process(found.pid)
    process.suspend()
    began = time.monotonic()
    try:
        yield
        await asyncio.sleep(max(0.0, seconds - (time.monotonic() - began)))
    finally:
        process.resume()


async def endure(stack: Stack, name: str, outage: AbstractAsyncContextManager[None]) -> Endured:
    """Have a call run through an outage, and try to begin another in it."""
    async with Caller.start(stack.url) as caller:
        await caller.until_quiet(within_s=60)
        agent = agent_processes([caller.session_id])
        began = time.monotonic()
        async with outage:
            await asyncio.sleep(1.0)
            running = await _ask(caller)
            meanwhile, begun = await _try_to_start(stack)
        lasted = time.monotonic() - began
        again = await _works_again(stack)
        same = agent_processes([caller.session_id]) == agent
        after = "" if caller.heard.disconnected.is_set() else await _ask(caller)
        agents = "the same agent" if same else "another agent"
        sessions = [caller.session_id, *begun]
        for session in sessions:
            await _end(stack, session)
    running = f"{running} during it; {after or 'the call is over'} after it, by {agents}"
    return Endured(name, lasted, running, meanwhile, again, await left_of(stack, sessions))


async def _ask(caller: Caller, *, within_s: float = 10.0) -> str:
    began, answered = time.monotonic(), len(caller.heard.sources)
    try:
        await caller.type(QUESTION)
        await caller.until(
            lambda: len(caller.heard.sources) > answered, within_s=within_s, what="answer"
        )
    except Exception:  # noqa: BLE001 (what does not work is what we are here to tell)
        return f"no answer in {within_s:.0f} s"
    return f"answered in {time.monotonic() - began:.1f} s"


async def _try_to_start(stack: Stack) -> tuple[str, list[str]]:
    began = time.monotonic()
    try:
        async with httpx.AsyncClient(base_url=stack.url, timeout=15) as http:
            answer = await http.post("/api/session/start", json={})
    except httpx.HTTPError as error:
        return f"{type(error).__name__} after {time.monotonic() - began:.1f} s", []
    took = time.monotonic() - began
    if answer.status_code != 200:
        code = answer.json()["error"]["code"]
        return f"{answer.status_code} {code} in {took:.1f} s", []
    return f"accepted in {took:.1f} s", [str(answer.json()["sessionId"])]


async def _works_again(stack: Stack) -> float:
    """How long until somebody who tries and tries is answered by an agent."""
    began = time.monotonic()
    while True:
        try:
            async with Caller.start(stack.url) as caller:
                await caller.until(lambda c=caller: c.heard.audible(), within_s=30, what="greeting")  # type: ignore[misc]
                took = time.monotonic() - began
                await caller.end()
                return took
        except (AssertionError, httpx.HTTPError):
            if time.monotonic() - began > PATIENCE_S:
                return float("inf")
            await asyncio.sleep(0.3)


async def _end(stack: Stack, session: str) -> None:
    async with httpx.AsyncClient(base_url=stack.url, timeout=15) as http:
        await http.post("/api/session/end", json={"sessionId": session})


def supervisorctl(stack: Stack, *words: str) -> None:
    """Have supervisord start or stop programs."""
    config = stack.run_dir / "supervisord.conf"
    command = [sys.executable, "-m", "supervisor.supervisorctl", "-c", str(config), *words]
    subprocess.run(command, check=True, capture_output=True, timeout=30)


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """A folder on a small file system of its own. Raises OSError where none can be made."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            raise OSError("needs the right to mount")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=False, capture_output=True)


@contextlib.asynccontextmanager
async def no_space(folder: Path, seconds: float) -> AsyncIterator[None]:
    """All the space on the file system of a folder is taken."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(os.urandom(512))
    assert shutil.disk_usage(folder).free == 0
    yield
    await asyncio.sleep(seconds)
    filler.unlink()
