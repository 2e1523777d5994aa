"""Placing and ending agents, whatever the host, the lease and the session say."""

import pytest

from agent.host_protocol import Done, End, Refusal, Refused
from agent.job import EndReason
from orchestrator.placement import Placement
from orchestrator.sessions import decisions
from orchestrator.sessions.lifecycle import Lifecycle
from orchestrator.sessions.memory import MemorySessionStore
from orchestrator.sessions.session import Session, SessionStatus
from tests.unit.orchestrator.fakes import FakeLeases, FakeRooms, FakeTasks, ScriptedHost
from tests.unit.orchestrator.sessions import NOW, POLICY, SESSION_ID, fresh

S = SessionStatus
HERE, ELSEWHERE = "machine-a", "machine-b"


class Bench:
    """One machine with everything around it in memory."""

    def __init__(self, host: ScriptedHost) -> None:
        self.now = NOW
        self.host, self.leases = host, FakeLeases()
        self.tasks, self.rooms = FakeTasks(), FakeRooms()
        self.store = MemorySessionStore(record_ttl_s=60, clock=self.clock)
        self.lifecycle = Lifecycle(
            self.store, self.rooms, self.tasks, self.leases, POLICY, clock=self.clock
        )
        self.placement = Placement(self.lifecycle, self.leases, host, self.tasks, host_name=HERE)

    def clock(self) -> float:
        return self.now

    async def begin(self) -> None:
        await self.store.create(fresh(), limit=1)

    async def spawn(self) -> Session:
        await self.placement.spawn(SESSION_ID)
        await self.lifecycle.finish_actions()
        return await self.store.get(SESSION_ID)

    async def ask_end(self) -> None:
        await self.lifecycle.change(
            SESSION_ID, lambda s: decisions.ask_end(s, EndReason.REQUESTED, self.now, POLICY)
        )
        await self.lifecycle.finish_actions()


async def test_a_session_is_placed_under_its_lease() -> None:
    """Catches a job whose fence is not the lease's."""
    bench = Bench(ScriptedHost())
    await bench.begin()
    session = await bench.spawn()
    assert (session.status, session.host) == (S.SPAWNING, HERE)
    assert bench.host.fences == [session.fence] == [bench.leases.held[SESSION_ID].fence]


async def test_an_unknown_session_is_nobodys() -> None:
    """Catches a task that fails again and again as its session is forgotten."""
    bench = Bench(ScriptedHost())
    await bench.placement.spawn(SESSION_ID)
    await bench.placement.end(SESSION_ID)
    assert bench.host.requests == []


async def test_a_task_that_is_delivered_twice_runs_one_agent() -> None:
    """Catches two agents, and none when the first delivery died on its way to the host."""
    bench = Bench(ScriptedHost())
    await bench.begin()
    await bench.spawn()
    session = await bench.spawn()
    assert bench.host.fences == [session.fence] * 2  # the host runs one fence once
    assert bench.tasks.spawned == []


async def test_a_lease_taken_by_a_delivery_that_died_is_used() -> None:
    """Catches a session that waits for the lease of a dead task to expire."""
    bench = Bench(ScriptedHost())
    await bench.begin()
    fence = await bench.leases.take(SESSION_ID, HERE)
    assert (await bench.spawn()).fence == fence


async def test_a_session_that_another_machine_runs_is_left_alone() -> None:
    """Catches a second agent on a second machine."""
    bench = Bench(ScriptedHost())
    await bench.begin()
    await bench.leases.take(SESSION_ID, ELSEWHERE)
    assert (await bench.spawn()).status is S.QUEUED
    assert bench.host.requests == []


@pytest.mark.parametrize(
    "reply", [None, Refused(Refusal.FULL), Refused(Refusal.DRAINING)], ids=["away", "full", "drain"]
)
async def test_a_session_that_finds_no_place_is_queued_again(reply: Refused | None) -> None:
    """Catches a lease that keeps other machines from taking what this one cannot."""
    bench = Bench(ScriptedHost(reply))
    await bench.begin()
    session = await bench.spawn()
    assert (session.status, session.queued_at, session.restarts) == (S.QUEUED, NOW, 0)
    assert bench.leases.held == {}
    assert bench.tasks.spawned == [SESSION_ID]


