"""What follows from reports, requests and check-ups: each status with each of them."""

from dataclasses import replace

import pytest

from agent.job import (
    AgentEnded,
    AgentExited,
    AgentJoined,
    AgentState,
    EndReason,
    Report,
    Role,
    StateChanged,
    Turn,
    TurnEnded,
    UserJoined,
    UserLeft,
)
from orchestrator.sessions import decisions
from orchestrator.sessions.decisions import (
    Action,
    DeleteRoom,
    EndAgent,
    ReleaseLease,
    SpawnAgent,
)
from orchestrator.sessions.session import AgentMissed, Session, SessionStatus
from orchestrator.sessions.sightings import Sighting
from tests.unit.orchestrator.sessions import (
    FENCE,
    HOST,
    NOW,
    POLICY,
    SESSION_ID,
    fresh,
    session_in,
)

S = SessionStatus
LATER = NOW + 1
TURN = Turn(Role.USER, "hello", NOW)
SPAWN, DELETE = SpawnAgent(SESSION_ID), DeleteRoom(SESSION_ID)
END, RELEASE = EndAgent(SESSION_ID, HOST), ReleaseLease(SESSION_ID, FENCE)

# A row a report, a column a status, in the order of SessionStatus; "." changes no status.
REPORTS: list[tuple[Report, str]] = [
    (AgentJoined(SESSION_ID, FENCE, LATER), ". ready . . . . ."),
    (UserJoined(SESSION_ID, FENCE, LATER), ". active active . . . ."),
    (UserLeft(SESSION_ID, FENCE, LATER), ". . . ready . . ."),
    (StateChanged(SESSION_ID, FENCE, LATER, AgentState.SPEAKING), ". . . . . . ."),
    (TurnEnded(SESSION_ID, FENCE, LATER, TURN), ". . . . . . ."),
    (
        AgentEnded(SESSION_ID, FENCE, LATER, EndReason.IDLE),
        "ending ending ending ending . . .",
    ),
    (
        AgentExited(SESSION_ID, FENCE, LATER, HOST, 1),
        ". queued queued queued ended . .",
    ),
]
CELLS = [
    (before, report, before if after == "." else SessionStatus(after))
    for report, row in REPORTS
    for before, after in zip(SessionStatus, row.split(), strict=True)
]


@pytest.mark.parametrize(("before", "report", "after"), CELLS)
def test_each_report_in_each_status(
    before: SessionStatus, report: Report, after: SessionStatus
) -> None:
    """Catches a report that leads elsewhere, or raises where it came late."""
    decision = decisions.on_report(session_in(before), report, POLICY)
    assert decision.session.status is after


@pytest.mark.parametrize(("before", "report", "after"), CELLS)
def test_a_stale_agent_changes_nothing(
    before: SessionStatus, report: Report, after: SessionStatus
) -> None:
    """Catches a word of an agent that lost its lease to another."""
    session = replace(session_in(before), fence=FENCE + 1)
    decision = decisions.on_report(session, report, POLICY)
    assert (decision.session, decision.actions) == (session, ())


@pytest.mark.parametrize(("before", "report", "after"), CELLS)
def test_a_report_delivered_twice_changes_nothing_more(
    before: SessionStatus, report: Report, after: SessionStatus
) -> None:
    """Catches turns and restarts that are counted twice when a reader dies half-way."""
    once = decisions.on_report(session_in(before), report, POLICY).session
    twice = decisions.on_report(once, report, POLICY)
    assert twice.session == once
    assert twice.actions == ()


def test_an_agent_that_crashed_is_replaced() -> None:
    """Catches a successor that finds the lease still taken, or is never asked for."""
    exited = AgentExited(SESSION_ID, FENCE, LATER, HOST, -9)
    decision = decisions.on_report(session_in(S.ACTIVE), exited, POLICY)
    assert decision.actions == (RELEASE, SPAWN)
    assert decision.session.queued_at == LATER


