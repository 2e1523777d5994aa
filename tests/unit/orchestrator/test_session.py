"""The table of where a session goes from where, and the session's id and job."""

import pytest

from agent.job import AgentState, EndReason, Handover, HandoverState, Role, Turn
from orchestrator.errors import IllegalTransition
from orchestrator.sessions.session import (
    AgentActed,
    AgentArrived,
    AgentLost,
    AgentMissed,
    EndAsked,
    Event,
    Failed,
    Finished,
    HandoverMoved,
    Placed,
    SessionStatus,
    TurnsKept,
    Unplaced,
    UserArrived,
    UserWentAway,
    is_session_id,
    new_session_id,
)
from tests.unit.orchestrator.sessions import NOW, SESSION_ID, fresh, session_in

S = SessionStatus
TURN = Turn(Role.USER, "hello", NOW)
HANDOVER = Handover(HandoverState.WAITING, "asked for", "about a lamp", NOW, NOW)

# A row an event, a column a status, in the order of SessionStatus; "" is illegal.
TABLE: list[tuple[Event, str]] = [
    (Placed("m", 9, 0.0), "spawning spawning - - - - -"),
    (Unplaced(), "- queued - - - - -"),
    (AgentArrived(NOW), "- ready - - - - -"),
    (UserArrived(), "- - active - - - -"),
    (UserWentAway(), "- - - ready - - -"),
    (AgentMissed(NOW), "- - ready active - - -"),
    (AgentLost(NOW), "- queued queued queued - - -"),
    (AgentActed(AgentState.THINKING), "- - ready active - - -"),
    (TurnsKept((TURN,), 1), "queued spawning ready active ending - -"),
    (HandoverMoved(HANDOVER), "- - ready active - - -"),
    (EndAsked(EndReason.REQUESTED, NOW), "ending ending ending ending - - -"),
    (Finished(NOW), "- - - - ended - -"),
    (Failed(EndReason.AGENT_FAILED, NOW), "failed failed failed failed failed - -"),
]
CELLS = [
    (before, event, after)
    for event, row in TABLE
    for before, after in zip(SessionStatus, row.split(), strict=True)
]


@pytest.mark.parametrize(("before", "event", "after"), CELLS)
def test_each_cell_of_the_table(before: SessionStatus, event: Event, after: str) -> None:
    """Catches a cell that leads elsewhere, or an illegal event that is let through."""
    session = session_in(before)
    assert session.allows(type(event)) is (after != "-")
    if after == "-":
        with pytest.raises(IllegalTransition):
            session.apply(event)
        assert session == session_in(before)
    else:
        assert session.apply(event).status == after


def test_every_status_and_every_event_is_in_the_table() -> None:
    """Catches a status or an event that was added without its cells."""
    assert len(CELLS) == len(SessionStatus) * len(Event.__args__)


def test_a_lost_agent_leaves_its_traces() -> None:
    """Catches a successor that is not counted, or waits since the session's beginning."""
    session = session_in(S.ACTIVE).apply(AgentLost(NOW + 60))
    assert (session.restarts, session.queued_at, session.agent_state) == (1, NOW + 60, None)
    assert session.agent_joined_at == NOW


def test_the_first_agent_is_the_one_whose_coming_counts() -> None:
    """Catches a join time that moves with every restart."""
    session = session_in(S.READY).apply(AgentLost(NOW + 5)).apply(Placed("m", 8, NOW))
    assert session.apply(AgentArrived(NOW + 6)).agent_joined_at == NOW


def test_a_session_that_ends_for_a_failure_has_failed() -> None:
    """Catches `ended` for a session whose agent gave up."""
    session = session_in(S.READY).apply(EndAsked(EndReason.AGENT_FAILED, NOW, "no voice"))
    assert session.apply(Finished(NOW)).status is S.FAILED


def test_the_job_has_the_last_turns_only() -> None:
    """Catches a history without a bound, or one that begins at the wrong end."""
    turns = tuple(Turn(Role.USER, str(n), NOW + n) for n in range(6))
    session = session_in(S.READY).apply(TurnsKept(turns, 6))
    assert [turn.text for turn in session.job(history_turns=2).history] == ["4", "5"]
    assert session.job(history_turns=0).history == ()


def test_ids_have_the_form_of_the_contract() -> None:
    """Catches ids that existing clients would not take."""
    made = new_session_id(1_730_462_400.0)
    assert made.startswith("session_1730462400000_")
    assert is_session_id(made)
    assert made != new_session_id(1_730_462_400.0)


@pytest.mark.parametrize(
    "text",
    ["", "abc", "session_1_abc123xyz", SESSION_ID + "x", SESSION_ID.upper(), SESSION_ID + "\n"],
)
def test_other_texts_are_no_ids(text: str) -> None:
    """Catches a text from a client that reaches a key in Redis."""
    assert not is_session_id(text)


def test_a_fresh_session_waits() -> None:
    """Catches a session that begins anywhere else."""
    assert fresh().status is S.QUEUED
