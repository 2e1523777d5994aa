"""Where sessions are kept, as whoever keeps or changes one sees it."""

from collections.abc import Callable
from typing import Protocol

from orchestrator.sessions.decisions import Decision
from orchestrator.sessions.session import Session

Decide = Callable[[Session], Decision]


class SessionStore(Protocol):
    """Keeps records, and counts the live ones against the limit of the deployment.

    A session that is over gives its slot (and its lease, where leases are) back in the same step;
    its record stays for its time. Raises `StoreUnavailable` when the store cannot be reached.
    """

    async def create(self, session: Session, *, limit: int) -> None:
        """Take a slot and keep the record, or neither. Raises `CapacityFull`."""

    async def get(self, session_id: str) -> Session:
        """The record. Raises `SessionNotFound`."""

    async def update(self, session_id: str, decide: Decide) -> Decision:
        """Replace the record by what `decide` makes of it; returns the decision that held.

        `decide` is pure, and called again when somebody else has changed the record meanwhile.
        Raises `SessionNotFound`, and what `decide` raises.
        """

    async def forget(self, session_id: str) -> None:
        """Remove record and slot, as if it had never been."""

    async def live(self) -> list[Session]:
        """The sessions that hold a slot, oldest first."""

    async def count(self) -> int:
        """How many hold a slot."""

    async def drop_empty_slots(self) -> int:
        """Give back slots that have no record; returns how many."""
