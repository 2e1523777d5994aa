"""The lease that lets one agent, and one only, run a session.

It is a Redis hash `{fence, host, pulse}` with a time to live. The fence is drawn from one counter
that runs ahead of the clock, so a later holder's is always larger, and whoever holds a smaller one
finds out at its next renewal, which is the agent's heartbeat too. Every process of the deployment
goes through these scripts; each is atomic.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter
from redis.asyncio import Redis

from agent.job import AgentState

_FENCE_COUNTER = "majlis:fence"

_TAKE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local fence = redis.call('INCR', KEYS[2])
-- a Redis that lost its last second would draw the fences of that second again
local now = redis.call('TIME')
local least = tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)
if fence < least then
    fence = least
    redis.call('SET', KEYS[2], string.format('%.0f', fence))
end
redis.call('HSET', KEYS[1], 'fence', string.format('%.0f', fence), 'host', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return fence
"""

_RENEW = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'pulse', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""

_REGAIN = """
local holder = redis.call('HGET', KEYS[1], 'fence')
if holder and holder ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], 'host', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
"""

_RELEASE = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


@dataclass(frozen=True, slots=True)
class Pulse:
    """How an agent is, as it says with each renewal."""

    state: AgentState
    cpu: float
    """Share of one processor that it used since it said so last."""
    memory_mib: float
    """Resident, what it shares with its host included."""
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who runs a session at present."""

    fence: int
    host: str
    pulse: Pulse | None = None
    """None: it has not renewed the lease yet."""


PULSE_CODEC: TypeAdapter[Pulse] = TypeAdapter(Pulse)


class Leases:
    """Leases on sessions, kept in Redis. Raises `redis.exceptions.RedisError` when it is away."""

    def __init__(self, redis: Redis, *, ttl_s: float) -> None:
        self._redis = redis
        self._ttl_ms = int(ttl_s * 1000)
        self._take = redis.register_script(_TAKE)
        self._renew = redis.register_script(_RENEW)
        self._regain = redis.register_script(_REGAIN)
        self._release = redis.register_script(_RELEASE)

    @staticmethod
    def key(session_id: str) -> str:
        """Name of the lease in Redis."""
        return f"majlis:lease:{session_id}"

    async def take(self, session_id: str, host: str) -> int | None:
        """Take the lease for an agent on `host`: its fence, or None while somebody holds it."""
        fence = await self._take(
            keys=[self.key(session_id), _FENCE_COUNTER], args=[host, self._ttl_ms]
        )
        return int(fence) or None

    async def renew(self, session_id: str, fence: int, pulse: Pulse) -> bool:
        """Hold it for another time to live. False: it is no longer ours, so leave."""
        args: list[int | bytes] = [fence, self._ttl_ms, PULSE_CODEC.dump_json(pulse)]
        renewed = await self._renew(keys=[self.key(session_id)], args=args)
        return bool(renewed)

    async def regain(self, session_id: str, fence: int, host: str) -> bool:
        """Hold it again after Redis was away for longer than it lives. False: somebody took it.

        Only for a holder that could not reach Redis: to the others a lease that is gone is lost.
        """
        regained = await self._regain(keys=[self.key(session_id)], args=[fence, self._ttl_ms, host])
        return bool(regained)

    async def release(self, session_id: str, fence: int) -> bool:
        """Give it back. False: it was not ours (any more)."""
        return bool(await self._release(keys=[self.key(session_id)], args=[fence]))

    async def holder(self, session_id: str) -> Holder | None:
        """Who holds it, if anybody."""
        return (await self.holders([session_id]))[0]

    async def holders(self, session_ids: Sequence[str]) -> list[Holder | None]:
        """Who holds each of these, in their order."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            for session_id in session_ids:
                pipeline.hmget(self.key(session_id), "fence", "host", "pulse")
            rows = await pipeline.execute()
        return [_holder(*row) for row in rows]

    async def redis_up_s(self) -> float:
        """For how long Redis has been up. After an outage, leases are taken up again in time."""
        return float((await self._redis.info("server"))["uptime_in_seconds"])


def _holder(fence: str | None, host: str | None, pulse: str | None) -> Holder | None:
    if fence is None or host is None:
        return None
    told = None if pulse is None else PULSE_CODEC.validate_json(pulse)
    return Holder(fence=int(fence), host=host, pulse=told)
