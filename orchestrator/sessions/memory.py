"""Sessions in the memory of one process."""

from collections.abc import Callable

from orchestrator.errors import CapacityFull, SessionNotFound
from orchestrator.sessions.decisions import Decision
from orchestrator.sessions.session import Session
from orchestrator.sessions.store import Decide


class MemorySessionStore:
    """A `SessionStore` for one process; gone with it. `clock` tells Unix seconds."""

    def __init__(self, *, record_ttl_s: float, clock: Callable[[], float]) -> None:
        self._record_ttl_s = record_ttl_s
        self._clock = clock
        self._records: dict[str, Session] = {}
        self._forget_at: dict[str, float] = {}

    async def create(self, session: Session, *, limit: int) -> None:
        self._expire()
        if await self.count() >= limit:
            raise CapacityFull("All capacity is in use.")
        self._records[session.session_id] = session

    async def get(self, session_id: str) -> Session:
        self._expire()
        try:
            return self._records[session_id]
        except KeyError:
            raise SessionNotFound from None

    async def update(self, session_id: str, decide: Decide) -> Decision:
        decision = decide(await self.get(session_id))
        self._records[session_id] = decision.session
        if decision.session.is_over:
            self._forget_at.setdefault(session_id, self._clock() + self._record_ttl_s)
        return decision

    async def forget(self, session_id: str) -> None:
        self._records.pop(session_id, None)
        self._forget_at.pop(session_id, None)

    async def live(self) -> list[Session]:
        live = [session for session in self._records.values() if not session.is_over]
        return sorted(live, key=lambda session: session.created_at)

    async def count(self) -> int:
        return len(await self.live())

    async def drop_empty_slots(self) -> int:
        return 0  # a record is its own slot

    def _expire(self) -> None:
        now = self._clock()
        for session_id in [key for key, at in self._forget_at.items() if at <= now]:
            del self._records[session_id], self._forget_at[session_id]
