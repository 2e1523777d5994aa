"""How long an agent may go on: as long as it holds its session's lease, and a while longer."""

import asyncio
import enum
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from redis.exceptions import RedisError

from agent.lease import Pulse

OUTAGE_GRACE_S = 120.0
"""How long an agent goes on when it cannot renew its lease any more.

While Redis is away nobody can take the lease from it, and one that is cut off from Redis alone is
thrown out of the room when a successor joins. So leaving early would only lose calls; but an agent
that cannot report for minutes is out of everybody's sight, and leaves.
"""
CHECK_TIMEOUT_S = 1.0

_log = logging.getLogger(__name__)


class Lease(Protocol):
    """The lease on one session, as `agent.lease.Leases` keeps it. Raises `RedisError`, OSError."""

    async def renew(self, session_id: str, fence: int, pulse: Pulse) -> bool: ...

    async def regain(self, session_id: str, fence: int, host: str) -> bool: ...


class TenureEnd(enum.Enum):
    """Why an agent may not go on."""

    LOST = enum.auto()
    """Another agent has the session, or nobody any more."""
    OUT_OF_SIGHT = enum.auto()
    """Redis cannot be reached for too long."""


class Tenure:
    """One agent's hold on its session."""

    def __init__(
        self,
        lease: Lease,
        *,
        session_id: str,
        fence: int,
        host: str,
        ttl_s: float,
        pulse: Callable[[], Pulse],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._lease = lease
        self._session_id = session_id
        self._fence = fence
        self._host = host
        self._ttl_s = ttl_s
        self._pulse = pulse
        self._clock = clock
        self._sleep = sleep
        self._renewed_at = clock()

    async def is_lost(self) -> bool:
        """Whether somebody has taken over before the agent has even joined its room."""
        return await self._renew(CHECK_TIMEOUT_S) is False

    async def keep(self) -> TenureEnd:
        """Renew the lease for as long as that works, and say why it does not any more."""
        while True:
            await self._sleep(self._ttl_s / 3)
            if await self._renew(self._ttl_s / 3) is False:
                return TenureEnd.LOST
            if self._clock() - self._renewed_at > self._ttl_s + OUTAGE_GRACE_S:
                return TenureEnd.OUT_OF_SIGHT

    async def _renew(self, timeout_s: float) -> bool | None:
        """None: Redis cannot be reached."""
        ran_out = self._clock() - self._renewed_at >= self._ttl_s
        try:
            async with asyncio.timeout(timeout_s):
                # one that ran out while Redis was away is ours still, unless somebody took it
                if ran_out:
                    held = await self._lease.regain(self._session_id, self._fence, self._host)
                else:
                    pulse = self._pulse()
                    held = await self._lease.renew(self._session_id, self._fence, pulse)
        except (RedisError, OSError, TimeoutError) as error:
            _log.warning("lease not renewed", extra={"error": type(error).__name__})
            return None
        if held:
            self._renewed_at = self._clock()
        return held
