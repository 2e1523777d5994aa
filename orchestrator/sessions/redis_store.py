"""Sessions in Redis, shared by every process of the deployment.

    majlis:session:<id>   hash {version, record, turns}; expires once the session is over
    majlis:slots          sorted set of the ids of live sessions, by the time of their creation
    majlis:doors          sorted set of the WebSocket doors' connected sessions, by the time when
                          each loses its slot unless it is renewed (`orchestrator.gateway.sessions`)

A change is read, decided in Python and written by a script that refuses it when the version has
moved meanwhile. The script that writes the last change of a session also gives back its slot and
its lease, so that nobody ever sees an ended session that still holds one.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from redis.asyncio import Redis
from redis.exceptions import RedisError

from agent.job import TURNS_CODEC
from agent.lease import Leases
from orchestrator.errors import BooksUnchecked, CapacityFull, SessionNotFound, StoreUnavailable
from orchestrator.sessions.books import BOOKS
from orchestrator.sessions.decisions import Decision
from orchestrator.sessions.session import SESSION_CODEC, Session
from orchestrator.sessions.store import Decide

SLOTS = "majlis:slots"
DOORS = "majlis:doors"
CAPACITY_RETRY_S = 5
BOOKS_UNCHECKED = -1
"""What the script answers while the books are not known to be right (`sessions.books`)."""
MAX_ATTEMPTS = 50
"""At a change that others keep overtaking; each attempt means that one of theirs succeeded."""

_CREATE = """
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
if redis.call('GET', KEYS[4]) ~= run then return -1 end
local taken = redis.call('ZCARD', KEYS[2]) + redis.call('ZCOUNT', KEYS[3], ARGV[3], '+inf')
if taken >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
redis.call('HSET', KEYS[1], 'version', 1, 'record', ARGV[4], 'turns', ARGV[5])
return 1
"""

_SAVE = """
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('HINCRBY', KEYS[1], 'version', 1)
redis.call('HSET', KEYS[1], 'record', ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'turns', ARGV[3]) end
if ARGV[5] ~= '' then
    redis.call('ZREM', KEYS[2], ARGV[4])
    redis.call('DEL', KEYS[3])
    redis.call('EXPIRE', KEYS[1], ARGV[5])
end
return 1
"""


class RedisSessionStore:
    """A `SessionStore` in Redis. `redis` must decode responses."""

    def __init__(self, redis: Redis, *, record_ttl_s: int) -> None:
        self._redis = redis
        self._record_ttl_s = record_ttl_s
        self._create = redis.register_script(_CREATE)
        self._save = redis.register_script(_SAVE)

    @staticmethod
    def key(session_id: str) -> str:
        """Name of the record in Redis."""
        return f"majlis:session:{session_id}"

    async def create(self, session: Session, *, limit: int) -> None:
        async with _translated():
            created = await self._create(
                keys=[self.key(session.session_id), SLOTS, DOORS, BOOKS],
                args=[
                    *(session.session_id, limit, session.created_at),
                    *(_record(session), TURNS_CODEC.dump_json(session.turns)),
                ],
            )
        if created == BOOKS_UNCHECKED:
            raise BooksUnchecked
        if not created:
            raise CapacityFull("All capacity is in use.", retry_after_s=CAPACITY_RETRY_S)

    async def get(self, session_id: str) -> Session:
        return (await self._load(session_id))[1]

    async def update(self, session_id: str, decide: Decide) -> Decision:
        for _ in range(MAX_ATTEMPTS):
            version, session = await self._load(session_id)
            decision = decide(session)
            if decision.session is session:
                return decision
            if await self._replace(version, session, decision.session):
                return decision
        raise StoreUnavailable

    async def forget(self, session_id: str) -> None:
        async with _translated(), self._redis.pipeline() as pipeline:
            pipeline.zrem(SLOTS, session_id)
            pipeline.delete(self.key(session_id))
            await pipeline.execute()

    async def live(self) -> list[Session]:
        async with _translated(), self._redis.pipeline(transaction=False) as pipeline:
            for session_id in await self._redis.zrange(SLOTS, 0, -1):
                pipeline.hmget(self.key(str(session_id)), "record", "turns")
            rows = await pipeline.execute()
        return [_session(record, turns) for record, turns in rows if record is not None]

    async def count(self) -> int:
        async with _translated(), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zcard(SLOTS)
            pipeline.zcount(DOORS, time.time(), "+inf")
            return sum(map(int, await pipeline.execute()))

    async def drop_empty_slots(self) -> int:
        dropped = 0
        async with _translated():
            for session_id in await self._redis.zrange(SLOTS, 0, -1):
                if not await self._redis.exists(self.key(str(session_id))):
                    dropped += int(await self._redis.zrem(SLOTS, str(session_id)))
        return dropped

    async def _load(self, session_id: str) -> tuple[str, Session]:
        async with _translated():
            version, record, turns = await self._redis.hmget(
                self.key(session_id), "version", "record", "turns"
            )
        if version is None or record is None:
            raise SessionNotFound
        return str(version), _session(str(record), str(turns))

    async def _replace(self, version: str, before: Session, after: Session) -> bool:
        turns = b"" if after.turns is before.turns else TURNS_CODEC.dump_json(after.turns)
        ttl = str(self._record_ttl_s) if after.is_over else ""
        session_id = before.session_id
        async with _translated():
            saved = await self._save(
                keys=[self.key(session_id), SLOTS, Leases.key(session_id)],
                args=[version, _record(after), turns, session_id, ttl],
            )
        return bool(saved)


def _record(session: Session) -> bytes:
    return SESSION_CODEC.dump_json(session, exclude={"turns"})


def _session(record: str, turns: str) -> Session:
    return replace(SESSION_CODEC.validate_json(record), turns=TURNS_CODEC.validate_json(turns))


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except RedisError as error:
        raise StoreUnavailable from error