def test_restarts_have_a_bound() -> None:
    """Catches an agent that is restarted for ever."""
    session = replace(session_in(S.ACTIVE), restarts=POLICY.max_restarts)
    exited = AgentExited(SESSION_ID, FENCE, LATER, HOST, 1)
    decision = decisions.on_report(session, exited, POLICY)
    assert decision.session.status is S.FAILED
    assert decision.session.end_reason is EndReason.AGENT_FAILED
    assert decision.actions == (DELETE,)


def test_the_first_reason_of_an_end_stays() -> None:
    """Catches `room_gone` as the reason, when the room is gone because somebody asked."""
    ended = AgentEnded(SESSION_ID, FENCE, LATER, EndReason.ROOM_GONE)
    decision = decisions.on_report(session_in(S.ENDING), ended, POLICY)
    assert decision.session.end_reason is EndReason.REQUESTED


def test_a_turn_is_kept_in_order_and_counted() -> None:
    """Catches lost or doubled turns."""
    session = session_in(S.ACTIVE)
    for n in range(3):
        turn = Turn(Role.USER, str(n), NOW + n)
        report = TurnEnded(SESSION_ID, FENCE, LATER, turn)
        session = decisions.on_report(session, report, POLICY).session
    assert [turn.text for turn in session.turns] == ["0", "1", "2"]
    assert session.turn_count == 3


def _after_turns(session: Session, count: int, policy: decisions.Policy) -> Session:
    for n in range(count):
        turn = Turn(Role.USER, "x" * 5_000, NOW + n)
        session = decisions.on_report(
            session, TurnEnded(SESSION_ID, FENCE, LATER, turn), policy
        ).session
    return session


def test_a_transcript_has_a_bound() -> None:
    """Catches a record that grows with the call."""
    session = _after_turns(session_in(S.ACTIVE), decisions.MAX_TRANSCRIPT_TURNS + 3, POLICY)
    assert len(session.turns) == decisions.MAX_TRANSCRIPT_TURNS
    assert len(session.turns[0].text) == decisions.MAX_TURN_CHARS
    assert session.turn_count == decisions.MAX_TRANSCRIPT_TURNS + 3


def test_without_transcripts_nothing_said_outlives_the_session() -> None:
    """Catches transcripts that stay although they must not."""
    policy = replace(POLICY, keep_transcripts=False)
    session = _after_turns(session_in(S.ACTIVE), 9, policy)
    assert len(session.turns) == policy.history_turns
    ending = decisions.ask_end(session, EndReason.REQUESTED, NOW, policy).session
    assert decisions.finish(ending, NOW, policy).session.turns == ()


@pytest.mark.parametrize(
    ("before", "after", "actions"),
    [
        (S.QUEUED, S.ENDED, (DELETE,)),
        (S.SPAWNING, S.ENDING, (DELETE, END)),
        (S.READY, S.ENDING, (DELETE, END)),
        (S.ACTIVE, S.ENDING, (DELETE, END)),
        (S.ENDING, S.ENDING, ()),
        (S.ENDED, S.ENDED, ()),
        (S.FAILED, S.FAILED, ()),
    ],
)
def test_ending_in_each_status(
    before: SessionStatus, after: SessionStatus, actions: tuple[Action, ...]
) -> None:
    """Catches an end that waits for nobody, or leaves an agent alone with the user."""
    decision = decisions.ask_end(session_in(before), EndReason.REQUESTED, LATER, POLICY)
    assert (decision.session.status, decision.actions) == (after, actions)


HELD, LOST = Sighting(lease=True), Sighting(lease=False)
REQUEUE_S = POLICY.requeue_after_s
HOST_SAYS_NO = Sighting(lease=True, process=False, process_at=NOW + REQUEUE_S + 1)
HOST_SAID_NO = Sighting(lease=True, process=False, process_at=NOW + REQUEUE_S)
JOINED = Sighting(lease=True, process=True, agent_in_room=True)
BOTH_JOINED = replace(JOINED, user_in_room=True)


