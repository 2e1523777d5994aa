"""One deployment of real processes for the whole run, and what a test needs of it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from orchestrator.sessions.books import BOOKS
from tests.integration.orchestrator.fake_host import FakeHost
from tests.integration.orchestrator.processes import Deployment, RedisServer

Until = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis for tests that need nothing else; each cleans its database."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def redis(redis_server: RedisServer) -> AsyncIterator[Redis]:
    """An empty database, whose books are right."""
    client = Redis.from_url(redis_server.url, decode_responses=True)
    await client.flushdb()
    await client.set(BOOKS, (await client.info("server"))["run_id"])
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """API, Celery worker, Redis and devroom as processes; no agent host."""
    folder = short_folder(tmp_path_factory)
    running = Deployment(folder, {"SPAWN_TIMEOUT_SECONDS": "8"})
    try:
        running.redis.start()
        running.start_rooms()
        running.start_api()
        running.start_worker()
        yield running
    finally:
        running.close()


def short_folder(factory: pytest.TempPathFactory) -> Path:
    """A folder whose path is short enough for a unix socket."""
    return factory.mktemp("d")


@pytest.fixture
async def deployed_redis(deployment: Deployment) -> AsyncIterator[Redis]:
    """The Redis of the deployment."""
    client = Redis.from_url(deployment.redis.url, decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
async def api(deployment: Deployment) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the deployment, which is well."""
    async with httpx.AsyncClient(base_url=deployment.url, timeout=10) as client:
        await until(lambda: _is_well(client))
        yield client


@pytest.fixture
async def host(deployment: Deployment, deployed_redis: Redis) -> AsyncIterator[FakeHost]:
    """The machine's agent host."""
    fake = FakeHost(deployment.host_socket, deployed_redis, name=deployment.host_name)
    await fake.start()
    yield fake
    await fake.stop()


async def until(look: Callable[[], Awaitable[Any]], *, timeout_s: float = 10.0) -> Any:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + timeout_s
    while not (found := await look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{look} found nothing in {timeout_s} s")
        await asyncio.sleep(0.02)
    return found


async def _is_well(client: httpx.AsyncClient) -> bool:
    return (await client.get("/health")).status_code == 200
