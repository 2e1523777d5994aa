"""Workers say that they are alive; whoever asks reads what they said.

majlis:worker:<node>   JSON {"host", "at"}, gone WORKER_TTL_S after the last beat
majlis:workers         set of the nodes that ever beat, so that nobody needs to scan for them
"""

import json
import logging
import threading
import time

import redis
from redis.asyncio import Redis as AsyncRedis

WORKERS = "majlis:workers"
WORKER_TTL_S = 10
BEAT_S = 2.0

logger = logging.getLogger(__name__)


def worker_key(node: str) -> str:
    """Name of a worker's heartbeat in Redis."""
    return f"majlis:worker:{node}"


class Heartbeat(threading.Thread):
    """Beats for one worker from its main process until stopped, whatever happens to Redis."""

    def __init__(self, redis_url: str, *, node: str, host: str) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
        self._node = node
        self._host = host
        self._stopped = threading.Event()

    def run(self) -> None:
        """Beat."""
        well = True
        while not self._stopped.is_set():
            try:
                self._beat()
                well = True
            except redis.RedisError as error:
                if well:
                    logger.warning("heartbeat failed", extra={"error": type(error).__name__})
                well = False
            self._stopped.wait(BEAT_S)

    def stop(self) -> None:
        """Stop, and say that this worker is gone."""
        self._stopped.set()
        try:
            self._redis.delete(worker_key(self._node))
            self._redis.srem(WORKERS, self._node)
        except redis.RedisError:
            logger.info("heartbeat left to expire")
        self._redis.close()

    def _beat(self) -> None:
        value = json.dumps({"host": self._host, "at": time.time()})
        with self._redis.pipeline() as pipeline:
            pipeline.set(worker_key(self._node), value, ex=WORKER_TTL_S)
            pipeline.sadd(WORKERS, self._node)
            pipeline.execute()


async def living_workers(client: AsyncRedis) -> int:
    """How many workers have beaten lately. Raises `redis.exceptions.RedisError`."""
    nodes = [str(node) for node in await client.smembers(WORKERS)]
    if not nodes:
        return 0
    beats = await client.mget([worker_key(node) for node in nodes])
    dead = [node for node, beat in zip(nodes, beats, strict=True) if beat is None]
    if dead:
        await client.srem(WORKERS, *dead)
    return len(nodes) - len(dead)
