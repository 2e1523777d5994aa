"""Nobody is admitted before the books are right, after Redis came back."""

import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from agent.host_protocol import RunningAgent
from orchestrator.errors import BooksUnchecked
from orchestrator.sessions.books import BOOKS, GIVE_UP_S, Books
from orchestrator.sessions.redis_store import RedisSessionStore
from orchestrator.sessions.session import new_session_id
from tests.integration.orchestrator.conftest import until
from tests.integration.orchestrator.processes import RedisServer
from tests.unit.orchestrator.fakes import FakeHosts, FakeTasks
from tests.unit.orchestrator.sessions import NOW, fresh


class Checked:
    """A store, and a check of its books whose surroundings are in memory."""

    def __init__(self, redis: Redis) -> None:
        self.now = NOW
        self.redis = redis
        self.store = RedisSessionStore(redis, record_ttl_s=60)
        self.hosts, self.tasks = FakeHosts(), FakeTasks()
        self.books = Books(
            redis, self.store, self.hosts, self.tasks, clock=lambda: self.now, look_every_s=0.01
        )

    async def restart(self, *hosts: str) -> None:
        """As if Redis had come back, with what hosts told it before."""
        await self.redis.set(BOOKS, "of the run before")
        for name in hosts:
            await self.redis.sadd("majlis:hosts", name)
            self.hosts.tell(name, NOW)

    async def start(self) -> str:
        session = fresh(new_session_id(NOW))
        await self.store.create(session, limit=9)
        return session.session_id


@pytest.fixture
def checked(redis: Redis) -> Checked:
    return Checked(redis)


async def test_nobody_is_admitted_unchecked(checked: Checked) -> None:
    """Catches a session that is given the place of one which Redis forgot."""
    await checked.start()
    await checked.restart()
    with pytest.raises(BooksUnchecked):
        await checked.start()
    assert await checked.store.count() == 1
    assert await checked.books.check()
    await checked.start()


async def test_every_host_tells_anew_what_runs_on_it(checked: Checked) -> None:
    """Catches books that are checked against what was before, or a host that is gone awaited."""
    await checked.restart("a", "b", "c")
    assert not await checked.books.check()
    checked.hosts.tell("a", NOW + 1)
    checked.hosts.tell("b", NOW + 1)
    assert not await checked.books.check()
    del checked.hosts.told["c"]
    assert await checked.books.check()


async def test_an_agent_without_a_session_is_ended_first(checked: Checked) -> None:
    """Catches more agents than sessions may be, and a running call that is taken for a stray."""
    kept = await checked.start()
    await checked.restart("a")
    stray = RunningAgent("session_forgotten", 7, 1, NOW)
    checked.hosts.tell("a", NOW + 1, RunningAgent(kept, 3, 2, NOW), stray)
    for _ in range(2):
        assert not await checked.books.check()
    assert checked.tasks.stale == [("session_forgotten", "a", 7)]
    checked.hosts.tell("a", NOW + 2, RunningAgent(kept, 3, 2, NOW), replace(stray, ending=True))
    assert not await checked.books.check()
    checked.hosts.tell("a", NOW + 3, RunningAgent(kept, 3, 2, NOW))
    assert await checked.books.check()


async def test_an_agent_that_does_not_end_keeps_nobody_out_for_ever(checked: Checked) -> None:
    """Catches a deployment that one agent shuts."""
    await checked.restart("a")
    checked.hosts.tell("a", NOW + 1, RunningAgent("session_forgotten", 7, 1, NOW))
    assert not await checked.books.check()
    checked.now += GIVE_UP_S
    assert await checked.books.check()


async def test_many_who_wait_at_once(checked: Checked) -> None:
    """Catches a check that another one, half done, takes for done."""
    await checked.restart("a")
    waiting = [asyncio.create_task(checked.books.wait(3600)) for _ in range(20)]

    async def all_have_looked() -> bool:
        return checked.hosts.times_read > 3 * len(waiting)

    await until(all_have_looked)
    assert not any(task.done() for task in waiting)
    checked.hosts.tell("a", NOW + 1)
    async with asyncio.timeout(30):
        assert all(await asyncio.gather(*waiting))


async def test_a_redis_that_is_started_again_is_another_run(redis_server: RedisServer) -> None:
    """Catches a restart that nobody notices."""
    again = Retry(NoBackoff(), 3)  # for connections from before Redis was killed
    redis = Redis.from_url(redis_server.url, decode_responses=True, retry=again)
    checked = Checked(redis)
    assert await checked.books.check()
    redis_server.kill()
    await asyncio.to_thread(redis_server.start)
    with pytest.raises(BooksUnchecked):
        await checked.start()
    assert await checked.books.check()
    await checked.start()
    await redis.aclose()
