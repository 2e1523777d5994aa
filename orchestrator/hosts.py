"""The agent hosts of the deployment, as they tell of themselves in Redis every second."""

import logging

from pydantic import ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agent.host_protocol import HOSTS_KEY, REPLY_CODEC, HostStatus, status_key
from orchestrator.errors import StoreUnavailable

logger = logging.getLogger(__name__)


class Hosts:
    """Reads what the hosts told last. `redis` must decode responses."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def all(self) -> dict[str, HostStatus]:
        """The hosts that were heard of within `STATUS_TTL_S`, by name. Raises `StoreUnavailable`.

        One that is not among them may still have agents that talk.
        """
        try:
            names = sorted(str(name) for name in await self._redis.smembers(HOSTS_KEY))
            if not names:
                return {}
            told = await self._redis.mget([status_key(name) for name in names])
            silent = [name for name, status in zip(names, told, strict=True) if status is None]
            if silent:
                await self._redis.srem(HOSTS_KEY, *silent)
        except RedisError as error:
            raise StoreUnavailable from error
        statuses = [_status(str(status)) for status in told if status is not None]
        return {status.name: status for status in statuses if status is not None}


def wanted_pool(status: HostStatus) -> int:
    """How many idle agents a host should keep: as many as came at once lately, within bounds."""
    return min(max(status.pool_size, status.burst), max(status.pool_size, status.pool_max))


def _status(text: str) -> HostStatus | None:
    try:
        reply = REPLY_CODEC.validate_json(text)
    except ValidationError:
        logger.warning("a host's status could not be read")
        return None
    return reply if isinstance(reply, HostStatus) else None