@pytest.mark.parametrize(
    ("before", "seen", "waited_s", "after", "actions"),
    [
        (S.QUEUED, LOST, 1, S.QUEUED, ()),
        (S.QUEUED, LOST, 10, S.QUEUED, (SPAWN,)),
        (S.QUEUED, HELD, 10, S.QUEUED, (SPAWN,)),
        (S.QUEUED, LOST, 31, S.FAILED, (DELETE,)),
        (S.SPAWNING, LOST, 1, S.SPAWNING, ()),
        (S.SPAWNING, LOST, 10, S.SPAWNING, (SPAWN,)),
        (S.SPAWNING, LOST, 31, S.FAILED, (DELETE,)),
        (S.SPAWNING, HELD, 31, S.SPAWNING, ()),
        (S.SPAWNING, HELD, 61, S.ENDING, (DELETE, END)),
        (S.SPAWNING, Sighting(), 31, S.SPAWNING, ()),
        (S.SPAWNING, HOST_SAID_NO, 10, S.SPAWNING, ()),
        (S.SPAWNING, HOST_SAYS_NO, 10, S.QUEUED, (RELEASE, SPAWN)),
        (S.SPAWNING, JOINED, 10, S.READY, ()),
        (S.SPAWNING, BOTH_JOINED, 10, S.ACTIVE, ()),
        (S.READY, HELD, 99, S.READY, ()),
        (S.READY, LOST, 99, S.QUEUED, (RELEASE, SPAWN)),
        (S.READY, BOTH_JOINED, 99, S.ACTIVE, ()),
        (S.ACTIVE, BOTH_JOINED, 99, S.ACTIVE, ()),
        (S.ACTIVE, LOST, 99, S.QUEUED, (RELEASE, SPAWN)),
        (S.ACTIVE, replace(JOINED, user_in_room=False), 99, S.READY, ()),
        (S.ACTIVE, Sighting(), 99, S.ACTIVE, ()),
        (S.ENDING, LOST, 99, S.ENDING, ()),
        (S.ENDED, LOST, 99, S.ENDED, ()),
        (S.FAILED, LOST, 99, S.FAILED, ()),
    ],
)
def test_checking_up_on_each_status(
    before: SessionStatus,
    seen: Sighting,
    waited_s: float,
    after: SessionStatus,
    actions: tuple[Action, ...],
) -> None:
    """Catches each difference between Redis, hosts and rooms that is not mended, or wrongly."""
    decision = decisions.check_up(session_in(before), seen, at=NOW + waited_s, policy=POLICY)
    assert (decision.session.status, decision.actions) == (after, actions)


def test_a_session_that_waits_its_turn_is_not_queued_again() -> None:
    """Catches a queue that grows by a task for each waiting session at every look."""
    queued = session_in(S.QUEUED)
    decision = decisions.check_up(queued, LOST, at=NOW + 10, policy=POLICY, tasks_wait=True)
    assert decision.actions == ()


@pytest.mark.parametrize("status", [S.READY, S.ACTIVE])
def test_a_process_that_its_host_does_not_have_is_looked_at_twice(status: SessionStatus) -> None:
    """Catches a restart for what the host told before the agent was there, or none at all."""
    unseen = Sighting(lease=True, process=False, process_at=NOW - 1)
    first = decisions.check_up(session_in(status), unseen, at=NOW, policy=POLICY)
    assert (first.session.missed_since, first.actions) == (NOW, ())
    again = decisions.check_up(first.session, unseen, at=NOW + 5, policy=POLICY)
    assert again.session is first.session
    newer = replace(unseen, process_at=NOW + 4)
    gone = decisions.check_up(first.session, newer, at=NOW + 5, policy=POLICY)
    assert (gone.session.status, gone.actions) == (S.QUEUED, (RELEASE, SPAWN))
    assert gone.session.missed_since is None


