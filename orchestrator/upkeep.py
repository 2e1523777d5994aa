"""What the tasks on the beat schedule do: find what was lost, and mend it.

Each is idempotent and bounded; what one run leaves, the next one finds.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from redis.exceptions import RedisError

from agent.host_protocol import HostStatus
from agent.lease import Holder
from orchestrator.errors import OrchestratorError, RoomsUnavailable, SessionNotFound
from orchestrator.hosts import wanted_pool
from orchestrator.sessions import decisions
from orchestrator.sessions.decisions import Decision
from orchestrator.sessions.lifecycle import Lifecycle
from orchestrator.sessions.session import Session, SessionStatus, is_session_id
from orchestrator.sessions.sightings import Sighting, sight, stale_agents

logger = logging.getLogger(__name__)

MAX_ROOMS_A_RUN = 100
ROOMS_LOOKED_INTO = 10
"""Of sessions that seem well, in one run: a question to the room server each."""

People = Mapping[str, frozenset[str]]
"""The identities of those in each room that was looked into."""


class LeaseReader(Protocol):
    """What a check-up needs of the leases."""

    async def holders(self, session_ids: Sequence[str]) -> list[Holder | None]:
        """Who holds each, in their order."""

    async def redis_up_s(self) -> float:
        """For how long Redis has been up."""


class RoomLister(Protocol):
    """What a check-up needs of the room server. All raise `RoomsUnavailable`."""

    async def names(self, deployment: str) -> list[str]:
        """The rooms of this deployment that exist."""

    async def participants(self, name: str) -> frozenset[str]:
        """The identities of those in a room."""

    async def delete(self, name: str) -> None:
        """Delete one."""


class HostReader(Protocol):
    """What a check-up needs to know of the agent hosts."""

    async def all(self) -> dict[str, HostStatus]:
        """What they told last, by name."""


class HostTasks(Protocol):
    """What a check-up queues for hosts."""

    async def end(self, session_id: str, host: str, fence: int | None = None) -> None:
        """The ending of a stale agent."""

    async def prewarm(self, host: str, size: int) -> None:
        """The number of idle agents to keep."""


class WaitingCount(Protocol):
    """What a check-up needs to know of the queue."""

    async def count(self) -> int:
        """How many sessions wait for a machine with room."""


class Named(Protocol):
    """What a check-up needs to know of the deployment."""

    async def name(self) -> str:
        """Whose rooms to look at."""


class Upkeep:
    """Looks after the live sessions of the deployment."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        leases: LeaseReader,
        rooms: RoomLister,
        hosts: HostReader,
        tasks: HostTasks,
        waiting: WaitingCount,
        deployment: Named,
    ) -> None:
        self._lifecycle = lifecycle
        self._leases = leases
        self._rooms = rooms
        self._hosts = hosts
        self._tasks = tasks
        self._waiting = waiting
        self._deployment = deployment

    async def check_agents(self) -> None:
        """Compare sessions, leases, the hosts' processes and the rooms, and mend what differs."""
        hosts = await self._hosts.all()
        live = await self._lifecycle.store.live()  # after the hosts, as `stale_agents` wants
        await self._end_stale(hosts, live)
        if not live:
            return
        holders = await self._leases.holders([session.session_id for session in live])
        up_s = await self._leases.redis_up_s()
        settled = up_s > self._lifecycle.policy.leases_settle_s
        people = await self._people(live)
        tasks_wait = await self._waiting.count() > 0
        for session, holder in zip(live, holders, strict=True):
            seen = sight(
                session,
                holder,
                hosts,
                leases_settled=settled,
                people=people.get(session.session_id),
            )
            await self._mend(session, seen, tasks_wait=tasks_wait)

    async def prewarm(self) -> None:
        """Have each host keep as many idle agents as it lately needed at once."""
        for name, status in (await self._hosts.all()).items():
            if not status.draining:
                await self._tasks.prewarm(name, wanted_pool(status))

    async def clean_up(self) -> None:
        """End what should have ended, delete rooms and slots that belong to nobody."""
        dropped = await self._lifecycle.store.drop_empty_slots()
        if dropped:
            logger.warning("slots without a record dropped", extra={"count": dropped})
        for session in await self._lifecycle.store.live():
            await self._change(
                session,
                lambda s: decisions.tidy_up(s, self._lifecycle.clock(), self._lifecycle.policy),
            )
        await self._delete_stray_rooms()

    async def _mend(self, session: Session, seen: Sighting, *, tasks_wait: bool) -> None:
        policy, now = self._lifecycle.policy, self._lifecycle.clock()

        def check(session: Session) -> Decision:
            return decisions.check_up(session, seen, at=now, policy=policy, tasks_wait=tasks_wait)

        await self._change(session, check)

    async def _change(self, session: Session, decide: Callable[[Session], Decision]) -> None:
        """Record and carry out a decision, if it comes to anything."""
        decision = decide(session)
        if decision.session is session and not decision.actions:
            return
        try:
            await self._lifecycle.change(session.session_id, decide)
        except SessionNotFound:
            return

    async def _end_stale(self, hosts: Mapping[str, HostStatus], live: Sequence[Session]) -> None:
        by_id = {session.session_id: session for session in live}
        for stale in stale_agents(hosts.values(), by_id):
            fields = {"session_id": stale.session_id, "host": stale.host, "fence": stale.fence}
            logger.warning("stale agent found", extra=fields)
            await self._tasks.end(stale.session_id, stale.host, stale.fence)

    async def _people(self, live: Sequence[Session]) -> People:
        """Who is in the rooms that are to be looked into: all that are suspect, and some others."""
        try:
            deployment = await self._deployment.name()
            ours = [session for session in live if session.deployment == deployment]
            existing = set(await self._rooms.names(deployment)) if ours else set()
            suspects, others = [], []
            gone: dict[str, frozenset[str]] = {}
            for session in ours:
                if session.session_id not in existing:
                    gone[session.session_id] = frozenset()
                elif self._is_suspect(session):
                    suspects.append(session.session_id)
                else:
                    others.append(session.session_id)
            some = random.sample(others, min(len(others), ROOMS_LOOKED_INTO))
            names = [*suspects, *some]
            found = await asyncio.gather(*(self._rooms.participants(name) for name in names))
        except (RoomsUnavailable, RedisError) as error:
            logger.warning("rooms not looked into", extra={"error": type(error).__name__})
            return {}
        return gone | dict(zip(names, found, strict=True))

    def _is_suspect(self, session: Session) -> bool:
        if session.missed_since is not None:
            return True
        spawning_s = self._lifecycle.clock() - session.placed_at
        overdue = spawning_s > self._lifecycle.policy.requeue_after_s
        return session.status is SessionStatus.SPAWNING and overdue

    async def _delete_stray_rooms(self) -> None:
        try:
            rooms = await self._rooms.names(await self._deployment.name())
            # Asked for after the rooms: a session that began meanwhile is among them.
            live = {session.session_id for session in await self._lifecycle.store.live()}
            strays = [name for name in rooms if is_session_id(name) and name not in live]
            for name in strays[:MAX_ROOMS_A_RUN]:
                await self._rooms.delete(name)
                logger.warning("room without a session deleted", extra={"session_id": name})
        except OrchestratorError as error:
            logger.warning("rooms not cleaned up", extra={"error": str(error)})
