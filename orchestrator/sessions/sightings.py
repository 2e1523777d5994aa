"""What is to be seen of agents, in Redis, on the hosts and in the rooms. Pure.

Each place may be unknown for a while, and what was seen there is as old as it is: nothing is
mended because a place could not be asked.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from agent.host_protocol import HostStatus
from agent.lease import Holder
from orchestrator.sessions.session import Session


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a session's agent was seen and where not; None: that cannot be known now."""

    lease: bool | None = None
    """Somebody holds its lease."""
    process: bool | None = None
    """Its host runs it, as it told at `process_at` (Unix seconds)."""
    process_at: float = 0.0
    agent_in_room: bool | None = None
    user_in_room: bool | None = None

    @property
    def missing(self) -> bool:
        """Somewhere it should be it is not."""
        return False in (self.lease, self.process, self.agent_in_room)


@dataclass(frozen=True, slots=True)
class StaleAgent:
    """A process that has no business any more."""

    session_id: str
    host: str
    fence: int


def sight(
    session: Session,
    holder: Holder | None,
    hosts: Mapping[str, HostStatus],
    *,
    leases_settled: bool,
    people: Collection[str] | None,
) -> Sighting:
    """Put together what is known of a session's agent.

    `leases_settled`: Redis has been up for so long that every living agent has renewed its lease.
    `people`: the identities of those in its room; None: it was not asked for.
    """
    host = hosts.get(session.host)
    lease = True if holder is not None else (False if leases_settled else None)
    if host is None:
        process, process_at = None, 0.0
    else:
        process_at = host.at
        process = any(
            agent.session_id == session.session_id and agent.fence >= session.fence
            for agent in host.agents
        )
    return Sighting(
        lease=lease,
        process=process,
        process_at=process_at,
        agent_in_room=None if people is None else session.agent_identity in people,
        user_in_room=None if people is None else session.user_identity in people,
    )


def stale_agents(
    hosts: Iterable[HostStatus], live: Mapping[str, Session]
) -> tuple[StaleAgent, ...]:
    """Agents of sessions that are over, or that a later agent runs.

    `live` must have been read after `hosts`. One with a larger fence than its session's record is
    not stale: then the record is behind.
    """
    return tuple(
        StaleAgent(agent.session_id, host.name, agent.fence)
        for host in hosts
        for agent in host.agents
        if not agent.ending and _is_stale(agent.fence, live.get(agent.session_id))
    )


def _is_stale(fence: int, session: Session | None) -> bool:
    return session is None or fence < session.fence
