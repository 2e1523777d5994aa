"""A session: its record, and the one table of where it goes from where.

    queued ──Placed──► spawning ──AgentArrived──► ready ◄──UserWentAway── active
       ▲                  │                         └──UserArrived──────────►
       └─Unplaced, AgentLost──────────── (AgentLost from ready and active too)
    any of these ──EndAsked──► ending ──Finished──► ended | failed
    any of these and ending ──Failed──► failed

An event that the table does not have raises `IllegalTransition` and changes nothing.
"""

import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

from pydantic import JsonValue, TypeAdapter

from agent.job import (
    NO_BRIEF,
    AgentState,
    Brief,
    EndReason,
    Handover,
    Job,
    Turn,
    agent_identity,
)
from orchestrator.errors import IllegalTransition

_ID_ALPHABET = string.digits + string.ascii_lowercase
_ID_RANDOM_LENGTH = 9
_ID = re.compile(r"session_[0-9]{13}_[0-9a-z]{9}")


class SessionStatus(StrEnum):
    """Where a session is."""

    QUEUED = "queued"
    """Waits for an agent to be placed."""
    SPAWNING = "spawning"
    """A host was asked to run its agent."""
    READY = "ready"
    """The agent is in the room."""
    ACTIVE = "active"
    """The agent and the user are."""
    ENDING = "ending"
    ENDED = "ended"
    FAILED = "failed"


WAITING = frozenset({SessionStatus.QUEUED, SessionStatus.SPAWNING})
TERMINAL = frozenset({SessionStatus.ENDED, SessionStatus.FAILED})
FAILURES = frozenset({EndReason.AGENT_FAILED, EndReason.NOT_PLACED})
"""Reasons with which a session has failed, and has not ended."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Its lease was taken for an agent on a host."""

    host: str
    fence: int
    at: float


@dataclass(frozen=True, slots=True)
class Unplaced:
    """The host did not take it; it waits again."""


@dataclass(frozen=True, slots=True)
class AgentArrived:
    """Its agent is in the room."""

    at: float


@dataclass(frozen=True, slots=True)
class UserArrived:
    """Its user is in the room; `visit` is LiveKit's id of this stay, where it is known."""

    visit: str = ""


@dataclass(frozen=True, slots=True)
class UserWentAway:
    """Its user is out of the room, for now at least."""


@dataclass(frozen=True, slots=True)
class AgentMissed:
    """Its agent was not to be seen for the first time; None: it is back."""

    since: float | None


@dataclass(frozen=True, slots=True)
class AgentLost:
    """Its agent is gone, and another one is to take its place."""

    at: float


@dataclass(frozen=True, slots=True)
class AgentActed:
    """Its agent began to listen, think or speak."""

    state: AgentState


@dataclass(frozen=True, slots=True)
class TurnsKept:
    """Something was said: the turns to keep from now on, oldest first."""

    turns: tuple[Turn, ...]
    count: int
    """How many there were in all."""


@dataclass(frozen=True, slots=True)
class HandoverMoved:
    """Its assistant asked for a person, or it goes on with one, or without."""

    handover: Handover


@dataclass(frozen=True, slots=True)
class EndAsked:
    """It is to end: silence the agent, empty the room."""

    reason: EndReason
    at: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """Nothing of it runs any more."""

    at: float


@dataclass(frozen=True, slots=True)
class Failed:
    """It came to nothing, and nothing of it is to run any more."""

    reason: EndReason
    at: float
    error: str = ""


Event = (
    Placed
    | Unplaced
    | AgentArrived
    | UserArrived
    | UserWentAway
    | AgentMissed
    | AgentLost
    | AgentActed
    | TurnsKept
    | HandoverMoved
    | EndAsked
    | Finished
    | Failed
)

