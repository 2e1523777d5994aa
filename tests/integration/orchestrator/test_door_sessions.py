"""Sessions of the WebSocket doors, in Redis and in memory alike: slots, fences, and history."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from agent.job import Role, Turn
from orchestrator.errors import CapacityFull, StoreUnavailable
from orchestrator.gateway.sessions import (
    SLOT_S,
    TALLY_S,
    DoorSessions,
    MemoryDoorSessions,
    RedisDoorSessions,
    Tally,
    Tenancy,
)
from orchestrator.sessions.redis_store import DOORS, SLOTS, RedisSessionStore

TURN = Turn(Role.USER, "Hello", at=1.0)
RESUME_S = 60.0


@dataclass
class Clock:
    """Unix seconds that a test sets."""

    at: float = 1_000.0

    def __call__(self) -> float:
        return self.at


Make = Callable[..., DoorSessions]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["redis", "memory"])
def make(request: pytest.FixtureRequest, redis: Redis, clock: Clock) -> Make:
    """Sessions with a limit, in either store."""

    def made(limit: int = 10) -> DoorSessions:
        if request.param == "redis":
            return RedisDoorSessions(redis, limit=limit, resume_s=RESUME_S, clock=clock)
        return MemoryDoorSessions(limit=limit, resume_s=RESUME_S, clock=clock)

    return made


async def opened(sessions: DoorSessions, session_id: str, *, known_only: bool = False) -> Tenancy:
    tenancy = await sessions.open(session_id, known_only=known_only)
    assert tenancy is not None
    return tenancy


async def test_history_is_taken_up_again(make: Make) -> None:
    """Catches a conversation that is forgotten with its connection."""
    sessions = make()
    first = await opened(sessions, "a")
    assert (first.history, first.resumed) == ((), False)
    assert await sessions.keep(first, (TURN,))
    await sessions.close(first)
    again = await opened(sessions, "a", known_only=True)
    assert (again.history, again.resumed, again.fence) == ((TURN,), True, first.fence + 1)


async def test_an_unknown_session_is_not_made_up(make: Make) -> None:
    """Catches a session that a client names itself, whose id anybody may guess."""
    sessions = make()
    assert await sessions.open("a", known_only=True) is None
    assert await sessions.count() == 0


async def test_who_was_left_behind_changes_nothing(make: Make) -> None:
    """Catches a half-dead connection that writes over the history, or gives the slot away."""
    sessions = make()
    old = await opened(sessions, "a")
    new = await opened(sessions, "a", known_only=True)
    assert not await sessions.keep(old, (TURN,))
    assert await sessions.renew([old, new]) == [old]
    await sessions.close(old)
    assert await sessions.count() == 1
    assert await sessions.keep(new, (TURN, TURN))


async def test_the_limit_holds_and_slots_come_back(make: Make) -> None:
    """Catches one connection too many, and a slot that is lost with a connection."""
    sessions = make(2)
    first = await opened(sessions, "a")
    await opened(sessions, "b")
    with pytest.raises(CapacityFull):
        await sessions.open("c", known_only=False)
    # who has a slot already needs no other
    await opened(sessions, "b", known_only=True)
    await sessions.close(first)
    await opened(sessions, "c")
    assert await sessions.count() == 2


async def test_rooms_and_doors_share_one_limit(redis: Redis, clock: Clock) -> None:
    """Catches a deployment that holds twice as many conversations as it may."""
    doors = RedisDoorSessions(redis, limit=2, resume_s=RESUME_S, clock=clock)
    await redis.zadd(SLOTS, {"session_room": clock.at})
    await opened(doors, "a")
    with pytest.raises(CapacityFull):
        await doors.open("b", known_only=False)
    await redis.zadd(DOORS, {"a": 1e12})
    assert await RedisSessionStore(redis, record_ttl_s=60).count() == 2


async def test_a_process_that_dies_gives_its_slots_back(redis: Redis, clock: Clock) -> None:
    """Catches slots that stay taken for ever after a kill -9."""
    doors = RedisDoorSessions(redis, limit=1, resume_s=RESUME_S, clock=clock)
    held = await opened(doors, "a")
    clock.at += SLOT_S - 1
    assert await doors.renew([held]) == []
    clock.at += SLOT_S - 1
    with pytest.raises(CapacityFull):
        await doors.open("b", known_only=False)
    clock.at += 2
    await opened(doors, "b")


async def test_a_redis_that_lost_everything(redis: Redis, clock: Clock) -> None:
    """Catches conversations that end because Redis began anew."""
    doors = RedisDoorSessions(redis, limit=1, resume_s=RESUME_S, clock=clock)
    held = await opened(doors, "a")
    await redis.flushdb()
    assert await doors.renew([held]) == []
    assert await doors.count() == 1
    assert await doors.keep(held, (TURN,))


async def test_records_do_not_stay(redis: Redis, clock: Clock) -> None:
    """Catches what users said that stays in Redis for ever."""
    doors = RedisDoorSessions(redis, limit=1, resume_s=RESUME_S, clock=clock)
    held = await opened(doors, "a")
    await doors.keep(held, (TURN,))
    assert 0 < await redis.ttl(doors.key("a")) <= RESUME_S + SLOT_S
    await doors.close(held)
    assert 0 < await redis.ttl(doors.key("a")) <= RESUME_S
    assert await redis.zcard(DOORS) == 0


async def test_what_is_kept_in_memory_does_not_stay(clock: Clock) -> None:
    """Catches memory that grows with every connection there ever was."""
    doors = MemoryDoorSessions(limit=1, resume_s=RESUME_S, clock=clock)
    await doors.close(await opened(doors, "a"))
    clock.at += RESUME_S + 1
    assert await doors.open("a", known_only=True) is None


async def test_other_processes_are_counted_while_they_live(redis: Redis, clock: Clock) -> None:
    """Catches statistics of one process, or of processes that are gone."""
    doors = RedisDoorSessions(redis, limit=1, resume_s=RESUME_S, clock=clock)
    tally = Tally(2, 5, {"speaking": 1, "idle": 1})
    await doors.publish("one", tally)
    await doors.publish("two", Tally(1))
    assert await doors.others("two") == [tally]
    both = tally + Tally(1, 1, {"idle": 1})
    assert (both.sessions, both.turns, dict(both.activities)) == (3, 6, {"speaking": 1, "idle": 2})
    clock.at += TALLY_S + 1
    assert await doors.others("two") == []


async def test_redis_away() -> None:
    """Catches a driver's error that reaches a client."""
    nowhere = Redis.from_url("redis://127.0.0.1:1", decode_responses=True)
    doors = RedisDoorSessions(nowhere, limit=1, resume_s=RESUME_S)
    with pytest.raises(StoreUnavailable):
        await doors.open("a", known_only=False)
    await nowhere.aclose()
