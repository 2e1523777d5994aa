"""One suite for both stores: what holds in memory holds in Redis."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from agent.job import EndReason, Role, Source, Turn
from agent.lease import Leases
from orchestrator.errors import CapacityFull, IllegalTransition, SessionNotFound, StoreUnavailable
from orchestrator.sessions.decisions import Decision
from orchestrator.sessions.memory import MemorySessionStore
from orchestrator.sessions.redis_store import SLOTS, RedisSessionStore
from orchestrator.sessions.session import (
    Failed,
    Finished,
    Placed,
    Session,
    SessionStatus,
    TurnsKept,
    new_session_id,
)
from orchestrator.sessions.store import SessionStore
from tests.unit.orchestrator.sessions import NOW, fresh

TURN = Turn(Role.ASSISTANT, "مرحبا", NOW, True, (Source("a.md", 0, 0.9, "…"),))


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest, redis: Redis) -> SessionStore:
    if request.param == "memory":
        return MemorySessionStore(record_ttl_s=60, clock=lambda: NOW)
    return RedisSessionStore(redis, record_ttl_s=60)


def a_session() -> Session:
    return fresh(new_session_id(NOW))


def failing(session: Session) -> Decision:
    return Decision(session.apply(Failed(EndReason.NOT_PLACED, NOW)))


def placing(fence: int) -> Callable[[Session], Decision]:
    return lambda session: Decision(session.apply(Placed("m", fence, NOW)))


async def test_what_is_kept_is_what_was_given(store: SessionStore) -> None:
    """Catches a field that the codec loses."""
    session = replace(a_session(), metadata={"a": [1, None]}, turns=(TURN,), turn_count=1)
    await store.create(session, limit=1)
    assert await store.get(session.session_id) == session


async def test_capacity_is_exact_in_a_burst(store: SessionStore) -> None:
    """Catches one session too many when many start at the same moment."""
    tries = [store.create(a_session(), limit=7) for _ in range(40)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(result is None for result in results) == 7
    assert all(result is None or isinstance(result, CapacityFull) for result in results)
    assert await store.count() == len(await store.live()) == 7


async def test_a_refused_session_leaves_nothing(store: SessionStore) -> None:
    """Catches a record without a slot."""
    session = a_session()
    with pytest.raises(CapacityFull):
        await store.create(session, limit=0)
    with pytest.raises(SessionNotFound):
        await store.get(session.session_id)


async def test_an_unknown_session(store: SessionStore) -> None:
    """Catches a record made by looking for it."""
    with pytest.raises(SessionNotFound):
        await store.update(a_session().session_id, failing)


async def test_changes_at_the_same_time_all_count(store: SessionStore) -> None:
    """Catches a lost update."""
    session = a_session()
    await store.create(session, limit=1)

    def one_more(before: Session) -> Decision:
        return Decision(before.apply(TurnsKept(before.turns, before.turn_count + 1)))

    await asyncio.gather(*(store.update(session.session_id, one_more) for _ in range(10)))
    assert (await store.get(session.session_id)).turn_count == 10


async def test_a_change_that_is_refused_changes_nothing(store: SessionStore) -> None:
    """Catches half a transition."""
    session = a_session()
    await store.create(session, limit=1)
    with pytest.raises(IllegalTransition):
        await store.update(session.session_id, lambda s: Decision(s.apply(Finished(NOW))))
    assert await store.get(session.session_id) == session


async def test_a_session_that_is_over_gives_its_slot_back(store: SessionStore) -> None:
    """Catches capacity that leaks, and a record that goes with the slot."""
    session = a_session()
    await store.create(session, limit=1)
    await store.update(session.session_id, failing)
    assert await store.count() == 0
    assert await store.live() == []
    assert (await store.get(session.session_id)).status is SessionStatus.FAILED
    await store.create(a_session(), limit=1)


async def test_a_forgotten_session_was_never_there(store: SessionStore) -> None:
    """Catches a slot that a failed start keeps."""
    session = a_session()
    await store.create(session, limit=1)
    await store.forget(session.session_id)
    assert await store.count() == 0
    with pytest.raises(SessionNotFound):
        await store.get(session.session_id)


async def test_live_sessions_come_oldest_first(store: SessionStore) -> None:
    """Catches an order by chance."""
    late, early = replace(a_session(), created_at=NOW + 5), a_session()
    for session in (late, early):
        await store.create(session, limit=2)
    assert [s.session_id for s in await store.live()] == [early.session_id, late.session_id]


async def test_memory_forgets_records_in_their_time() -> None:
    """Catches a process that grows with every session it ever had."""
    now = NOW
    store = MemorySessionStore(record_ttl_s=60, clock=lambda: now)
    session = a_session()
    await store.create(session, limit=1)
    await store.update(session.session_id, failing)
    now += 61
    with pytest.raises(SessionNotFound):
        await store.get(session.session_id)


async def test_redis_clears_slot_and_lease_with_the_last_change(redis: Redis) -> None:
    """Catches a lease, a slot or an unbounded record of a session that is over."""
    store = RedisSessionStore(redis, record_ttl_s=60)
    session = a_session()
    await store.create(session, limit=1)
    assert await redis.ttl(store.key(session.session_id)) == -1
    fence = await Leases(redis, ttl_s=15).take(session.session_id, "m")
    assert fence is not None
    await store.update(session.session_id, placing(fence))
    await store.update(session.session_id, failing)
    assert not await redis.exists(Leases.key(session.session_id), SLOTS)
    assert 0 < await redis.ttl(store.key(session.session_id)) <= 60


async def test_a_slot_without_a_record_is_dropped(redis: Redis) -> None:
    """Catches capacity lost to a record that is gone."""
    store = RedisSessionStore(redis, record_ttl_s=60)
    await redis.zadd(SLOTS, {"session_0": NOW})
    session = a_session()
    await store.create(session, limit=9)
    assert await store.drop_empty_slots() == 1
    assert await store.count() == 1


async def test_redis_away_is_one_error() -> None:
    """Catches a driver's exception that reaches the API as a 500."""
    store = RedisSessionStore(Redis.from_url("redis://127.0.0.1:9/0"), record_ttl_s=60)
    with pytest.raises(StoreUnavailable):
        await store.get(a_session().session_id)
    with pytest.raises(StoreUnavailable):
        await store.create(a_session(), limit=1)
