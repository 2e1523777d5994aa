"""All rooms of the process, by name, and the clock they share."""

import asyncio
import itertools
import logging
import time
from collections.abc import Iterator

from livekit.protocol.models import DisconnectReason
from livekit.protocol.room import RoomConfiguration

from devroom.background import Background
from devroom.clock import Clock
from devroom.errors import LimitError, NotFoundError, RefusedError
from devroom.room import Room
from devroom.settings import Bounds, Timing
from devroom.webhooks import Notifier

_LOGGER = logging.getLogger(__name__)


class Rooms:
    """All rooms of the process, by name."""

    def __init__(
        self,
        bounds: Bounds,
        timing: Timing,
        notifier: Notifier,
        clock: Clock = time.monotonic,
    ) -> None:
        self._bounds = bounds
        self._timing = timing
        self._notifier = notifier
        self._clock = clock
        self._rooms: dict[str, Room] = {}
        self.background = Background()

    def __iter__(self) -> Iterator[Room]:
        return iter(tuple(self._rooms.values()))

    def find(self, name: str) -> Room | None:
        return self._rooms.get(name)

    def get(self, name: str) -> Room:
        """Raises NotFoundError."""
        room = self._rooms.get(name)
        if room is None:
            raise NotFoundError("requested room does not exist")
        return room

    def get_or_create(self, name: str, config: RoomConfiguration) -> Room:
        """The room of this name; `config` counts only if it does not exist yet.

        Raises LimitError, and RefusedError for a name or metadata that is too long.
        """
        room = self._rooms.get(name)
        if room is not None:
            return room
        if not name or len(name) > self._bounds.room_name_chars:
            raise RefusedError("room name length exceeds limits" if name else "no room name")
        if len(config.metadata.encode()) > self._bounds.metadata_bytes:
            raise RefusedError("metadata size exceeds limits")
        if len(self._rooms) >= self._bounds.rooms:
            raise LimitError("too many rooms")
        if config.agents:
            _LOGGER.warning("agent dispatch is not supported: no agent is sent to the room")
        room = Room(
            name,
            config,
            self._bounds,
            self._timing,
            self._notifier,
            self.background,
            self._clock,
        )
        self._rooms[name] = room
        self._notifier.room_started(room.snapshot())
        return room

    def close(self, room: Room, reason: DisconnectReason = DisconnectReason.ROOM_CLOSED) -> None:
        room.close(reason)
        self._rooms.pop(room.name, None)
        self._notifier.room_finished(room.snapshot())

    def tick(self, *, with_reports: bool = False) -> None:
        for room in self:
            try:
                room.tick()
                if room.is_over:
                    self.close(room)
                elif with_reports:
                    room.report()
            except Exception:  # one room's fault must not stop the clock of the others
                _LOGGER.exception("a tick failed")

    async def run(self) -> None:
        """Keeps the clock for all rooms, until cancelled; they report at every other tick."""
        for with_reports in itertools.cycle((False, True)):
            await asyncio.sleep(self._timing.tick_s)
            self.tick(with_reports=with_reports)

    async def shut_down(self) -> None:
        """Sends everyone away for good, as LiveKit does when it is made to stop."""
        for room in tuple(self._rooms.values()):
            self.close(room, DisconnectReason.SERVER_SHUTDOWN)
        await self.background.finish()
