"""What an agent is asked to do (`Job`), and what it and its host report back (`Report`).

This is the one vocabulary that the control plane and the agents share. It travels as JSON: a job
over the host's unix socket, a report through the Redis stream `REPORTS_STREAM`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from agent.assistants.description import AS_SET, HandOver, StageProviders, Tool

REPORTS_STREAM = "majlis:reports"
"""Redis stream of reports; each entry has the one field `report`, a JSON document."""


class Role(StrEnum):
    """Who said a turn."""

    USER = "user"
    ASSISTANT = "assistant"


class AgentState(StrEnum):
    """What the agent is doing, in the words of LiveKit's attribute `lk.agent.state`."""

    INITIALIZING = "initializing"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"


class EndReason(StrEnum):
    """Why a session is over."""

    REQUESTED = "requested"
    """Somebody called the end of it over the API."""
    USER_LEFT = "user_left"
    USER_LOST = "user_lost"
    """The user's connection broke and did not come back within the grace time."""
    USER_NEVER_CAME = "user_never_came"
    IDLE = "idle"
    """Nobody said anything for the session timeout."""
    ROOM_GONE = "room_gone"
    """The room was deleted, or the room server could not be reached again."""
    DRAINED = "drained"
    """The machine was taken out of service and the time for running calls was over."""
    AGENT_FAILED = "agent_failed"
    """The agent died or gave up, and no further one could take its place."""
    NOT_PLACED = "not_placed"
    """No machine took the session in time."""


@dataclass(frozen=True, slots=True)
class Source:
    """One passage that an answer rests on."""

    filename: str
    chunk_index: int
    similarity_score: float
    """0..1, where 1 is a perfect match."""
    preview: str
    """The beginning of the passage, at most 200 characters."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that was said: what the user was heard to say, or what the user heard."""

    role: Role
    text: str
    at: float
    """Unix time in seconds when it began."""
    interrupted: bool = False
    """The user spoke over it; `text` is then the part that was played."""
    sources: tuple[Source, ...] = ()


class HandoverState(StrEnum):
    """How far a conversation is handed over to a person."""

    WAITING = "waiting"
    """A person was asked for; the assistant keeps quiet meanwhile."""
    TAKEN = "taken"
    """A person is in the room, and the assistant keeps quiet."""
    MISSED = "missed"
    """Nobody came in time, and the assistant goes on."""
    ENDED = "ended"
    """The person has left, and the assistant goes on."""


@dataclass(frozen=True, slots=True)
class Handover:
    """A person was asked for. Times are Unix seconds."""

    state: HandoverState
    reason: str
    summary: str
    """Of the conversation so far, for that person."""
    asked_at: float
    changed_at: float
    """When it came into its state."""


@dataclass(frozen=True, slots=True)
class Brief:
    """What the assistant of a session is told and may do, beside what the session says itself.

    Resolved when the session starts, so that an agent anywhere needs no file.
    """

    assistant: str = ""
    """Its name; empty: none was chosen, and the settings say all of it."""
    instructions: str = ""
    """Who it is, for a language model; empty: our own words."""
    stages: StageProviders = AS_SET
    tools: tuple[Tool, ...] = ()

    @property
    def hand_over(self) -> HandOver | None:
        """How it asks for a person, where it may."""
        return next((tool for tool in self.tools if isinstance(tool, HandOver)), None)


NO_BRIEF = Brief()


@dataclass(frozen=True, slots=True)
class Job:
    """One session for an agent to run, from joining its room to leaving it."""

    session_id: str
    """Also the room's name."""
    fence: int
    """Fencing token of the lease under which this agent runs; a larger one makes it stale."""
    user_identity: str
    user_name: str
    language: str
    """BCP-47, `en-US`."""
    voice: str
    """As the client named it; `agent.stages.voices` maps it for the synthesiser in use."""
    opening_line: str
    """Spoken when the user is there; empty: say nothing."""
    knowledge_base: str
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)
    history: tuple[Turn, ...] = ()
    """What was said before, oldest first, when this agent takes over from another."""
    attempt: int = 0
    """How many agents this session has had before."""
    deployment: str = ""
    """Whose the room is, where several deployments share a room server."""
    brief: Brief = NO_BRIEF
    handover: Handover | None = None
    """How it stands, when this agent takes over from another."""

    @property
    def agent_identity(self) -> str:
        """Who the agent is in the room."""
        return agent_identity(self.session_id)


def agent_identity(session_id: str) -> str:
    """The same for every agent of the session, so that a successor takes the place over."""
    return f"agent-{session_id}"


@dataclass(frozen=True, slots=True)
class AgentJoined:
    """The agent is in the room."""

    session_id: str
    fence: int
    at: float
    kind: Literal["agent_joined"] = "agent_joined"


@dataclass(frozen=True, slots=True)
class UserJoined:
    """The user is in the room, for the first time or again."""

    session_id: str
    fence: int
    at: float
    visit: str = ""
    """LiveKit's id of this stay in the room (the participant's `sid`)."""
    kind: Literal["user_joined"] = "user_joined"


@dataclass(frozen=True, slots=True)
class UserLeft:
    """The user is not in the room; the agent waits for the grace time."""

    session_id: str
    fence: int
    at: float
    kind: Literal["user_left"] = "user_left"


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The agent began to listen, think or speak."""

    session_id: str
    fence: int
    at: float
    state: AgentState
    kind: Literal["state_changed"] = "state_changed"


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """Something was said, by either side."""

    session_id: str
    fence: int
    at: float
    turn: Turn
    kind: Literal["turn_ended"] = "turn_ended"


@dataclass(frozen=True, slots=True)
class HandoverChanged:
    """A person was asked for, came, did not come, or left."""

    session_id: str
    fence: int
    at: float
    handover: Handover
    kind: Literal["handover_changed"] = "handover_changed"


@dataclass(frozen=True, slots=True)
class AgentEnded:
    """The agent has ended the conversation on purpose and is about to exit."""

    session_id: str
    fence: int
    at: float
    reason: EndReason
    error: str = ""
    kind: Literal["agent_ended"] = "agent_ended"


@dataclass(frozen=True, slots=True)
class AgentExited:
    """The host saw the agent's process end, however it ended."""

    session_id: str
    fence: int
    at: float
    host: str
    exit_code: int
    """As `subprocess` has it: negative is the number of the signal; 255 for an adopted process
    whose code cannot be known."""
    kind: Literal["agent_exited"] = "agent_exited"


Report = Annotated[
    AgentJoined
    | UserJoined
    | UserLeft
    | StateChanged
    | TurnEnded
    | HandoverChanged
    | AgentEnded
    | AgentExited,
    Field(discriminator="kind"),
]

JOB_CODEC: TypeAdapter[Job] = TypeAdapter(Job)
REPORT_CODEC: TypeAdapter[Report] = TypeAdapter(Report)
TURNS_CODEC: TypeAdapter[tuple[Turn, ...]] = TypeAdapter(tuple[Turn, ...])
