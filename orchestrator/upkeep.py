"""What the tasks on the beat schedule do: find what was lost, and mend it.

Each is idempotent and bounded; what one run leaves, the next one finds.
"""

import logging
from typing import Protocol

from agent.lease import Holder
from orchestrator.errors import OrchestratorError, SessionNotFound
from orchestrator.sessions import decisions
from orchestrator.sessions.lifecycle import Lifecycle
from orchestrator.sessions.session import is_session_id

logger = logging.getLogger(__name__)

MAX_ROOMS_A_RUN = 100


class LeaseReader(Protocol):
    """What a check-up needs of the leases."""

    async def holder(self, session_id: str) -> Holder | None:
        """Who holds it."""


class RoomLister(Protocol):
    """What a clean-up needs of the room server."""

    async def names(self) -> list[str]:
        """The rooms that exist. Raises `RoomsUnavailable`."""

    async def delete(self, name: str) -> None:
        """Delete one. Raises `RoomsUnavailable`."""


class Upkeep:
    """Looks after the live sessions of the deployment."""

    def __init__(self, lifecycle: Lifecycle, leases: LeaseReader, rooms: RoomLister) -> None:
        self._lifecycle = lifecycle
        self._leases = leases
        self._rooms = rooms

    async def check_agents(self) -> None:
        """Compare each live session with its lease."""
        for session in await self._lifecycle.store.live():
            held = await self._leases.holder(session.session_id) is not None
            try:
                await self._lifecycle.change(
                    session.session_id,
                    lambda s, held=held: decisions.check_up(  # type: ignore[misc]
                        s,
                        lease_held=held,
                        at=self._lifecycle.clock(),
                        policy=self._lifecycle.policy,
                    ),
                )
            except SessionNotFound:
                continue

    async def clean_up(self) -> None:
        """End what should have ended, delete rooms and slots that belong to nobody."""
        dropped = await self._lifecycle.store.drop_empty_slots()
        if dropped:
            logger.warning("slots without a record dropped", extra={"count": dropped})
        for session in await self._lifecycle.store.live():
            try:
                await self._lifecycle.change(
                    session.session_id,
                    lambda s: decisions.tidy_up(s, self._lifecycle.clock(), self._lifecycle.policy),
                )
            except SessionNotFound:
                continue
        await self._delete_stray_rooms()

    async def _delete_stray_rooms(self) -> None:
        try:
            rooms = await self._rooms.names()
            # Asked for after the rooms: a session that began meanwhile is among them.
            live = {session.session_id for session in await self._lifecycle.store.live()}
            strays = [name for name in rooms if is_session_id(name) and name not in live]
            for name in strays[:MAX_ROOMS_A_RUN]:
                await self._rooms.delete(name)
                logger.warning("room without a session deleted", extra={"session_id": name})
        except OrchestratorError as error:
            logger.warning("rooms not cleaned up", extra={"error": str(error)})
