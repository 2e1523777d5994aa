"""What follows from what is reported, asked or missed. Pure: decides, does nothing.

Each function takes a session as it is and returns it as it shall be, with what is to be done once
that is recorded. What a session's state has no use for (a report that came late) changes nothing.
"""

from dataclasses import dataclass, replace
from typing import assert_never

from agent.job import (
    AgentEnded,
    AgentExited,
    AgentJoined,
    EndReason,
    HandoverChanged,
    Report,
    StateChanged,
    Turn,
    TurnEnded,
    UserJoined,
    UserLeft,
)
from orchestrator.sessions.session import (
    WAITING,
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
    Session,
    SessionStatus,
    TurnsKept,
    Unplaced,
    UserArrived,
    UserWentAway,
)
from orchestrator.sessions.sightings import Sighting

MAX_TRANSCRIPT_TURNS = 400
MAX_TURN_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient the control plane is, and what it keeps."""

    max_restarts: int
    history_turns: int
    keep_transcripts: bool
    spawn_timeout_s: float
    leases_settle_s: float = 10.0
    """After Redis was away, how long agents take to take their leases up again."""
    rejoin_grace_s: float = 20.0
    """How long an agent may be out of its room, as when the room server is started again."""
    requeue_after_s: float = 5.0
    """After which time in the queue a session is queued again, in case its task was lost."""
    end_again_after_s: float = 8.0
    """After which time an agent that should have ended is told again."""
    give_up_ending_s: float = 30.0
    """After which time a session that should have ended is taken for ended."""


@dataclass(frozen=True, slots=True)
class SpawnAgent:
    """Queue the placing of an agent."""

    session_id: str


@dataclass(frozen=True, slots=True)
class EndAgent:
    """Have the host end the session's agent."""

    session_id: str
    host: str


@dataclass(frozen=True, slots=True)
class ReleaseLease:
    """Let another agent take the session."""

    session_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class DeleteRoom:
    """Throw everybody out."""

    session_id: str


Action = SpawnAgent | EndAgent | ReleaseLease | DeleteRoom


@dataclass(frozen=True, slots=True)
class Decision:
    """The session as it shall be, and what to do then, in order."""

    session: Session
    actions: tuple[Action, ...] = ()


def on_report(session: Session, report: Report, policy: Policy) -> Decision:
    """What an agent or its host told."""
    if report.fence < session.fence:
        return Decision(session)
    match report:
        case AgentJoined(at=at):
            return Decision(_if_allowed(session, AgentArrived(at)))
        case UserJoined(at=at, visit=visit):
            # The agent sees the user from within the room, so it is there itself.
            session = _if_allowed(session, AgentArrived(at))
            return Decision(_if_allowed(session, UserArrived(visit)))
        case UserLeft():
            return Decision(_if_allowed(session, UserWentAway()))
        case StateChanged(state=state):
            return Decision(_if_allowed(session, AgentActed(state)))
        case TurnEnded(turn=turn):
            return Decision(_if_allowed(session, _kept(session, turn, policy)))
        case HandoverChanged(handover=handover):
            return Decision(_if_allowed(session, HandoverMoved(handover)))
        case AgentEnded(reason=reason, at=at, error=error):
            return Decision(_if_allowed(session, EndAsked(reason, at, error)))
        case AgentExited(at=at):
            if session.status is SessionStatus.ENDING:
                return finish(session, at, policy)
            return agent_lost(session, at, policy)
        case _:
            assert_never(report)


def on_departure(session: Session, *, identity: str, visit: str, at: float) -> Decision:
    """The room server saw a participant leave, at the end of a `visit` (its `sid`).

    A user who came back has begun another visit: the end of the one before is often told after it.
    The agent keeps the grace time for the user. An agent has a grace time too: its process may be
    well and come back, or be on its way out, which its host reports.
    """
    if identity == session.user_identity:
        if session.visit and visit != session.visit:
            return Decision(session)
        return Decision(_if_allowed(session, UserWentAway()))
    if identity == session.agent_identity and session.missed_since is None:
        return Decision(_if_allowed(session, AgentMissed(at)))
    return Decision(session)


