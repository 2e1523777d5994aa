"""After Redis comes back, nobody is admitted before its books are right.

A Redis that was killed may come back without its last second (`appendfsync everysec`), and so
without sessions whose agents run. The script that admits a session compares the run of Redis with
the one for which the books were last checked, and refuses while they differ. The check: every host
that was heard of tells anew what runs on it, and agents without a session are ended before their
places are given away.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from agent.host_protocol import HOSTS_KEY, HostStatus, RunningAgent
from orchestrator.errors import DispatchFailed, StoreUnavailable
from orchestrator.sessions.session import Session

logger = logging.getLogger(__name__)

BOOKS = "majlis:books"
"""The run of Redis for which the books are right."""
LOOK_EVERY_S = 0.1
GIVE_UP_S = 15.0
"""An agent that does not end must not keep everybody out for ever."""


class HostReader(Protocol):
    """What a check needs to know of the agent hosts."""

    async def all(self) -> dict[str, HostStatus]:
        """What they told last, by name."""


class StaleTasks(Protocol):
    """How agents without a session are ended."""

    async def end(self, session_id: str, host: str, fence: int | None = None) -> None:
        """Queue the ending of a stale agent."""


class Live(Protocol):
    """The sessions that are on record."""

    async def live(self) -> list[Session]:
        """Those that hold a slot."""

    async def drop_empty_slots(self) -> int:
        """Give back slots that have no record; returns how many."""


class Books:
    """Checks the books in one process; any number of processes may."""

    def __init__(
        self,
        redis: Redis,
        store: Live,
        hosts: HostReader,
        tasks: StaleTasks,
        *,
        clock: Callable[[], float] = time.monotonic,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._redis = redis
        self._store = store
        self._hosts = hosts
        self._tasks = tasks
        self._clock = clock
        self._look_every_s = look_every_s
        self._looking = asyncio.Lock()
        self._run = ""
        self._since = 0.0
        self._told: dict[str, float] = {}
        self._ended: set[tuple[str, int]] = set()

    async def check(self) -> bool:
        """Look once; whether sessions are admitted. Raises `StoreUnavailable`."""
        try:
            run = str((await self._redis.info("server"))["run_id"])
            if await self._redis.get(BOOKS) == run:
                return True
            async with self._looking:
                return await self._look(run)
        except RedisError as error:
            raise StoreUnavailable from error

    async def wait(self, timeout_s: float) -> bool:
        """Look until sessions are admitted, for so long at most. Raises `StoreUnavailable`."""
        deadline = self._clock() + timeout_s
        while not await self.check():
            if self._clock() > deadline:
                return False
            await asyncio.sleep(self._look_every_s)
        return True

    async def _look(self, run: str) -> bool:
        if run != self._run:
            await self._begin(run)
        if not await self._is_right():
            return False
        await self._redis.set(BOOKS, run)
        logger.info("books are right", extra={"after_s": round(self._clock() - self._since, 2)})
        return True

    async def _begin(self, run: str) -> None:
        self._run, self._since = run, self._clock()
        self._ended.clear()
        # what stands there may be from before; a host's next word is not
        names = [str(name) for name in await self._redis.smembers(HOSTS_KEY)]
        told = await self._hosts.all()
        self._told = {name: told[name].at for name in names if name in told}

    async def _is_right(self) -> bool:
        hosts = await self._hosts.all()
        silent = [name for name, at in self._told.items() if name in hosts and hosts[name].at == at]
        live = {session.session_id for session in await self._store.live()}
        strays = [
            (host.name, agent)
            for host in hosts.values()
            for agent in host.agents
            if agent.session_id not in live
        ]
        for host, agent in strays:
            await self._end(host, agent)
        if silent or strays:
            if self._clock() - self._since < GIVE_UP_S:
                return False
            logger.error("books not right in time", extra={"hosts": len(silent)})
        await self._store.drop_empty_slots()
        return True

    async def _end(self, host: str, agent: RunningAgent) -> None:
        """Have an agent ended, once."""
        if (agent.session_id, agent.fence) in self._ended:
            return
        fields = {"session_id": agent.session_id, "host": host}
        logger.warning("agent without a session", extra=fields)
        with contextlib.suppress(DispatchFailed):  # it is asked for at the next look
            await self._tasks.end(agent.session_id, host, agent.fence)
            self._ended.add((agent.session_id, agent.fence))
