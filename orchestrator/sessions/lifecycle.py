"""Starts, ends and mends sessions: the shell that records decisions and carries them out.

A decision is recorded first, then carried out. Whatever is lost between the two, with the process
that dies there, the tasks on the beat schedule find and make good.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol, assert_never

from agent.job import EndReason, Report
from orchestrator.errors import OrchestratorError, SessionNotFound
from orchestrator.sessions import decisions
from orchestrator.sessions.decisions import (
    Action,
    Decision,
    DeleteRoom,
    EndAgent,
    Policy,
    ReleaseLease,
    SpawnAgent,
)
from orchestrator.sessions.session import Session
from orchestrator.sessions.store import SessionStore

logger = logging.getLogger(__name__)

MAX_ACTIONS_AT_ONCE = 50
POLL_S = 0.02


class Rooms(Protocol):
    """What a session needs of the room server."""

    async def delete(self, name: str) -> None:
        """Throw everybody out and delete the room; none of that name is no error."""


class Tasks(Protocol):
    """What a session needs of the task queue."""

    async def spawn(self, session_id: str) -> None:
        """Queue the placing of an agent."""

    async def end(self, session_id: str, host: str, fence: int | None = None) -> None:
        """Queue the ending of the agent on a host; with a fence, of one that is stale."""


class LeaseBook(Protocol):
    """What a session needs of the leases."""

    async def release(self, session_id: str, fence: int) -> bool:
        """Give a lease back."""


class Observer(Protocol):
    """Who wants to know how sessions go."""

    def agent_joined(self, after_s: float) -> None:
        """The first agent of a session came, so long after the start."""

    def session_over(self, session: Session) -> None:
        """A session has ended or failed."""


class Lifecycle:
    """The life of sessions in one process. `clock` tells Unix seconds."""

    def __init__(
        self,
        store: SessionStore,
        rooms: Rooms,
        tasks: Tasks,
        leases: LeaseBook,
        policy: Policy,
        *,
        clock: Callable[[], float],
        observer: Observer | None = None,
    ) -> None:
        self.store = store
        self.policy = policy
        self.clock = clock
        self._rooms = rooms
        self._tasks = tasks
        self._leases = leases
        self._observer = observer
        self._background: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(MAX_ACTIONS_AT_ONCE)

    async def start(self, session: Session, *, limit: int) -> None:
        """Keep a new session and queue its agent; either both or neither.

        Raises `CapacityFull`, `StoreUnavailable`, `DispatchFailed`.
        """
        await self.store.create(session, limit=limit)
        try:
            await self._tasks.spawn(session.session_id)
        except BaseException:
            await asyncio.shield(self._forget(session.session_id))
            raise

    async def end(self, session_id: str, *, timeout_s: float) -> Session:
        """End a session and wait, so long at most, until nothing of it runs; returns it then.

        Raises `SessionNotFound`, `StoreUnavailable`, and `RoomsUnavailable` when the room could
        not be deleted; the session ends all the same.
        """
        decision = await self._decide(
            session_id,
            lambda s: decisions.ask_end(s, EndReason.REQUESTED, self.clock(), self.policy),
        )
        rest = [a for a in decision.actions if not isinstance(a, DeleteRoom)]
        self._begin(rest)
        await self._rooms.delete(session_id)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._until_over(session_id)
        except TimeoutError:
            return await self.store.get(session_id)

    async def report(self, report: Report) -> None:
        """Apply what an agent or its host reported; one of an unknown session is dropped."""
        try:
            await self.change(
                report.session_id, lambda s: decisions.on_report(s, report, self.policy)
            )
        except SessionNotFound:
            logger.info("report of an unknown session", extra={"session_id": report.session_id})

    async def change(self, session_id: str, decide: Callable[[Session], Decision]) -> Session:
        """Record a decision, begin what follows from it; returns the session after it."""
        decision = await self._decide(session_id, decide)
        self._begin(decision.actions)
        return decision.session

    async def finish_actions(self) -> None:
        """Wait until everything that was begun is done."""
        while self._background:
            await asyncio.gather(*self._background)

    async def _decide(self, session_id: str, decide: Callable[[Session], Decision]) -> Decision:
        before: list[Session] = []

        def remembering(session: Session) -> Decision:
            before[:] = [session]
            return decide(session)

        decision = await self.store.update(session_id, remembering)
        self._observe(before[0], decision.session)
        return decision

    def _observe(self, before: Session, after: Session) -> None:
        if before.status is not after.status:
            fields = {
                "session_id": after.session_id,
                "status": after.status.value,
                "reason": after.end_reason.value if after.end_reason else "",
            }
            logger.info("session changed", extra=fields)
        if self._observer is None:
            return
        if before.agent_joined_at is None and after.agent_joined_at is not None:
            self._observer.agent_joined(after.agent_joined_at - after.created_at)
        if after.is_over and not before.is_over:
            self._observer.session_over(after)

    def _begin(self, actions: Sequence[Action]) -> None:
        if actions:
            task = asyncio.create_task(self._perform(actions))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _perform(self, actions: Sequence[Action]) -> None:
        async with self._free:
            for action in actions:
                try:
                    await self._act(action)
                except OrchestratorError as error:
                    fields = {
                        "session_id": action.session_id,
                        "action": type(action).__name__,
                        "error": str(error),
                    }
                    logger.warning("action failed", extra=fields)

    async def _act(self, action: Action) -> None:
        match action:
            case SpawnAgent(session_id):
                await self._tasks.spawn(session_id)
            case EndAgent(session_id, host):
                await self._tasks.end(session_id, host)
            case ReleaseLease(session_id, fence):
                await self._leases.release(session_id, fence)
            case DeleteRoom(session_id):
                await self._rooms.delete(session_id)
            case _:
                assert_never(action)

    async def _until_over(self, session_id: str) -> Session:
        while True:
            session = await self.store.get(session_id)
            if session.is_over:
                return session
            await asyncio.sleep(POLL_S)

    async def _forget(self, session_id: str) -> None:
        try:
            await self.store.forget(session_id)
        except OrchestratorError:
            # It stays queued, and fails as not placed when its time is over.
            logger.warning("slot not given back", extra={"session_id": session_id})
