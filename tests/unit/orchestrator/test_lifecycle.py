"""Starting, ending and looking after sessions, with everything around them in memory."""

from dataclasses import replace

import pytest

from agent.host_protocol import RunningAgent
from agent.job import AgentExited, AgentJoined, EndReason
from agent.lease import Holder
from orchestrator.errors import CapacityFull, DispatchFailed, RoomsUnavailable, SessionNotFound
from orchestrator.sessions import decisions
from orchestrator.sessions.lifecycle import Lifecycle
from orchestrator.sessions.memory import MemorySessionStore
from orchestrator.sessions.session import Placed, Session, SessionStatus, new_session_id
from orchestrator.upkeep import Upkeep
from tests.unit.orchestrator.fakes import (
    DEPLOYMENT,
    FakeDeployment,
    FakeHosts,
    FakeLeases,
    FakeRooms,
    FakeTasks,
)
from tests.unit.orchestrator.sessions import FENCE, HOST, NOW, POLICY, SESSION_ID, fresh

S = SessionStatus


class Watcher:
    def __init__(self) -> None:
        self.joined: list[float] = []
        self.over: list[Session] = []

    def agent_joined(self, after_s: float) -> None:
        self.joined.append(after_s)

    def session_over(self, session: Session) -> None:
        self.over.append(session)


class Bench:
    """A control plane in memory."""

    def __init__(self) -> None:
        self.now = NOW
        self.tasks, self.rooms, self.leases = FakeTasks(), FakeRooms(), FakeLeases()
        self.watcher = Watcher()
        self.store = MemorySessionStore(record_ttl_s=60, clock=self.clock)
        self.lifecycle = Lifecycle(
            *(self.store, self.rooms, self.tasks, self.leases, POLICY),
            clock=self.clock,
            observer=self.watcher,
        )
        self.hosts = FakeHosts()
        self.upkeep = Upkeep(
            *(self.lifecycle, self.leases, self.rooms, self.hosts, self.tasks, self.tasks),
            FakeDeployment(),
        )

    def clock(self) -> float:
        return self.now

    async def ready(self) -> None:
        await self.lifecycle.start(replace(fresh(), deployment=DEPLOYMENT), limit=1)
        await self.store.update(
            SESSION_ID, lambda s: decisions.Decision(s.apply(Placed(HOST, FENCE, NOW)))
        )
        await self.lifecycle.report(AgentJoined(SESSION_ID, FENCE, NOW + 0.2))

    async def status(self) -> SessionStatus:
        return (await self.store.get(SESSION_ID)).status


async def test_a_start_that_cannot_be_queued_gives_its_slot_back() -> None:
    """Catches capacity that an outage of the queue eats."""
    bench = Bench()
    bench.tasks.away = True
    with pytest.raises(DispatchFailed):
        await bench.lifecycle.start(fresh(), limit=1)
    assert await bench.store.count() == 0


async def test_a_start_beyond_capacity_queues_nothing() -> None:
    """Catches an agent for a session that was refused."""
    bench = Bench()
    with pytest.raises(CapacityFull):
        await bench.lifecycle.start(fresh(), limit=0)
    assert bench.tasks.spawned == []


async def test_an_end_waits_until_the_agent_is_gone_but_not_for_ever() -> None:
    """Catches an answer that says ended while the agent still runs, and none at all."""
    bench = Bench()
    await bench.ready()
    session = await bench.lifecycle.end(SESSION_ID, timeout_s=0.01)
    await bench.lifecycle.finish_actions()
    assert session.status is S.ENDING
    assert bench.rooms.deleted == [SESSION_ID]
    assert bench.tasks.ended == [(SESSION_ID, HOST)]
    await bench.lifecycle.report(AgentExited(SESSION_ID, FENCE, NOW, HOST, 0))
    session = await bench.lifecycle.end(SESSION_ID, timeout_s=1)
    assert session.status is S.ENDED
    assert [each.end_reason for each in bench.watcher.over] == [EndReason.REQUESTED]
    assert bench.watcher.joined == [pytest.approx(0.2)]


async def test_an_end_without_a_room_server_ends_the_session_all_the_same() -> None:
    """Catches an agent that stays as the room could not be deleted."""
    bench = Bench()
    await bench.ready()
    bench.rooms.away = True
    with pytest.raises(RoomsUnavailable):
        await bench.lifecycle.end(SESSION_ID, timeout_s=1)
    await bench.lifecycle.finish_actions()
    assert await bench.status() is S.ENDING
    assert bench.tasks.ended == [(SESSION_ID, HOST)]


async def test_a_report_of_an_unknown_session_is_dropped() -> None:
    """Catches a reader that stops at a session whose record is gone."""
    await Bench().lifecycle.report(AgentJoined(SESSION_ID, FENCE, NOW))


async def test_an_action_that_fails_does_not_stop_the_others() -> None:
    """Catches a room server that is away and keeps agents from being replaced."""
    bench = Bench()
    await bench.ready()
    bench.tasks.away = True
    await bench.lifecycle.report(AgentExited(SESSION_ID, FENCE, NOW, HOST, 1))
    await bench.lifecycle.finish_actions()
    assert await bench.status() is S.QUEUED
    bench.tasks.away = False
    bench.now += POLICY.requeue_after_s + 1
    await bench.upkeep.check_agents()
    await bench.lifecycle.finish_actions()
    assert bench.tasks.spawned == [SESSION_ID] * 2


async def test_rooms_without_a_session_are_deleted() -> None:
    """Catches rooms left over, and rooms deleted that are in use or are not ours."""
    bench = Bench()
    await bench.ready()
    stray = new_session_id(NOW)
    bench.rooms.rooms = {SESSION_ID, stray, "a meeting"}
    await bench.upkeep.clean_up()
    assert bench.rooms.rooms == {SESSION_ID, "a meeting"}


