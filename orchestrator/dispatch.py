"""Queues tasks by their names, without importing them; and what both ends agree on."""

import asyncio
import contextlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

from celery import Celery
from celery.exceptions import CeleryError
from kombu import Exchange, Queue
from kombu.exceptions import KombuError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.errors import DispatchFailed, StoreUnavailable
from orchestrator.settings import Settings

SPAWN = "spawn_voice_agent"
END = "end_voice_agent"
HEALTH = "health_check_agents"
CLEANUP = "cleanup_stale_agents"
PREWARM = "prewarm_agent_pool"
SERVE = "serve_agent_host"

DEFAULT_QUEUE = "celery"
SPAWN_QUEUE = "spawn"
"""Sessions that wait for an agent: only a worker whose machine has room takes from it."""
TASK_TIME_LIMIT_S = 12
VISIBILITY_TIMEOUT_S = 15
"""After which time an unacknowledged task is given to another worker: longer than any task."""
END_EXPIRES_S = 60
PREWARM_EVERY_S = 10.0
PUBLISH_THREADS = 4
"""Each has a connection of its own, which stays open."""


def host_queue(host: str) -> str:
    """Queue of the tasks that only the workers on this machine can do."""
    return f"host.{host}"


def queue(name: str) -> Queue:
    """A queue, bound in the one way that publishers and workers must agree on."""
    return Queue(name, Exchange(name, type="direct"), routing_key=name)


def make_celery(settings: Settings) -> Celery:
    """The Celery application: for sending alone, or for the tasks that are then added to it."""
    app = Celery("majlis", set_as_current=False)
    app.conf.update(
        broker_url=broker_url(settings.redis_url.get_secret_value()),
        broker_pool_limit=PUBLISH_THREADS,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_TIMEOUT_S,
            "unacked_restore_interval": 2,
            "unacked_restore_throttle": 1,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "health_check_interval": 10,
        },
        task_default_queue=DEFAULT_QUEUE,
        task_queues=[queue(DEFAULT_QUEUE), queue(SPAWN_QUEUE)],
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_time_limit=TASK_TIME_LIMIT_S,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_enable_remote_control=False,
    )
    return app


def broker_url(redis_url: str) -> str:
    """The same Redis in kombu's words, which call a unix socket `redis+socket`."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    return f"redis+socket://{user}{parts.path}?virtual_host={database}"


class Waiting:
    """Counts the sessions that wait in Redis for a machine with room for their agent."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def count(self) -> int:
        """How many tasks nobody has taken yet. Raises `StoreUnavailable`."""
        try:
            return int(await self._redis.llen(SPAWN_QUEUE))
        except RedisError as error:
            raise StoreUnavailable from error


class Dispatch:
    """Queues tasks from an event loop: publishing blocks, so it happens in a thread."""

    def __init__(
        self,
        app: Celery,
        *,
        spawn_within_s: float,
        timeout_s: float = 3.0,
        threads: int = PUBLISH_THREADS,
    ) -> None:
        """`spawn_within_s`: after that time nobody waits for the agent any more."""
        self._app = app
        self._spawn_within_s = spawn_within_s
        self._timeout_s = timeout_s
        self._at_once = threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="publish")

    async def spawn(self, session_id: str) -> None:
        """Queue the placing of an agent, on whichever machine. Raises `DispatchFailed`."""
        await self._send(SPAWN, [session_id], SPAWN_QUEUE, self._spawn_within_s)

    async def end(self, session_id: str, host: str, fence: int | None = None) -> None:
        """Queue the ending of the agent on its host. Raises `DispatchFailed`.

        With a fence: of an agent that is stale, whatever becomes of its session.
        """
        arguments = [session_id] if fence is None else [session_id, fence]
        await self._send(END, arguments, host_queue(host), END_EXPIRES_S)

    async def serve(self, host: str, *, serving: bool) -> None:
        """Queue that a host takes jobs from now on, or no more. Raises `DispatchFailed`."""
        await self._send(SERVE, [serving], host_queue(host), END_EXPIRES_S)

    async def prewarm(self, host: str, size: int) -> None:
        """Queue that a host keeps so many idle agents. Raises `DispatchFailed`."""
        await self._send(PREWARM, [size], host_queue(host), PREWARM_EVERY_S)

    async def connect(self) -> None:
        """Open every connection ahead of the first session; one that fails is opened later."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, RedisError, KombuError):
            await loop.run_in_executor(self._threads, self._connect)

    def close(self) -> None:
        """Stop the threads; what they are at is finished."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._app.close()

    async def _send(
        self, task: str, arguments: Sequence[object], queue_name: str, expires_s: float
    ) -> None:
        loop = asyncio.get_running_loop()
        publishing = loop.run_in_executor(
            self._threads, self._publish, task, arguments, queue_name, expires_s
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await publishing
        except (TimeoutError, OSError, RedisError, KombuError, CeleryError) as error:
            raise DispatchFailed from error

    def _connect(self) -> None:
        with contextlib.ExitStack() as held:
            for _ in range(self._at_once):
                producer = held.enter_context(self._app.producer_or_acquire())
                producer.connection.ensure_connection(max_retries=1, interval_start=0)
                _ = producer.channel

    def _publish(
        self, task: str, arguments: Sequence[object], queue_name: str, expires_s: float
    ) -> None:
        self._app.send_task(
            task,
            args=arguments,
            queue=queue_name,
            expires=expires_s,
            # One more attempt, as a pooled connection may be from before a restart of Redis.
            retry=True,
            retry_policy={"max_retries": 1, "interval_start": 0},
        )
