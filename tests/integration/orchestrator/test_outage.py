"""Processes that die under a running deployment, one of its own."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from agent.host_protocol import HostStatus, Prewarm
from tests.integration.orchestrator.conftest import until
from tests.integration.orchestrator.fake_host import FakeHost
from tests.integration.orchestrator.processes import Deployment, Running
from tests.integration.orchestrator.test_journey import start, state, until_status

REFUSED_S = 5.0
"""A client gives up after some ten seconds; refusing takes milliseconds on an idle machine."""


class Frail(Deployment):
    """A deployment whose parts a test may kill."""

    rooms: Running
    api: Running
    worker: Running


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frail]:
    deployment = Frail(tmp_path_factory.mktemp("f"), {"AGENT_LEASE_SECONDS": "4"})
    try:
        deployment.redis.start()
        deployment.rooms = deployment.start_rooms()
        deployment.api = deployment.start_api()
        deployment.worker = deployment.start_worker()
        yield deployment
    finally:
        deployment.close()


@pytest.fixture
async def client(frail: Frail) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=frail.url, timeout=10) as made:
        await until(lambda: _healthy(made), timeout_s=30)
        yield made


@pytest.fixture
async def frail_host(frail: Frail) -> AsyncIterator[FakeHost]:
    again = Retry(NoBackoff(), 3)  # for connections from before Redis was killed
    redis = Redis.from_url(frail.redis.url, decode_responses=True, retry=again)
    fake = FakeHost(frail.host_socket, redis, name=frail.host_name)
    await fake.start()
    yield fake
    await fake.stop()
    await redis.aclose()


async def _healthy(client: httpx.AsyncClient) -> bool:
    return (await client.get("/health")).status_code == 200


async def _unhealthy(client: httpx.AsyncClient) -> bool:
    return (await client.get("/health")).status_code == 503


@asynccontextmanager
async def _worker_kept(frail: Frail) -> AsyncIterator[None]:
    """As supervisord does it: kombu 5.7 ends a worker that had a task unacknowledged when Redis
    went, sooner or later, as it cannot restore it without a connection."""

    async def keep() -> None:
        while True:
            if not frail.worker.alive:
                frail.worker = await asyncio.to_thread(frail.start_worker)
            await asyncio.sleep(0.2)

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_redis_is_killed_and_comes_back(
    frail: Frail, client: httpx.AsyncClient, frail_host: FakeHost
) -> None:
    """Catches an API, a reader or a worker that needs a restart after an outage of Redis."""
    session_id = await start(client)
    await until_status(client, session_id, "ready")
    frail.redis.kill()
    began = time.monotonic()
    refused = await client.post("/api/session/start", json={})
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "redis_unavailable"
    assert time.monotonic() - began < REFUSED_S
    assert (await client.get(f"/api/session/{session_id}")).status_code == 503
    await until(lambda: _unhealthy(client))
    assert (await client.get("/livez")).status_code == 200

    await asyncio.to_thread(frail.redis.start)
    async with _worker_kept(frail):
        await until(lambda: _healthy(client), timeout_s=20)
        assert (await state(client, session_id))["status"] == "ready"
        await frail_host.exits(session_id, exit_code=1)
        await until_status(client, session_id, "ready", timeout_s=20)
        another = await start(client)
        await until_status(client, another, "ready", timeout_s=15)
        for each in (session_id, another):
            ended = await client.post("/api/session/end", json={"sessionId": each})
            assert ended.json()["message"] == "Session ended."


async def test_a_killed_worker_makes_health_fail_until_there_is_another(
    frail: Frail, client: httpx.AsyncClient, frail_host: FakeHost
) -> None:
    """Catches health that asks nobody, and a session lost with the worker."""
    frail.worker.kill()
    session_id = await start(client)
    await until(lambda: _unhealthy(client), timeout_s=15)
    frail.worker = await asyncio.to_thread(frail.start_worker)
    await until_status(client, session_id, "ready", timeout_s=20)
    await client.post("/api/session/end", json={"sessionId": session_id})


async def test_the_room_server_is_killed_and_comes_back(
    frail: Frail, client: httpx.AsyncClient, frail_host: FakeHost
) -> None:
    """Catches sessions started in rooms that nobody can join, and an end that waits for ever."""
    session_id = await start(client)
    await until_status(client, session_id, "ready")
    frail.rooms.kill()
    await until(lambda: _unhealthy(client))
    refused = await client.post("/api/session/start", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "livekit_unavailable")
    ended = await client.post("/api/session/end", json={"sessionId": session_id})
    assert ended.status_code == 503
    await until_status(client, session_id, "ended")
    frail.rooms = await asyncio.to_thread(frail.start_rooms)
    await until(lambda: _healthy(client), timeout_s=20)
    again = await client.post("/api/session/end", json={"sessionId": session_id})
    assert again.status_code == 200


async def test_the_api_is_killed_and_its_successor_goes_on(
    frail: Frail, client: httpx.AsyncClient, frail_host: FakeHost
) -> None:
    """Catches reports that were read and not applied when the reader died."""
    session_id = await start(client)
    await until_status(client, session_id, "ready")
    frail.api.kill()
    await frail_host.exits(session_id, exit_code=1)
    frail.api = await asyncio.to_thread(frail.start_api)
    state_then = await until_status(client, session_id, "ready", timeout_s=15)

    async def restarted() -> bool:
        return (await state(client, session_id))["restarts"] == 1

    assert state_then
    await until(restarted, timeout_s=15)
    await client.post("/api/session/end", json={"sessionId": session_id})


async def test_beat_finds_an_agent_that_is_gone_without_a_word(
    frail: Frail, client: httpx.AsyncClient, frail_host: FakeHost
) -> None:
    """Catches a session that stays `ready` for ever after its machine vanished."""
    session_id = await start(client)
    await until_status(client, session_id, "ready")
    beat = frail.start_beat()
    try:

        async def replaced() -> bool:
            return len(frail_host.jobs_of(session_id)) >= 2

        await until(replaced, timeout_s=30)
        await client.post("/api/session/end", json={"sessionId": session_id})
    finally:
        beat.stop()


async def test_beat_sizes_the_pool_by_what_came_at_once(
    frail: Frail, client: httpx.AsyncClient, frail_host: FakeHost
) -> None:
    """Catches a pool that stays small whatever is asked of it."""
    status = HostStatus(
        frail_host.name,
        (),
        idle=2,
        capacity=100,
        draining=False,
        burst=5,
        pool_size=2,
        pool_max=9,
    )
    await frail_host.tell(status)
    beat = frail.start_beat()
    try:

        async def sized() -> bool:
            return Prewarm(5) in frail_host.requests

        await until(sized, timeout_s=40)
    finally:
        beat.stop()


async def test_everything_stops_when_told_to(frail: Frail, client: httpx.AsyncClient) -> None:
    """Catches an API or a worker that has to be killed; the last test of this module."""
    # what `launch.plan` has supervisord wait before it kills
    assert await asyncio.to_thread(frail.api.stop) < 5
    assert await asyncio.to_thread(frail.worker.stop) < 10
    for name in ("api", "worker"):
        assert "Traceback" not in frail.log(name).rpartition("Shut")[2]
