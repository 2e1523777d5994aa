"""How often one client address may do something in a minute, counted in Redis."""

from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.errors import RateLimited, StoreUnavailable

WINDOW_S = 60

_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count
"""


class RateLimit:
    """A fixed window a minute. `clock` tells Unix seconds."""

    def __init__(
        self, redis: Redis, *, what: str, per_minute: int, clock: Callable[[], float]
    ) -> None:
        """`what` is counted, in the plural: `starts`."""
        self._what = what
        self._per_minute = per_minute
        self._clock = clock
        self._count = redis.register_script(_COUNT)

    async def count(self, address: str) -> None:
        """Count one. Raises `RateLimited`, `StoreUnavailable`."""
        now = self._clock()
        window = int(now // WINDOW_S)
        key = f"majlis:{self._what}:{address}:{window}"
        try:
            count = int(await self._count(keys=[key], args=[WINDOW_S]))
        except RedisError as error:
            raise StoreUnavailable from error
        if count > self._per_minute:
            wait_s = int((window + 1) * WINDOW_S - now) + 1
            raise RateLimited(f"Too many {self._what} in a minute.", retry_after_s=wait_s)