async def test_a_session_is_not_placed_after_its_time() -> None:
    """Catches an agent for a user who has long given up."""
    bench = Bench(ScriptedHost())
    await bench.begin()
    bench.now += POLICY.spawn_timeout_s + 1
    session = await bench.spawn()
    assert (session.status, session.end_reason) == (S.FAILED, EndReason.NOT_PLACED)
    assert bench.host.requests == []
    assert bench.rooms.deleted == [SESSION_ID]


async def test_a_job_that_the_host_does_not_understand_fails_at_once() -> None:
    """Catches a session that is tried until its time is over for nothing."""
    bench = Bench(ScriptedHost(Refused(Refusal.BAD_REQUEST)))
    await bench.begin()
    assert (await bench.spawn()).end_reason is EndReason.AGENT_FAILED


async def test_a_stale_job_is_dropped() -> None:
    """Catches a loop between a task and a host that knows better."""
    bench = Bench(ScriptedHost(Refused(Refusal.STALE)))
    await bench.begin()
    await bench.spawn()
    assert bench.tasks.spawned == []


async def test_an_agent_of_a_session_that_ended_meanwhile_is_taken_back() -> None:
    """Catches an agent that is made while its session is ended, and stays."""
    host = ScriptedHost()
    bench = Bench(host)
    await bench.begin()
    answer = host.ask

    async def end_meanwhile(request: object) -> object:
        if not host.requests:
            await bench.ask_end()
        return await answer(request)  # type: ignore[arg-type]  # passed on as it came

    host.ask = end_meanwhile  # type: ignore[method-assign,assignment]  # the script's one event
    await bench.spawn()
    assert host.ended == [SESSION_ID]


async def test_a_session_ended_while_no_host_takes_it_is_over() -> None:
    """Catches an end that waits for an agent that never was."""
    host = ScriptedHost(Refused(Refusal.FULL))
    bench = Bench(host)
    await bench.begin()
    answer = host.ask

    async def end_meanwhile(request: object) -> object:
        await bench.ask_end()
        return await answer(request)  # type: ignore[arg-type]  # passed on as it came

    host.ask = end_meanwhile  # type: ignore[method-assign,assignment]  # the script's one event
    assert (await bench.spawn()).status is S.ENDED
    assert bench.tasks.spawned == []


async def test_an_end_is_asked_of_the_host() -> None:
    """Catches a session taken for ended while its agent still talks."""
    bench = Bench(ScriptedHost(Done(1), Done()))
    await bench.begin()
    await bench.spawn()
    await bench.ask_end()
    assert bench.tasks.ended == [(SESSION_ID, HERE)]
    await bench.placement.end(SESSION_ID)
    assert bench.host.ended == [SESSION_ID]
    assert (await bench.store.get(SESSION_ID)).status is S.ENDING


async def test_a_session_without_an_agent_here_is_over() -> None:
    """Catches an end that waits for an exit nobody will report."""
    bench = Bench(ScriptedHost(Done(1), Refused(Refusal.NOT_FOUND)))
    await bench.begin()
    await bench.spawn()
    await bench.ask_end()
    await bench.placement.end(SESSION_ID)
    assert (await bench.store.get(SESSION_ID)).status is S.ENDED


async def test_an_end_waits_for_a_host_that_restarts() -> None:
    """Catches an end that is lost with the host, and one that is tried for ever."""
    bench = Bench(ScriptedHost(Done(1), None, None))
    await bench.begin()
    await bench.spawn()
    await bench.ask_end()
    await bench.placement.end(SESSION_ID)
    assert bench.tasks.ended == [(SESSION_ID, HERE)] * 2
    bench.now += POLICY.give_up_ending_s + 1
    await bench.placement.end(SESSION_ID)
    assert bench.tasks.ended == [(SESSION_ID, HERE)] * 2


async def test_a_stale_agent_is_ended_and_its_successor_spared() -> None:
    """Catches a clean-up that comes late and ends the agent that is meant to run."""
    bench = Bench(ScriptedHost())
    await bench.begin()
    fence = (await bench.spawn()).fence
    await bench.placement.end_stale(SESSION_ID, fence)
    assert bench.host.ended == []
    await bench.placement.end_stale(SESSION_ID, fence - 1)
    await bench.placement.end_stale("session_of_nobody", fence)
    assert bench.host.requests[1:] == [
        End(SESSION_ID, fence=fence - 1),
        End("session_of_nobody", fence=fence),
    ]
