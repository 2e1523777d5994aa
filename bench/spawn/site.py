"""What a part of the benchmark runs on: one running instance, and its room server."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.start import PAUSE_S
from tests.clients.remains import agent_processes, redis_url_of, room_server_of, rooms_of
from tests.clients.stack import Stack
from tests.clients.watcher import Watcher
from tests.rooms.server import RoomServer

ROOM_SERVER_VARIABLES = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
PATIENCE_S = 60.0
"""How long a session may take for anything before the benchmark gives up."""
SETTINGS = {"SESSION_STARTS_PER_MINUTE": "1000000", "USER_JOIN_TIMEOUT_SECONDS": "300"}


@dataclass(frozen=True, slots=True)
class Started:
    """One accepted `POST /api/session/start`. Times are monotonic."""

    answer: dict[str, Any]
    began_at: float
    answered_at: float

    @property
    def session_id(self) -> str:
        """Of the session."""
        return str(self.answer["sessionId"])


@dataclass(frozen=True, slots=True)
class Site:
    """A running instance with the settings that a part asked for."""

    stack: Stack
    server: RoomServer
    redis_url: str
    http: httpx.AsyncClient

    async def ask_to_start(self, **fields: object) -> tuple[httpx.Response, float]:
        """The answer, whatever it is, and when it was asked for."""
        began = time.monotonic()
        return await self.http.post("/api/session/start", json=fields), began

    async def start(self, **fields: object) -> Started:
        """Start a session."""
        response, began = await self.ask_to_start(**fields)
        assert response.status_code == 200, response.text
        return Started(response.json(), began, time.monotonic())

    async def end(self, session_id: str) -> None:
        """End a session, and wait for what the API promises."""
        response = await self.http.post("/api/session/end", json={"sessionId": session_id})
        assert response.status_code == 200, response.text

    def watch(self, started: Started) -> Watcher:
        """See its agent come."""
        return Watcher(self.server, started.answer)

    async def rooms(self) -> set[str]:
        """The rooms there are."""
        return await rooms_of(self.server)

    def host_pid(self) -> int:
        """The machine's agent host."""
        host = self.stack.find("agent host")
        assert host is not None
        return host.pid

    async def agent_pid(self, session_id: str) -> int:
        """The process of a session's agent, once there is one."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = agent_processes([session_id])
            if found:
                return next(iter(found))
            assert time.monotonic() < deadline, f"no agent process for {session_id}"
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def site(folder: Path, settings: Mapping[str, str]) -> AsyncIterator[Site]:
    """Start an instance; over the LiveKit that the environment names, else over devroom."""
    rooms = {name: os.environ[name] for name in ROOM_SERVER_VARIABLES if os.environ.get(name)}
    stack = Stack(folder, environment={**SETTINGS, **rooms, **settings})
    await asyncio.to_thread(stack.start)
    try:
        # less than the server keeps idle connections for, so that it never hangs up on a request
        limits = httpx.Limits(max_connections=200, keepalive_expiry=1.0)
        async with httpx.AsyncClient(base_url=stack.url, timeout=PATIENCE_S, limits=limits) as http:
            await warm_up(Site(stack, room_server_of(stack), redis_url_of(stack), http))
            yield Site(stack, room_server_of(stack), redis_url_of(stack), http)
    finally:
        await asyncio.to_thread(stack.stop)


async def warm_up(on: Site) -> None:
    """One session that does not count: connections are opened, code is read from disk."""
    started = await on.start()
    async with on.watch(started) as watcher:
        await watcher.agent(within_s=PATIENCE_S)
    await on.end(started.session_id)
    await asyncio.sleep(PAUSE_S)


async def gone(pid: int) -> float:
    """Wait for the end of a process, as the kernel tells; when it came."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return time.monotonic()
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[float] = loop.create_future()

    def on_end() -> None:
        loop.remove_reader(descriptor)
        ended.set_result(time.monotonic())

    loop.add_reader(descriptor, on_end)
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await ended
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