def on_room_started(session: Session) -> Decision:
    """A room came up; one of a session that is over has a guest who is late."""
    return Decision(session, (DeleteRoom(session.session_id),) if session.is_over else ())


def agent_lost(session: Session, at: float, policy: Policy) -> Decision:
    """Its agent is gone and was not meant to be: another takes over, or the session fails."""
    if not session.allows(AgentLost):
        return Decision(session)
    if session.restarts >= policy.max_restarts:
        return fail(session, EndReason.AGENT_FAILED, at, policy, "The agent failed repeatedly.")
    return Decision(
        session.apply(AgentLost(at)),
        (
            ReleaseLease(session.session_id, session.fence),
            SpawnAgent(session.session_id),
        ),
    )


def ask_end(
    session: Session, reason: EndReason, at: float, policy: Policy, error: str = ""
) -> Decision:
    """End it: at once when no agent can be running, else when its agent has exited."""
    if not session.allows(EndAsked):
        return Decision(session)
    ending = session.apply(EndAsked(reason, at, error))
    if session.status is SessionStatus.QUEUED:
        return finish(ending, at, policy)
    return Decision(
        ending, (DeleteRoom(session.session_id), EndAgent(session.session_id, session.host))
    )


def finish(session: Session, at: float, policy: Policy) -> Decision:
    """Nothing of an ending session runs any more."""
    if not session.allows(Finished):
        return Decision(session)
    return Decision(_closed(session.apply(Finished(at)), policy), (DeleteRoom(session.session_id),))


def fail(session: Session, reason: EndReason, at: float, policy: Policy, error: str) -> Decision:
    """It cannot go on."""
    if not session.allows(Failed):
        return Decision(session)
    failed = _closed(session.apply(Failed(reason, at, error)), policy)
    return Decision(failed, (DeleteRoom(session.session_id),))


def place(session: Session, host: str, fence: int, at: float) -> Decision:
    """The lease was taken for an agent on a host."""
    return Decision(_if_allowed(session, Placed(host, fence, at)))


def unplace(session: Session, fence: int, at: float, policy: Policy) -> Decision:
    """The host did not take it under this fence: it waits on, or is over if it was to end."""
    if session.fence != fence:
        return Decision(session)
    if session.status is SessionStatus.ENDING:
        return finish(session, at, policy)
    return Decision(_if_allowed(session, Unplaced()))


def is_overdue(session: Session, at: float, policy: Policy) -> bool:
    """Whether it has waited for an agent for longer than it may."""
    return session.status in WAITING and at - session.queued_at > policy.spawn_timeout_s


def not_placed(session: Session, at: float, policy: Policy) -> Decision:
    """No machine took it in its time."""
    if session.status not in WAITING:
        return Decision(session)
    return fail(session, EndReason.NOT_PLACED, at, policy, "No machine took the session in time.")


def check_up(
    session: Session, seen: Sighting, *, at: float, policy: Policy, tasks_wait: bool = False
) -> Decision:
    """Compare a session with what is to be seen of its agent, and mend what differs.

    `tasks_wait`: sessions wait for a machine with room, and this one may be among them.
    """
    session = _not_before(session, at)
    match session.status:
        case SessionStatus.QUEUED:
            return _check_queued(session, at, policy, tasks_wait=tasks_wait)
        case SessionStatus.SPAWNING:
            return _check_spawning(session, seen, at, policy, tasks_wait=tasks_wait)
        case SessionStatus.READY | SessionStatus.ACTIVE:
            return _check_present(_with_user(session, seen), seen, at, policy)
        case SessionStatus.ENDING | SessionStatus.ENDED | SessionStatus.FAILED:
            return Decision(session)
        case _:
            assert_never(session.status)


def _check_queued(session: Session, at: float, policy: Policy, *, tasks_wait: bool) -> Decision:
    waited_s = at - session.queued_at
    if waited_s > policy.spawn_timeout_s:
        return not_placed(session, at, policy)
    if waited_s > policy.requeue_after_s and not tasks_wait:
        return Decision(session, (SpawnAgent(session.session_id),))
    return Decision(session)


