"""Sessions in which a person was asked for, as the operators who come see them."""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from agent.job import Handover
from orchestrator.errors import Conflict
from orchestrator.rooms import user_token
from orchestrator.sessions.session import Session
from orchestrator.sessions.store import SessionStore
from orchestrator.settings import Settings

LOOK_EVERY_S = 0.5
"""How often an operator who waits for news causes a look at the sessions."""


@dataclass(frozen=True, slots=True)
class Request:
    """A person was asked for in this session."""

    session: Session
    handover: Handover


@dataclass(frozen=True, slots=True)
class Requests:
    """All of the live sessions, the longest wait first."""

    requests: tuple[Request, ...]

    @property
    def cursor(self) -> str:
        """Another one when anything has changed."""
        told = [
            (each.session.session_id, each.handover.state, each.handover.changed_at)
            for each in self.requests
        ]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


class Handovers:
    """What operators see and take. Raises `StoreUnavailable` when Redis is away."""

    def __init__(
        self,
        store: SessionStore,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.monotonic,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._store = store
        self._settings = settings
        self._clock = clock
        self._look_every_s = look_every_s

    async def all(self) -> Requests:
        """As they stand now."""
        found = [
            Request(session, session.handover)
            for session in await self._store.live()
            if session.handover is not None
        ]
        return Requests(tuple(sorted(found, key=lambda each: each.handover.asked_at)))

    async def news(self, known: str, *, wait_s: float) -> Requests:
        """As they stand once that differs from what `known` is the cursor of, or after so long."""
        deadline = self._clock() + wait_s
        while True:
            now = await self.all()
            if now.cursor != known or self._clock() >= deadline:
                return now
            await asyncio.sleep(self._look_every_s)

    async def join(self, session_id: str, name: str) -> str:
        """The token with which a person joins the session's room, under an identity of their own.

        Raises `SessionNotFound`, and `Conflict` where nobody has asked for a person, or it is over.
        """
        session = await self._store.get(session_id)
        if session.handover is None or session.is_over:
            raise Conflict("Nobody asks for a person in this session.")
        return user_token(
            self._settings,
            room=session.session_id,
            identity=f"person-{secrets.token_hex(6)}",
            name=name,
            deployment=session.deployment,
        )
