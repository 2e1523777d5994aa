"""What an operator sees of the machines, and tells them."""

from dataclasses import dataclass
from typing import Protocol

from redis.exceptions import RedisError

from agent.host_protocol import HostStatus, RunningAgent
from agent.lease import Leases, Pulse
from orchestrator.errors import InvalidField, StoreUnavailable
from orchestrator.hosts import Hosts


@dataclass(frozen=True, slots=True)
class AgentView:
    """One agent's process, and how it said it was."""

    agent: RunningAgent
    pulse: Pulse | None


@dataclass(frozen=True, slots=True)
class HostView:
    """One machine and its agents."""

    status: HostStatus
    agents: tuple[AgentView, ...]


class ServiceTasks(Protocol):
    """How machines are told."""

    async def serve(self, host: str, *, serving: bool) -> None:
        """Queue that a host takes jobs from now on, or no more. Raises `DispatchFailed`."""


class Operations:
    """The machines of the deployment."""

    def __init__(self, hosts: Hosts, leases: Leases, tasks: ServiceTasks) -> None:
        self._hosts = hosts
        self._leases = leases
        self._tasks = tasks

    async def hosts(self) -> list[HostView]:
        """All that were heard of lately, by name. Raises `StoreUnavailable`."""
        views = []
        for status in (await self._hosts.all()).values():
            try:
                holders = await self._leases.holders([each.session_id for each in status.agents])
            except RedisError as error:
                raise StoreUnavailable from error
            agents = tuple(
                AgentView(agent, holder.pulse if holder else None)
                for agent, holder in zip(status.agents, holders, strict=True)
            )
            views.append(HostView(status, agents))
        return views

    async def serve(self, host: str | None, *, serving: bool) -> HostStatus:
        """Have a machine take jobs, or no more; without a name, the only one there is.

        Returns how it is now; it is told a moment later. Raises `InvalidField` for a machine that
        nobody has heard of, `StoreUnavailable`, `DispatchFailed`.
        """
        status = _chosen(host, await self._hosts.all())
        await self._tasks.serve(status.name, serving=serving)
        return status


def _chosen(host: str | None, hosts: dict[str, HostStatus]) -> HostStatus:
    names = ", ".join(hosts) or "none"
    if host is None:
        if len(hosts) != 1:
            raise InvalidField(f"host: name one of the machines; there are: {names}.")
        return next(iter(hosts.values()))
    if host not in hosts:
        raise InvalidField(f"host: there is no such machine; there are: {names}.")
    return hosts[host]
