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
BEAT_S = 1.0
"""How often a host tells its watchers, and Redis, that it lives."""
HOSTS_KEY = "majlis:hosts"
"""Redis set of the names of hosts that ever had a status, so that nobody scans for them."""
STATUS_TTL_S = 6


def status_key(host: str) -> str:
    """Name of a host's status in Redis, a JSON `HostStatus` that lives for `STATUS_TTL_S`."""
    return f"majlis:host:{host}"


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
    fence: int | None = None
    """Where it is given: only an agent under this fence or an older one."""
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
class Watch:
    """Say on this connection whether a job would be taken: now, when that changes, and every
    `BEAT_S` seconds, so that a host that hangs is noticed."""

    op: Literal["watch"] = "watch"


@dataclass(frozen=True, slots=True)
class Drain:
    """Take no more jobs until `Resume`, not after a restart either.

    Those that run go on, for as long as a drain may take. SIGTERM drains too, and then exits.
    """

    op: Literal["drain"] = "drain"


@dataclass(frozen=True, slots=True)
class Resume:
    """Take jobs again after `Drain`."""

    op: Literal["resume"] = "resume"


HostRequest = Annotated[
    Spawn | End | Prewarm | Status | Watch | Drain | Resume, Field(discriminator="op")
]


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
    ending: bool = False
    """It was told to stop."""


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
    at: float = 0.0
    """When this was so, in Unix seconds."""
    free: int = 0
    """How many more jobs it would take now."""
    burst: int = 0
    """The most jobs that came at once (`agent.host.pool`), lately."""
    pool_size: int = 0
    pool_max: int = 0
    """Between which the number of idle agents may be chosen."""
    result: Literal["status"] = "status"


@dataclass(frozen=True, slots=True)
class Vacancy:
    """Answer to `Watch`, again and again: how many more jobs it would take."""

    free: int
    result: Literal["vacancy"] = "vacancy"


HostReply = Annotated[Done | Refused | HostStatus | Vacancy, Field(discriminator="result")]

REQUEST_CODEC: TypeAdapter[HostRequest] = TypeAdapter(HostRequest)
REPLY_CODEC: TypeAdapter[HostReply] = TypeAdapter(HostReply)
