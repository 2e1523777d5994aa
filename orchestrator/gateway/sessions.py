"""Sessions of the WebSocket doors: their slots, and the history that a later connection takes up.

    majlis:doors        sorted set of connected sessions, by the time when each loses its slot
    majlis:door:<id>    hash {fence, history}; stays for the resume window once nobody is connected
    majlis:doors:tallies    hash of what each process is doing, for `/stats`

Whoever takes a session up gets a higher fence than all before; a connection that was left behind
finds out when it renews its slot or keeps its history. A process that dies gives its slots back by
not renewing them.
"""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import TypeAdapter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agent.job import TURNS_CODEC, Turn
from orchestrator.errors import CapacityFull, StoreUnavailable
from orchestrator.sessions.redis_store import CAPACITY_RETRY_S, DOORS, SLOTS

SLOT_S = 20.0
"""A slot that has not been renewed for so long is free."""

TALLIES = "majlis:doors:tallies"
TALLY_S = 15.0
"""What a process has told is true for so long."""

_FULL = "All capacity is in use."


@dataclass(frozen=True, slots=True)
class Tenancy:
    """One connection's hold of a session."""

    session_id: str
    fence: int
    history: tuple[Turn, ...]
    resumed: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """What the doors of one process are doing, or of several together."""

    sessions: int = 0
    turns: int = 0
    activities: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: "Tally") -> "Tally":
        both = Counter(self.activities)
        both.update(other.activities)
        return Tally(self.sessions + other.sessions, self.turns + other.turns, both)


class DoorSessions(Protocol):
    """Keeps the doors' sessions. Raises `StoreUnavailable` when it cannot be reached."""

    async def open(self, session_id: str, *, known_only: bool) -> Tenancy | None:
        """Take a slot and the session. Raises `CapacityFull`.

        `known_only`: only if it is still kept; else None.
        """

    async def keep(self, tenancy: Tenancy, history: tuple[Turn, ...]) -> bool:
        """Keep the history; False: somebody else has taken the session up."""

    async def renew(self, tenancies: list[Tenancy]) -> list[Tenancy]:
        """Keep the slots; returns those whose session somebody else has taken up."""

    async def close(self, tenancy: Tenancy) -> None:
        """Give the slot back; what is kept can be taken up for the resume window."""

    async def count(self) -> int:
        """How many slots the doors hold."""

    async def publish(self, process: str, tally: Tally) -> None:
        """Tell the other processes of the deployment what this one is doing."""

    async def others(self, process: str) -> list[Tally]:
        """What the other processes have told lately."""


_OPEN = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
if ARGV[6] == '1' and redis.call('EXISTS', KEYS[3]) == 0 then return {-1} end
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
    if redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[4]) then
        return {-2}
    end
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
local fence = redis.call('HINCRBY', KEYS[3], 'fence', 1)
redis.call('EXPIRE', KEYS[3], ARGV[5])
return {fence, redis.call('HGET', KEYS[3], 'history') or '[]'}
"""

_KEEP = """
if redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'history', ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""

_RENEW = """
if redis.call('HGET', KEYS[2], 'fence') ~= ARGV[1] then
    if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
    redis.call('HSET', KEYS[2], 'fence', ARGV[1])
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 1
"""

_CLOSE = """
if redis.call('HGET', KEYS[2], 'fence') ~= ARGV[1] then return 0 end
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
"""