def test_an_agent_out_of_its_room_has_time_to_come_back() -> None:
    """Catches a restart of the room server that costs every call its agent, and one left alone."""
    out = Sighting(lease=True, process=True, agent_in_room=False)
    first = decisions.check_up(session_in(S.ACTIVE), out, at=NOW, policy=POLICY)
    assert first.session.missed_since == NOW
    later = NOW + POLICY.rejoin_grace_s
    soon = decisions.check_up(first.session, out, at=later - 1, policy=POLICY)
    assert soon.session is first.session
    unknown = decisions.check_up(first.session, HELD, at=later, policy=POLICY)
    assert unknown.session is first.session
    back = decisions.check_up(first.session, JOINED, at=later, policy=POLICY)
    assert back.session.missed_since is None
    gone = decisions.check_up(first.session, out, at=later, policy=POLICY)
    assert (gone.session.status, gone.actions) == (S.QUEUED, (RELEASE, SPAWN))


@pytest.mark.parametrize(
    ("ending_for_s", "after", "actions"),
    [(1, S.ENDING, ()), (9, S.ENDING, (END,)), (31, S.ENDED, (DELETE,))],
)
def test_an_end_that_does_not_come(
    ending_for_s: float, after: SessionStatus, actions: tuple[Action, ...]
) -> None:
    """Catches a session that is ending for ever as its host is gone."""
    decision = decisions.tidy_up(session_in(S.ENDING), NOW + ending_for_s, POLICY)
    assert (decision.session.status, decision.actions) == (after, actions)


def test_tidying_up_leaves_others_alone() -> None:
    """Catches a clean-up that ends what runs."""
    for status in set(SessionStatus) - {S.ENDING}:
        session = session_in(status)
        assert decisions.tidy_up(session, NOW + 999, POLICY).session is session


def test_only_the_user_who_leaves_counts() -> None:
    """Catches the departure of an agent that is taken for the user's."""
    active = session_in(S.ACTIVE)
    guest = decisions.on_departure(active, identity="guest", visit="PA_1", at=NOW)
    assert guest.session is active
    user = decisions.on_departure(active, identity=active.user_identity, visit="PA_1", at=NOW)
    assert user.session.status is S.READY


def test_a_user_who_came_back_has_not_left() -> None:
    """Catches the end of a visit that is told after the next one began, as when a page reloads."""
    joined = UserJoined(SESSION_ID, FENCE, NOW, visit="PA_2")
    back = decisions.on_report(session_in(S.READY), joined, POLICY).session
    user = back.user_identity
    late = decisions.on_departure(back, identity=user, visit="PA_1", at=LATER)
    assert late.session is back
    gone = decisions.on_departure(back, identity=user, visit="PA_2", at=LATER)
    assert gone.session.status is S.READY


@pytest.mark.parametrize("status", SessionStatus)
def test_an_agent_that_leaves_its_room_is_missed_at_once(status: SessionStatus) -> None:
    """Catches a webhook that nothing comes of, and one of an agent that was to leave."""
    session = session_in(status)
    left = decisions.on_departure(
        session, identity=f"agent-{SESSION_ID}", visit="PA_1", at=LATER
    ).session
    assert left.missed_since == (LATER if status in (S.READY, S.ACTIVE) else None)
    again = decisions.on_departure(left, identity=f"agent-{SESSION_ID}", visit="PA_1", at=LATER + 9)
    assert again.session is left


def test_placing_a_session_that_was_ended_meanwhile_changes_nothing() -> None:
    """Catches an agent for a session that is over."""
    ended = session_in(S.ENDED)
    assert decisions.place(ended, HOST, FENCE + 1, NOW).session is ended
    assert decisions.place(fresh(), HOST, FENCE, NOW).session.status is S.SPAWNING


def test_an_agent_that_is_well_is_noted_once() -> None:
    """Catches a write to Redis for every look at every healthy session."""
    session = session_in(S.ACTIVE)
    again = decisions.check_up(session, BOTH_JOINED, at=NOW, policy=POLICY)
    assert again.session is session
    assert session.apply(AgentMissed(NOW)).missed_since == NOW
