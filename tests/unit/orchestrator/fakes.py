"""What surrounds a session, in memory and by script: no Redis, no queue, no room server."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from agent.host_protocol import (
    Done,
    End,
    HostReply,
    HostRequest,
    HostStatus,
    RunningAgent,
    Spawn,
)
from agent.lease import Holder
from orchestrator.errors import DispatchFailed, HostUnreachable, RoomsUnavailable

DEPLOYMENT = "deployment-a"


class FakeTasks:
    """Remembers what was queued; `away` as when Redis is."""

    def __init__(self) -> None:
        self.away = False
        self.spawned: list[str] = []
        self.ended: list[tuple[str, str]] = []
        self.stale: list[tuple[str, str, int]] = []
        self.prewarmed: list[tuple[str, int]] = []
        self.waiting = 0

    async def spawn(self, session_id: str) -> None:
        if self.away:
            raise DispatchFailed
        self.spawned.append(session_id)

    async def end(self, session_id: str, host: str, fence: int | None = None) -> None:
        if self.away:
            raise DispatchFailed
        if fence is None:
            self.ended.append((session_id, host))
        else:
            self.stale.append((session_id, host, fence))

    async def prewarm(self, host: str, size: int) -> None:
        self.prewarmed.append((host, size))

    async def count(self) -> int:
        return self.waiting


class FakeRooms:
    """Rooms by name; `away` as when the server is."""

    def __init__(self, *names: str) -> None:
        self.away = False
        self.rooms = set(names)
        self.people: dict[str, set[str]] = {}
        self.looked_into: list[str] = []
        self.deleted: list[str] = []

    async def delete(self, name: str) -> None:
        if self.away:
            raise RoomsUnavailable
        self.deleted.append(name)
        self.rooms.discard(name)

    async def names(self, deployment: str) -> list[str]:
        if self.away:
            raise RoomsUnavailable
        assert deployment == DEPLOYMENT
        return sorted(self.rooms)

    async def participants(self, name: str) -> frozenset[str]:
        self.looked_into.append(name)
        return frozenset(self.people.get(name, ()))


class FakeHosts:
    """What the hosts told."""

    def __init__(self) -> None:
        self.told: dict[str, HostStatus] = {}
        self.times_read = 0

    async def all(self) -> dict[str, HostStatus]:
        self.times_read += 1
        return dict(self.told)

    def tell(self, name: str, at: float, *agents: RunningAgent, **more: object) -> None:
        status = HostStatus(name, agents, idle=0, capacity=9, draining=False, at=at)
        self.told[name] = replace(status, **more)  # type: ignore[arg-type] # as the test says


class FakeDeployment:
    """Has a name."""

    async def name(self) -> str:
        return DEPLOYMENT


class FakeLeases:
    """Leases that never expire by themselves."""

    def __init__(self) -> None:
        self.held: dict[str, Holder] = {}
        self.up_s = 999.0
        self._fence = 0

    async def take(self, session_id: str, host: str) -> int | None:
        if session_id in self.held:
            return None
        self._fence += 1
        self.held[session_id] = Holder(self._fence, host)
        return self._fence

    async def holders(self, session_ids: Sequence[str]) -> list[Holder | None]:
        return [self.held.get(session_id) for session_id in session_ids]

    async def redis_up_s(self) -> float:
        return self.up_s

    async def holder(self, session_id: str) -> Holder | None:
        return self.held.get(session_id)

    async def release(self, session_id: str, fence: int) -> bool:
        holder = self.held.get(session_id)
        if holder is None or holder.fence != fence:
            return False
        del self.held[session_id]
        return True


class ScriptedHost:
    """Answers with `script`, in order, then with `Done`; a None there is a host that is away."""

    def __init__(self, *script: HostReply | None) -> None:
        self.script = deque(script)
        self.requests: list[HostRequest] = []

    async def ask(self, request: HostRequest) -> HostReply:
        self.requests.append(request)
        reply = self.script.popleft() if self.script else Done(1)
        if reply is None:
            raise HostUnreachable("away")
        return reply

    @property
    def fences(self) -> list[int]:
        return [request.job.fence for request in self.requests if isinstance(request, Spawn)]

    @property
    def ended(self) -> list[str]:
        return [request.session_id for request in self.requests if isinstance(request, End)]
