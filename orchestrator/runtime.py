"""What the tasks of one worker process share: an event loop and clients, for its whole life."""

import asyncio
import time
from collections.abc import Coroutine

from agent.lease import Leases
from orchestrator.agent_host import AgentHostClient
from orchestrator.deployment import Deployment
from orchestrator.dispatch import TASK_TIME_LIMIT_S, Dispatch, Waiting, make_celery
from orchestrator.hosts import Hosts
from orchestrator.placement import Placement
from orchestrator.policy import make_policy
from orchestrator.redis_client import make_redis
from orchestrator.rooms import RoomServer
from orchestrator.sessions.lifecycle import Lifecycle
from orchestrator.sessions.redis_store import RedisSessionStore
from orchestrator.settings import Settings, host_name
from orchestrator.upkeep import Upkeep

WORK_TIME_LIMIT_S = TASK_TIME_LIMIT_S - 2


class TaskRuntime:
    """Make it in the process that runs the tasks: it does not survive a fork."""

    def __init__(self, settings: Settings) -> None:
        self._runner = asyncio.Runner()
        self._lifecycle, self.placement, self.upkeep = self._runner.run(_build(settings))

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Do the work and all that follows from it, in bounded time."""
        self._runner.run(self._bounded(work))

    async def _bounded(self, work: Coroutine[None, None, None]) -> None:
        async with asyncio.timeout(WORK_TIME_LIMIT_S):
            await work
            await self._lifecycle.finish_actions()


async def _build(settings: Settings) -> tuple[Lifecycle, Placement, Upkeep]:
    redis = make_redis(settings)
    store = RedisSessionStore(redis, record_ttl_s=settings.record_ttl_seconds)
    leases = Leases(redis, ttl_s=settings.agent_lease_seconds)
    rooms = RoomServer(settings)
    # a worker process is at one task at a time
    tasks = Dispatch(
        make_celery(settings), spawn_within_s=settings.spawn_timeout_seconds, threads=1
    )
    lifecycle = Lifecycle(store, rooms, tasks, leases, make_policy(settings), clock=time.time)
    host = AgentHostClient(settings.agent_host_socket)
    placement = Placement(lifecycle, leases, host, tasks, host_name=host_name(settings))
    upkeep = Upkeep(
        lifecycle, leases, rooms, Hosts(redis), tasks, Waiting(redis), Deployment(redis)
    )
    return lifecycle, placement, upkeep