def _check_spawning(
    session: Session, seen: Sighting, at: float, policy: Policy, *, tasks_wait: bool
) -> Decision:
    if seen.lease is False:
        return _check_queued(session, at, policy, tasks_wait=tasks_wait)
    if seen.agent_in_room and seen.process:
        # its report was lost with a Redis that came back without its last second
        return Decision(_with_user(session.apply(AgentArrived(at)), seen))
    if seen.process is False and seen.process_at > session.placed_at + policy.requeue_after_s:
        release = ReleaseLease(session.session_id, session.fence)
        return Decision(session.apply(Unplaced()), (release, SpawnAgent(session.session_id)))
    if at - session.queued_at <= 2 * policy.spawn_timeout_s:
        return Decision(session)
    error = "The agent did not reach the room."
    return ask_end(session, EndReason.AGENT_FAILED, at, policy, error)


def _check_present(session: Session, seen: Sighting, at: float, policy: Policy) -> Decision:
    if seen.lease is False:
        return agent_lost(session, at, policy)
    since = session.missed_since
    if not seen.missing:
        back = since is not None and seen.agent_in_room
        return Decision(session.apply(AgentMissed(None)) if back else session)
    if since is None:
        return Decision(session.apply(AgentMissed(at)))
    # a host tells of what was a second ago, and of an agent that ended it reports by itself
    if seen.process is False and seen.process_at > since:
        return agent_lost(session, at, policy)
    if seen.agent_in_room is False and at - since >= policy.rejoin_grace_s:
        return agent_lost(session, at, policy)
    return Decision(session)


def _with_user(session: Session, seen: Sighting) -> Session:
    """The session with its user where the user was seen to be."""
    if seen.user_in_room is None:
        return session
    return _if_allowed(session, UserArrived() if seen.user_in_room else UserWentAway())


def tidy_up(session: Session, at: float, policy: Policy) -> Decision:
    """A session that is ending for too long is ended again, and then taken for ended."""
    session = _not_before(session, at)
    if session.status is not SessionStatus.ENDING or session.ending_at is None:
        return Decision(session)
    ending_for_s = at - session.ending_at
    if ending_for_s > policy.give_up_ending_s:
        return finish(session, at, policy)
    if ending_for_s > policy.end_again_after_s:
        return Decision(session, (EndAgent(session.session_id, session.host),))
    return Decision(session)


def _not_before(session: Session, at: float) -> Session:
    """The session with no wait that begins in the future: the clock has been set back since."""
    begun = (session.queued_at, session.placed_at, session.missed_since, session.ending_at)
    if all(since is None or since <= at for since in begun):
        return session
    return replace(
        session,
        queued_at=min(session.queued_at, at),
        placed_at=min(session.placed_at, at),
        missed_since=_earlier(session.missed_since, at),
        ending_at=_earlier(session.ending_at, at),
    )


def _earlier(since: float | None, at: float) -> float | None:
    return None if since is None else min(since, at)


def _if_allowed(session: Session, event: Event) -> Session:
    return session.apply(event) if session.allows(type(event)) else session


def _kept(session: Session, turn: Turn, policy: Policy) -> TurnsKept:
    if any(kept.at == turn.at and kept.role is turn.role for kept in session.turns[-8:]):
        return TurnsKept(session.turns, session.turn_count)  # reported twice
    limit = max(policy.history_turns, MAX_TRANSCRIPT_TURNS if policy.keep_transcripts else 0)
    turns = (*session.turns, replace(turn, text=turn.text[:MAX_TURN_CHARS]))
    return TurnsKept(turns[-limit:] if limit else (), session.turn_count + 1)


def _closed(session: Session, policy: Policy) -> Session:
    if policy.keep_transcripts:
        return session
    handover = session.handover and replace(session.handover, reason="", summary="")
    return replace(session, turns=(), handover=handover)