class RedisDoorSessions:
    """`DoorSessions` shared by every process of the deployment. `redis` must decode responses."""

    def __init__(
        self,
        redis: Redis,
        *,
        limit: int,
        resume_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._limit = limit
        self._resume_s = max(1, round(resume_s))
        self._clock = clock
        self._open = redis.register_script(_OPEN)
        self._keep = redis.register_script(_KEEP)
        self._renew = redis.register_script(_RENEW)
        self._close = redis.register_script(_CLOSE)

    @staticmethod
    def key(session_id: str) -> str:
        """Name of the record in Redis."""
        return f"majlis:door:{session_id}"

    async def open(self, session_id: str, *, known_only: bool) -> Tenancy | None:
        now = self._clock()
        async with _translated():
            fence, *rest = await self._open(
                keys=[DOORS, SLOTS, self.key(session_id)],
                args=[
                    *(session_id, now, now + SLOT_S, self._limit),
                    *(self._kept_s, int(known_only)),
                ],
            )
        if int(fence) == -1:
            return None
        if int(fence) == -2:
            raise CapacityFull(_FULL, retry_after_s=CAPACITY_RETRY_S)
        history = TURNS_CODEC.validate_json(rest[0])
        return Tenancy(session_id, int(fence), history, resumed=known_only)

    async def keep(self, tenancy: Tenancy, history: tuple[Turn, ...]) -> bool:
        async with _translated():
            kept = await self._keep(
                keys=[self.key(tenancy.session_id)],
                args=[tenancy.fence, TURNS_CODEC.dump_json(history), self._kept_s],
            )
        return bool(kept)

    async def renew(self, tenancies: list[Tenancy]) -> list[Tenancy]:
        until = self._clock() + SLOT_S
        lost: list[Tenancy] = []
        async with _translated():
            for tenancy in tenancies:
                renewed = await self._renew(
                    keys=[DOORS, self.key(tenancy.session_id)],
                    args=[tenancy.fence, tenancy.session_id, until, self._kept_s],
                )
                if not renewed:
                    lost.append(tenancy)
        return lost

    async def close(self, tenancy: Tenancy) -> None:
        async with _translated():
            await self._close(
                keys=[DOORS, self.key(tenancy.session_id)],
                args=[tenancy.fence, tenancy.session_id, self._resume_s],
            )

    async def count(self) -> int:
        async with _translated():
            return int(await self._redis.zcount(DOORS, self._clock(), "+inf"))

    async def publish(self, process: str, tally: Tally) -> None:
        told = _TALLY_CODEC.dump_json(_Told(self._clock(), tally))
        async with _translated(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hset(TALLIES, process, told.decode())
            pipeline.expire(TALLIES, round(TALLY_S))
            await pipeline.execute()

    async def others(self, process: str) -> list[Tally]:
        oldest = self._clock() - TALLY_S
        async with _translated():
            told = await self._redis.hgetall(TALLIES)
            tallies = {name: _TALLY_CODEC.validate_json(text) for name, text in told.items()}
            if gone := [name for name, each in tallies.items() if each.at < oldest]:
                await self._redis.hdel(TALLIES, *gone)
        return [
            each.tally for name, each in tallies.items() if name not in gone and name != process
        ]

    @property
    def _kept_s(self) -> int:
        """While it is connected, a record outlives its slot by the resume window."""
        return self._resume_s + round(SLOT_S)


@dataclass(frozen=True, slots=True)
class _Told:
    at: float
    tally: Tally


_TALLY_CODEC: TypeAdapter[_Told] = TypeAdapter(_Told)


@dataclass(slots=True)
class _Record:
    fence: int = 0
    history: tuple[Turn, ...] = ()
    connected: bool = False
    kept_until: float = 0.0


class MemoryDoorSessions:
    """`DoorSessions` of one process, for `SESSION_STORAGE_TYPE=memory`."""

    def __init__(
        self, *, limit: int, resume_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._resume_s = resume_s
        self._clock = clock
        self._records: dict[str, _Record] = {}

    async def open(self, session_id: str, *, known_only: bool) -> Tenancy | None:
        self._drop_old()
        record = self._records.get(session_id)
        if record is None and known_only:
            return None
        if (record is None or not record.connected) and await self.count() >= self._limit:
            raise CapacityFull(_FULL, retry_after_s=CAPACITY_RETRY_S)
        record = self._records.setdefault(session_id, _Record())
        record.fence += 1
        record.connected = True
        return Tenancy(session_id, record.fence, record.history, resumed=known_only)

    async def keep(self, tenancy: Tenancy, history: tuple[Turn, ...]) -> bool:
        if (record := self._held(tenancy)) is not None:
            record.history = history
        return record is not None

    async def renew(self, tenancies: list[Tenancy]) -> list[Tenancy]:
        return [tenancy for tenancy in tenancies if self._held(tenancy) is None]

    async def close(self, tenancy: Tenancy) -> None:
        if (record := self._held(tenancy)) is not None:
            record.connected = False
            record.kept_until = self._clock() + self._resume_s

    async def publish(self, process: str, tally: Tally) -> None:
        """There is nobody to tell."""

    async def others(self, process: str) -> list[Tally]:
        return []

    async def count(self) -> int:
        return sum(record.connected for record in self._records.values())

    def _held(self, tenancy: Tenancy) -> _Record | None:
        record = self._records.get(tenancy.session_id)
        return record if record is not None and record.fence == tenancy.fence else None

    def _drop_old(self) -> None:
        now = self._clock()
        for session_id in [
            session_id
            for session_id, record in self._records.items()
            if not record.connected and record.kept_until <= now
        ]:
            del self._records[session_id]


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except RedisError as error:
        raise StoreUnavailable from error
