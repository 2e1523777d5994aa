"""The name of this deployment: all that shares one Redis.

Other deployments may use the same room server. Rooms carry the name in their metadata
(`agent.room_configuration`), so that nobody cleans up rooms of another.
"""

import secrets

from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.errors import StoreUnavailable

KEY = "majlis:deployment"
_RANDOM_BYTES = 9


class Deployment:
    """Tells the name, which whoever needs it first chooses. `redis` must decode responses."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def name(self) -> str:
        """The same for everybody on this Redis, as long as it keeps its data.

        Raises `StoreUnavailable`.
        """
        try:
            if (name := await self._redis.get(KEY)) is not None:
                return str(name)
            await self._redis.set(KEY, secrets.token_urlsafe(_RANDOM_BYTES), nx=True)
            return str(await self._redis.get(KEY))
        except RedisError as error:
            raise StoreUnavailable from error
