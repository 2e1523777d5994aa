"""What the agent host is asked over its unix socket, and what it answers.

One JSON document a line, one answer to each request, in order. Only the user that runs the host
can reach the socket (its folder is 0700), so there is no authentication on it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from agent.job import Job

MAX_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Spawn:
    """Run this job. A job whose session already runs here under the same fence is not run twice;
    one with a larger fence replaces the agent that runs."""

    job: Job
    op: Literal["spawn"] = "spawn"


@dataclass(frozen=True, slots=True)
class End:
    """Stop the agent of this session; it is killed if it is not gone after `grace_s`.

    Answered at once, before the process is gone; `AgentExited` tells when it is.
    """

    session_id: str
    grace_s: float = 2.0
    op: Literal["end"] = "end"


@dataclass(frozen=True, slots=True)
class Prewarm:
    """Keep this many idle agents ready."""

    size: int
    op: Literal["prewarm"] = "prewarm"


@dataclass(frozen=True, slots=True)
class Status:
    """Say what runs here."""

    op: Literal["status"] = "status"


@dataclass(frozen=True, slots=True)
class Drain:
    """Take no more jobs; exit when the running ones are over."""

    op: Literal["drain"] = "drain"


HostRequest = Annotated[Spawn | End | Prewarm | Status | Drain, Field(discriminator="op")]


class Refusal(StrEnum):
    """Why a host did not do what it was asked."""

    FULL = "full"
    DRAINING = "draining"
    STALE = "stale"
    """The session runs here under a larger fence."""
    NOT_FOUND = "not_found"
    BAD_REQUEST = "bad_request"


@dataclass(frozen=True, slots=True)
class RunningAgent:
    """One agent process that runs a job."""

    session_id: str
    fence: int
    pid: int
    started_at: float
    """Unix time in seconds."""


@dataclass(frozen=True, slots=True)
class Done:
    """It is done (`pid` of the agent for `Spawn`, else 0)."""

    pid: int = 0
    result: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not done, and why."""

    reason: Refusal
    detail: str = ""
    result: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True)
class HostStatus:
    """Answer to `Status`."""

    name: str
    agents: tuple[RunningAgent, ...]
    idle: int
    """Agents that are ready and have no job."""
    capacity: int
    draining: bool
    result: Literal["status"] = "status"


HostReply = Annotated[Done | Refused | HostStatus, Field(discriminator="result")]

REQUEST_CODEC: TypeAdapter[HostRequest] = TypeAdapter(HostRequest)
REPLY_CODEC: TypeAdapter[HostReply] = TypeAdapter(HostReply)