async def test_a_clean_up_without_a_room_server() -> None:
    """Catches sessions that are not cleaned up as rooms cannot be."""
    bench = Bench()
    await bench.ready()
    await bench.lifecycle.change(
        SESSION_ID, lambda s: decisions.ask_end(s, EndReason.REQUESTED, bench.now, POLICY)
    )
    bench.rooms.away = True
    bench.now += POLICY.give_up_ending_s + 1
    await bench.upkeep.clean_up()
    await bench.lifecycle.finish_actions()
    assert await bench.status() is S.ENDED


async def test_an_agent_without_a_lease_is_replaced() -> None:
    """Catches a machine that vanished with its sessions."""
    bench = Bench()
    await bench.ready()
    bench.leases.up_s = POLICY.leases_settle_s  # Redis is back, and agents may be, soon
    await bench.upkeep.check_agents()
    await bench.lifecycle.finish_actions()
    assert await bench.status() is S.READY
    bench.leases.up_s += 1
    await bench.upkeep.check_agents()
    await bench.lifecycle.finish_actions()
    assert await bench.status() is S.QUEUED
    assert bench.tasks.spawned == [SESSION_ID] * 2


async def test_an_agent_that_its_host_does_not_have_is_replaced() -> None:
    """Catches a session whose agent died while nobody could report it."""
    bench = Bench()
    await bench.ready()
    bench.leases.held[SESSION_ID] = Holder(FENCE, HOST)
    bench.rooms.rooms, bench.rooms.people = {SESSION_ID}, {SESSION_ID: {f"agent-{SESSION_ID}"}}
    for _ in range(2):
        bench.hosts.tell(HOST, bench.now)
        await bench.upkeep.check_agents()
        bench.now += 5
    await bench.lifecycle.finish_actions()
    assert await bench.status() is S.QUEUED
    assert (await bench.store.get(SESSION_ID)).restarts == 1


async def test_an_agent_outside_its_room_is_replaced() -> None:
    """Catches a user who is alone in a room while the agent's process lives."""
    bench = Bench()
    await bench.ready()
    bench.leases.held[SESSION_ID] = Holder(FENCE, HOST)
    bench.rooms.rooms = {SESSION_ID}
    await bench.upkeep.check_agents()
    bench.now += POLICY.rejoin_grace_s
    await bench.upkeep.check_agents()
    await bench.lifecycle.finish_actions()
    assert bench.rooms.looked_into == [SESSION_ID] * 2
    assert await bench.status() is S.QUEUED


async def test_an_agent_whose_room_is_gone_is_replaced() -> None:
    """Catches a session without a room that seems well for ever, and a question for each room."""
    bench = Bench()
    await bench.ready()
    bench.leases.held[SESSION_ID] = Holder(FENCE, HOST)
    await bench.upkeep.check_agents()
    bench.rooms.away = True
    bench.now += POLICY.rejoin_grace_s
    await bench.upkeep.check_agents()
    assert await bench.status() is S.READY  # as nobody can know
    bench.rooms.away = False
    await bench.upkeep.check_agents()
    await bench.lifecycle.finish_actions()
    assert bench.rooms.looked_into == []
    assert await bench.status() is S.QUEUED


async def test_agents_that_have_no_business_any_more_are_ended() -> None:
    """Catches an agent that a host cut off from Redis kept, of a session that is over or moved."""
    bench = Bench()
    await bench.ready()
    over = new_session_id(NOW)
    bench.hosts.tell(
        "machine-b",
        NOW,
        RunningAgent(SESSION_ID, FENCE - 1, 1, NOW),
        RunningAgent(over, 3, 2, NOW),
        RunningAgent(new_session_id(NOW), 4, 3, NOW, ending=True),
    )
    bench.hosts.tell(HOST, NOW, RunningAgent(SESSION_ID, FENCE, 1, NOW))
    await bench.upkeep.check_agents()
    assert bench.tasks.stale == [(SESSION_ID, "machine-b", FENCE - 1), (over, "machine-b", 3)]


async def test_every_host_is_told_how_many_idle_agents_to_keep() -> None:
    """Catches machines that beat's own worker does not run on, and a pool without bounds."""
    bench = Bench()
    for name, burst in (("a", 0), ("b", 3), ("c", 99)):
        bench.hosts.tell(name, NOW, burst=burst, pool_size=2, pool_max=8)
    bench.hosts.tell("d", NOW, burst=3, pool_size=2, pool_max=8, draining=True)
    bench.hosts.tell("e", NOW, burst=3, pool_size=5, pool_max=0)
    await bench.upkeep.prewarm()
    assert bench.tasks.prewarmed == [("a", 2), ("b", 3), ("c", 8), ("e", 5)]


async def test_ending_an_unknown_session() -> None:
    """Catches an end that succeeds for anything."""
    with pytest.raises(SessionNotFound):
        await Bench().lifecycle.end(SESSION_ID, timeout_s=1)


async def test_a_late_guest_of_a_session_that_is_over_finds_no_room() -> None:
    """Catches a room that a user with a token still valid makes again."""
    bench = Bench()
    await bench.lifecycle.start(fresh(), limit=1)
    await bench.lifecycle.change(SESSION_ID, decisions.on_room_started)
    await bench.lifecycle.finish_actions()
    assert bench.rooms.deleted == []
    await bench.lifecycle.end(SESSION_ID, timeout_s=1)
    await bench.lifecycle.change(SESSION_ID, decisions.on_room_started)
    await bench.lifecycle.finish_actions()
    assert len(bench.rooms.deleted) >= 2
