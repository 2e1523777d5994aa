"""Sessions in each status, made by the events that lead there."""

from agent.job import EndReason
from orchestrator.sessions.decisions import Policy
from orchestrator.sessions.session import (
    AgentArrived,
    EndAsked,
    Event,
    Failed,
    Finished,
    Placed,
    Session,
    SessionStatus,
    UserArrived,
)

SESSION_ID = "session_1730462400000_abc123xyz"
HOST = "machine-a"
FENCE = 7
NOW = 1_000.0

POLICY = Policy(max_restarts=2, history_turns=4, keep_transcripts=True, spawn_timeout_s=30.0)

_PLACED: tuple[Event, ...] = (Placed(HOST, FENCE, NOW),)
_READY = (*_PLACED, AgentArrived(NOW))
_ENDING = (*_READY, EndAsked(EndReason.REQUESTED, NOW))
PATHS: dict[SessionStatus, tuple[Event, ...]] = {
    SessionStatus.QUEUED: (),
    SessionStatus.SPAWNING: _PLACED,
    SessionStatus.READY: _READY,
    SessionStatus.ACTIVE: (*_READY, UserArrived()),
    SessionStatus.ENDING: _ENDING,
    SessionStatus.ENDED: (*_ENDING, Finished(NOW)),
    SessionStatus.FAILED: (Failed(EndReason.NOT_PLACED, NOW),),
}


def fresh(session_id: str = SESSION_ID, *, at: float = NOW) -> Session:
    return Session(
        session_id=session_id,
        user_identity=f"user-{session_id}",
        user_name="Jane",
        language="en-US",
        voice="Ashley",
        opening_line="Hello!",
        knowledge_base="default",
        created_at=at,
        queued_at=at,
    )


def session_in(status: SessionStatus) -> Session:
    session = fresh()
    for event in PATHS[status]:
        session = session.apply(event)
    assert session.status is status
    return session
