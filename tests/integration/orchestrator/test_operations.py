"""What operators see of the machines and tell them, and who may."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from agent.host_protocol import HOSTS_KEY, REPLY_CODEC, HostStatus, RunningAgent, status_key
from agent.job import AgentState
from agent.lease import Leases, Pulse
from tests.integration.orchestrator.application import running, settings_for
from tests.integration.orchestrator.processes import RedisServer

KEY = {"X-API-Key": "an-operators-key"}
SESSION = "session_1730462400000_abc123xyz"


@pytest.fixture
async def operator(
    redis_server: RedisServer, redis: Redis, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    settings = settings_for(redis_server.url, tmp_path, operator_keys="an-operators-key")
    async with running(settings) as client:
        yield client


async def tell(redis: Redis, name: str, *agents: RunningAgent) -> None:
    status = HostStatus(name, agents, idle=2, capacity=9, draining=False, at=time.time(), free=8)
    await redis.set(status_key(name), REPLY_CODEC.dump_json(status))
    await redis.sadd(HOSTS_KEY, name)


async def test_the_machines_and_their_agents(operator: httpx.AsyncClient, redis: Redis) -> None:
    """Catches an operator who cannot see what runs where, and how it is."""
    leases = Leases(redis, ttl_s=30)
    fence = await leases.take(SESSION, "machine-a")
    assert fence is not None
    await leases.renew(SESSION, fence, Pulse(AgentState.SPEAKING, 0.25, 97.5, time.time()))
    silent = RunningAgent("session_1730462400000_silent000", 1, 7, 0.0)
    await tell(redis, "machine-a", RunningAgent(SESSION, fence, 6, 0.0), silent)
    answer = await operator.get("/api/operations/hosts", headers=KEY)
    assert answer.status_code == 200, answer.text
    (host,) = answer.json()["hosts"]
    assert (host["name"], host["free"], host["idle"], host["draining"]) == (
        "machine-a",
        8,
        2,
        False,
    )
    first, second = host["agents"]
    assert (first["sessionId"], first["state"], first["cpu"], first["memoryMib"]) == (
        *(SESSION, "speaking"),
        *(0.25, 97.5),
    )
    assert (second["pid"], second["state"], second["cpu"]) == (7, None, None)


@pytest.mark.parametrize(("path", "serving"), [("drain", False), ("resume", True)])
async def test_a_machine_is_told(
    operator: httpx.AsyncClient, redis: Redis, path: str, serving: bool
) -> None:
    """Catches a machine that is told by nobody, or another one that is."""
    await tell(redis, "machine-a")
    alone = await operator.post(f"/api/operations/{path}", headers=KEY)
    assert (alone.status_code, alone.json()["host"]) == (200, "machine-a")
    await tell(redis, "machine-b")
    which = await operator.post(f"/api/operations/{path}", headers=KEY)
    assert which.status_code == 422
    assert "machine-a, machine-b" in which.json()["error"]["message"]
    named = await operator.post(f"/api/operations/{path}", headers=KEY, json={"host": "machine-b"})
    assert named.json()["host"] == "machine-b"
    unknown = await operator.post(f"/api/operations/{path}", headers=KEY, json={"host": "x"})
    assert unknown.status_code == 422
    for name in ("machine-a", "machine-b"):
        (task,) = await redis.lrange(f"host.{name}", 0, -1)
        message = json.loads(task)
        assert message["headers"]["task"] == "serve_agent_host"
        assert message["headers"]["argsrepr"] == f"[{serving}]"


@pytest.mark.parametrize("path", ["hosts", "drain", "resume"])
async def test_only_operators_may(
    operator: httpx.AsyncClient,
    redis_server: RedisServer,
    redis: Redis,
    tmp_path: Path,
    path: str,
) -> None:
    """Catches a machine that anybody who reaches the port can take out of service."""
    await tell(redis, "machine-a")

    async def ask(client: httpx.AsyncClient, headers: dict[str, str]) -> int:
        method = "GET" if path == "hosts" else "POST"
        answer = await client.request(method, f"/api/operations/{path}", headers=headers)
        return answer.status_code

    assert await ask(operator, {}) == 401
    assert await ask(operator, {"X-API-Key": "a-callers-key"}) == 403
    settings = settings_for(redis_server.url, tmp_path, api_keys="a-callers-key")
    async with running(settings) as without_operators:
        assert await ask(without_operators, {"X-API-Key": ""}) == 403
        assert await ask(without_operators, {"X-API-Key": "a-callers-key"}) == 403
    assert await redis.llen("host.machine-a") == 0
