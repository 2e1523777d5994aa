"""What Redis keeps of agents and hosts: leases, heartbeats, statuses, whose the rooms are."""

import time

from redis.asyncio import Redis

from agent.host_protocol import HOSTS_KEY, REPLY_CODEC, HostStatus, status_key
from agent.job import AgentState
from agent.lease import Leases, Pulse
from orchestrator.deployment import Deployment
from orchestrator.dispatch import Waiting
from orchestrator.hosts import Hosts
from tests.integration.orchestrator.conftest import until

PULSE = Pulse(AgentState.SPEAKING, cpu=0.25, memory_mib=97.5, at=1_000.0)


async def test_a_lease_from_taking_to_releasing(redis: Redis) -> None:
    """Catches two holders, a holder that nobody can see, and a heartbeat that is lost."""
    leases = Leases(redis, ttl_s=30)
    fence = await leases.take("a", "machine")
    assert fence is not None
    assert await leases.take("a", "other") is None
    (held, free) = await leases.holders(["a", "b"])
    assert held is not None
    assert (held.fence, held.host, held.pulse, free) == (fence, "machine", None, None)
    assert await leases.renew("a", fence, PULSE)
    assert not await leases.renew("a", fence - 1, PULSE)
    held = await leases.holder("a")
    assert held is not None
    assert held.pulse == PULSE
    assert await leases.release("a", fence)
    assert not await leases.renew("a", fence, PULSE)


async def test_fences_grow_even_if_redis_forgets(redis: Redis) -> None:
    """Catches a fence that two agents have, as Redis came back without its last second."""
    leases = Leases(redis, ttl_s=30)
    began_ms = int(time.time() * 1000)
    fences = [await leases.take(f"s{n}", "machine") or 0 for n in range(20)]
    assert fences == sorted(set(fences))
    assert fences[0] >= began_ms
    await redis.flushdb()

    async def time_has_passed_them() -> bool:
        return time.time() * 1000 > fences[-1] + 1

    await until(time_has_passed_them)
    again = await leases.take("s", "machine")
    assert again is not None
    assert again > fences[-1]


async def test_how_long_redis_is_up(redis: Redis) -> None:
    """Catches leases taken for lost right after an outage."""
    assert 0 <= await Leases(redis, ttl_s=30).redis_up_s() < 3600


async def test_the_hosts_that_were_heard_of_lately(redis: Redis) -> None:
    """Catches a host that is gone and still counted, and a status that breaks the reading."""
    hosts = Hosts(redis)
    assert await hosts.all() == {}
    here = HostStatus("here", (), idle=2, capacity=9, draining=False, at=5.0, free=9)
    await redis.set(status_key("here"), REPLY_CODEC.dump_json(here))
    await redis.set(status_key("odd"), "{")
    await redis.sadd(HOSTS_KEY, "here", "gone", "odd")
    assert await hosts.all() == {"here": here}
    assert await redis.smembers(HOSTS_KEY) == {"here", "odd"}


async def test_a_deployment_has_one_name(redis: Redis) -> None:
    """Catches two processes that take each other's rooms for strangers'."""
    first = await Deployment(redis).name()
    assert first
    assert await Deployment(redis).name() == first


async def test_nobody_waits(redis: Redis) -> None:
    """Catches a queue of another name."""
    assert await Waiting(redis).count() == 0
    await redis.lpush("spawn", "a task")
    assert await Waiting(redis).count() == 1
