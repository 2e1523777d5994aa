"""Redis clients with our timeouts. Making one does not connect."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from orchestrator.settings import Settings

MAX_CONNECTIONS = 200


def make_redis(settings: Settings, *, timeout_s: float = 2.0) -> Redis:
    """A client that decodes answers, and tries a second time only where that is at once.

    The second attempt is for a pooled connection from before a restart of Redis.
    """
    return Redis.from_url(
        settings.redis_url.get_secret_value(),
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        max_connections=MAX_CONNECTIONS,
        retry=Retry(NoBackoff(), 1),
    )
