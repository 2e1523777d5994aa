"""What the Celery tasks about one agent do: place it on this machine, end it here.

Each is idempotent, and each pass is short: what cannot be done yet is queued again at once, and
waits in Redis, as a worker takes from a queue only what its host can do (`orchestrator.gate`).
"""

import contextlib
import logging
from typing import Protocol

from agent.host_protocol import (
    Done,
    Drain,
    End,
    HostReply,
    HostRequest,
    HostStatus,
    Prewarm,
    Refusal,
    Refused,
    Resume,
    Spawn,
)
from agent.job import EndReason
from agent.lease import Holder
from orchestrator.errors import HostUnreachable, SessionNotFound
from orchestrator.sessions import decisions
from orchestrator.sessions.lifecycle import Lifecycle, Tasks
from orchestrator.sessions.session import WAITING, Session, SessionStatus

logger = logging.getLogger(__name__)


class Host(Protocol):
    """This machine's agent host."""

    async def ask(self, request: HostRequest) -> HostReply:
        """Its answer. Raises `HostUnreachable`."""


class LeaseTaker(Protocol):
    """What placing needs of the leases."""

    async def take(self, session_id: str, host: str) -> int | None:
        """The fence of a fresh lease, or None while somebody holds it."""

    async def holder(self, session_id: str) -> Holder | None:
        """Who holds it."""

    async def release(self, session_id: str, fence: int) -> bool:
        """Give it back."""


class Placement:
    """Places and ends the agents of one machine, whose name among hosts is `host_name`."""

    def __init__(
        self, lifecycle: Lifecycle, leases: LeaseTaker, host: Host, tasks: Tasks, *, host_name: str
    ) -> None:
        self._lifecycle = lifecycle
        self._leases = leases
        self._host = host
        self._tasks = tasks
        self._host_name = host_name

    async def spawn(self, session_id: str) -> None:
        """One attempt at placing the session's agent here."""
        session = await self._find(session_id)
        if session is None or session.status not in WAITING:
            return
        now, policy = self._lifecycle.clock(), self._lifecycle.policy
        if decisions.is_overdue(session, now, policy):
            await self._lifecycle.change(session_id, lambda s: decisions.not_placed(s, now, policy))
            return
        fence = await self._hold(session_id)
        if fence is None:
            return
        session = await self._lifecycle.change(
            session_id, lambda s: decisions.place(s, self._host_name, fence, now)
        )
        if session.status is not SessionStatus.SPAWNING or session.fence != fence:
            await self._leases.release(session_id, fence)
            return
        await self._ask_to_spawn(session)

    async def end_stale(self, session_id: str, fence: int) -> None:
        """Have the host end an agent of this fence or an older one, if it is stale still."""
        session = await self._find(session_id)
        if session is not None and not session.is_over and session.fence <= fence:
            return
        logger.warning("stale agent ended", extra={"session_id": session_id, "fence": fence})
        with contextlib.suppress(HostUnreachable):  # it is found again
            await self._host.ask(End(session_id, fence=fence))

    async def end(self, session_id: str) -> None:
        """Have the host end the session's agent; without one here, the session is over."""
        session = await self._find(session_id)
        if session is None or session.status is not SessionStatus.ENDING:
            return
        try:
            reply = await self._host.ask(End(session_id))
        except HostUnreachable:
            await self._end_later(session)
            return
        if isinstance(reply, Refused) and reply.reason is Refusal.NOT_FOUND:
            await self._lifecycle.change(
                session_id,
                lambda s: decisions.finish(s, self._lifecycle.clock(), self._lifecycle.policy),
            )

    async def serve(self, *, serving: bool) -> None:
        """Have the host take jobs from now on, or no more."""
        try:
            await self._host.ask(Resume() if serving else Drain())
        except HostUnreachable as error:
            logger.warning("agent host not reachable", extra={"error": str(error)})

    async def prewarm(self, size: int) -> None:
        """Have the host keep so many idle agents."""
        try:
            await self._host.ask(Prewarm(size))
        except HostUnreachable as error:
            logger.warning("agent host not reachable", extra={"error": str(error)})

    async def _find(self, session_id: str) -> Session | None:
        try:
            return await self._lifecycle.store.get(session_id)
        except SessionNotFound:
            return None

    async def _hold(self, session_id: str) -> int | None:
        """The fence under which this machine may run the session.

        A lease that this machine holds already is from a delivery of this task that died: asking
        the host again under the same fence is safe, as it runs no job twice.
        """
        fence = await self._leases.take(session_id, self._host_name)
        if fence is not None:
            return fence
        holder = await self._leases.holder(session_id)
        return holder.fence if holder and holder.host == self._host_name else None

    async def _ask_to_spawn(self, session: Session) -> None:
        job = session.job(history_turns=self._lifecycle.policy.history_turns)
        try:
            reply = await self._host.ask(Spawn(job))
        except HostUnreachable as error:
            reply = Refused(Refusal.DRAINING, f"not reachable: {error}")
        match reply:
            case Done() | HostStatus():
                await self._take_back_if_ended(session)
            case Refused(reason=Refusal.STALE):
                return
            case Refused(reason=Refusal.BAD_REQUEST):
                await self._give_up(session)
            case Refused(reason=reason):
                fields = {"session_id": session.session_id, "reason": reason.value}
                logger.info("agent not placed", extra=fields)
                await self._queue_again(session)

    async def _take_back_if_ended(self, session: Session) -> None:
        """The session may have been ended while its agent was being made."""
        now = await self._find(session.session_id)
        if now is None or now.status not in (*WAITING, SessionStatus.READY, SessionStatus.ACTIVE):
            await self._host.ask(End(session.session_id))

    async def _give_up(self, session: Session) -> None:
        logger.error("agent host refused the job", extra={"session_id": session.session_id})
        await self._lifecycle.change(
            session.session_id,
            lambda s: decisions.fail(
                s,
                EndReason.AGENT_FAILED,
                self._lifecycle.clock(),
                self._lifecycle.policy,
                "The agent host refused the job.",
            ),
        )

    async def _queue_again(self, session: Session) -> None:
        await self._leases.release(session.session_id, session.fence)
        now = await self._lifecycle.change(
            session.session_id,
            lambda s: decisions.unplace(
                s, session.fence, self._lifecycle.clock(), self._lifecycle.policy
            ),
        )
        if now.status is SessionStatus.QUEUED:
            await self._tasks.spawn(session.session_id)

    async def _end_later(self, session: Session) -> None:
        since = session.ending_at or 0.0
        if self._lifecycle.clock() - since < self._lifecycle.policy.give_up_ending_s:
            await self._tasks.end(session.session_id, session.host)