_S = SessionStatus
TRANSITIONS: Mapping[tuple[SessionStatus, type[Event]], SessionStatus] = MappingProxyType(
    {
        (_S.QUEUED, Placed): _S.SPAWNING,
        (_S.QUEUED, TurnsKept): _S.QUEUED,
        (_S.QUEUED, EndAsked): _S.ENDING,
        (_S.QUEUED, Failed): _S.FAILED,
        (_S.SPAWNING, Placed): _S.SPAWNING,
        (_S.SPAWNING, Unplaced): _S.QUEUED,
        (_S.SPAWNING, AgentArrived): _S.READY,
        (_S.SPAWNING, AgentLost): _S.QUEUED,
        (_S.SPAWNING, TurnsKept): _S.SPAWNING,
        (_S.SPAWNING, EndAsked): _S.ENDING,
        (_S.SPAWNING, Failed): _S.FAILED,
        (_S.READY, UserArrived): _S.ACTIVE,
        (_S.READY, AgentMissed): _S.READY,
        (_S.READY, AgentLost): _S.QUEUED,
        (_S.READY, AgentActed): _S.READY,
        (_S.READY, TurnsKept): _S.READY,
        (_S.READY, HandoverMoved): _S.READY,
        (_S.READY, EndAsked): _S.ENDING,
        (_S.READY, Failed): _S.FAILED,
        (_S.ACTIVE, UserWentAway): _S.READY,
        (_S.ACTIVE, AgentMissed): _S.ACTIVE,
        (_S.ACTIVE, AgentLost): _S.QUEUED,
        (_S.ACTIVE, AgentActed): _S.ACTIVE,
        (_S.ACTIVE, TurnsKept): _S.ACTIVE,
        (_S.ACTIVE, HandoverMoved): _S.ACTIVE,
        (_S.ACTIVE, EndAsked): _S.ENDING,
        (_S.ACTIVE, Failed): _S.FAILED,
        (_S.ENDING, TurnsKept): _S.ENDING,
        (_S.ENDING, Finished): _S.ENDED,
        (_S.ENDING, Failed): _S.FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class Session:
    """The record of a session. Times are Unix seconds."""

    session_id: str
    """Also the name of its room."""
    user_identity: str
    user_name: str
    language: str
    voice: str
    opening_line: str
    knowledge_base: str
    created_at: float
    queued_at: float
    """Since when it waits for the agent that it waits for, or waited for."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    deployment: str = ""
    """Whose its room is (`orchestrator.deployment`)."""
    brief: Brief = NO_BRIEF
    handover: Handover | None = None
    """None: nobody has asked for a person."""
    status: SessionStatus = SessionStatus.QUEUED
    host: str = ""
    """Of the last agent."""
    fence: int = 0
    """Of the last agent's lease."""
    placed_at: float = 0.0
    """When the last agent's lease was taken."""
    restarts: int = 0
    """How many agents were lost."""
    agent_joined_at: float | None = None
    """When the first agent came."""
    agent_state: AgentState | None = None
    visit: str = ""
    """LiveKit's id of the user's last stay in the room, where it is known."""
    missed_since: float | None = None
    """Since when its agent is not seen somewhere where it should be."""
    ending_at: float | None = None
    ended_at: float | None = None
    end_reason: EndReason | None = None
    error: str = ""
    turn_count: int = 0
    turns: tuple[Turn, ...] = ()
    """What was said and is kept, oldest first."""

    @property
    def is_over(self) -> bool:
        """It has ended or failed."""
        return self.status in TERMINAL

    @property
    def agent_identity(self) -> str:
        """Who its agent is in the room."""
        return agent_identity(self.session_id)

    def allows(self, event: type[Event]) -> bool:
        """Whether such an event can happen to it now."""
        return (self.status, event) in TRANSITIONS

    def apply(self, event: Event) -> "Session":
        """The session after the event. Raises `IllegalTransition`."""
        status = TRANSITIONS.get((self.status, type(event)))
        if status is None:
            raise IllegalTransition(f"{type(event).__name__} in {self.status}")
        if isinstance(event, Finished) and self.end_reason in FAILURES:
            status = SessionStatus.FAILED
        return replace(_with(self, event), status=status)

    def job(self, *, history_turns: int) -> Job:
        """What its next agent is to do, with the last turns of what was said before."""
        return Job(
            session_id=self.session_id,
            fence=self.fence,
            user_identity=self.user_identity,
            user_name=self.user_name,
            language=self.language,
            voice=self.voice,
            opening_line=self.opening_line,
            knowledge_base=self.knowledge_base,
            metadata=self.metadata,
            history=self.turns[-history_turns:] if history_turns else (),
            attempt=self.restarts,
            deployment=self.deployment,
            brief=self.brief,
            handover=self.handover,
        )


def _with(session: Session, event: Event) -> Session:
    match event:
        case Placed(host, fence, at):
            return replace(session, host=host, fence=fence, placed_at=at)
        case AgentArrived(at):
            return replace(session, agent_joined_at=session.agent_joined_at or at)
        case Unplaced() | UserWentAway():
            return session
        case UserArrived(visit):
            return replace(session, visit=visit)
        case AgentMissed(since):
            return replace(session, missed_since=since)
        case AgentLost(at):
            return replace(
                session,
                queued_at=at,
                restarts=session.restarts + 1,
                agent_state=None,
                missed_since=None,
            )
        case AgentActed(state):
            return replace(session, agent_state=state)
        case TurnsKept(turns, count):
            return replace(session, turns=turns, turn_count=count)
        case HandoverMoved(handover):
            return replace(session, handover=handover)
        case EndAsked() | Finished() | Failed():
            return _towards_end(session, event)
        case _:
            assert_never(event)


def _towards_end(session: Session, event: EndAsked | Finished | Failed) -> Session:
    match event:
        case EndAsked(reason, at, error):
            return replace(session, end_reason=reason, ending_at=at, error=error, agent_state=None)
        case Finished(at):
            return replace(session, ended_at=at)
        case Failed(reason, at, error):
            return replace(session, end_reason=reason, ended_at=at, error=error, agent_state=None)
        case _:
            assert_never(event)


def new_session_id(at: float) -> str:
    """A fresh id; `at` in Unix seconds."""
    tail = "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_RANDOM_LENGTH))
    return f"session_{int(at * 1000):013d}_{tail}"


def is_session_id(text: str) -> bool:
    """Whether it has the form of an id."""
    return _ID.fullmatch(text) is not None


SESSION_CODEC: TypeAdapter[Session] = TypeAdapter(Session)
