"""What surrounds a session, in memory and by script: no Redis, no queue, no room server."""

from collections import deque

from agent.host_protocol import Done, End, HostReply, HostRequest, Spawn
from agent.lease import Holder
from orchestrator.errors import DispatchFailed, HostUnreachable, RoomsUnavailable


class FakeTasks:
    """Remembers what was queued; `away` as when Redis is."""

    def __init__(self) -> None:
        self.away = False
        self.spawned: list[str] = []
        self.ended: list[tuple[str, str]] = []

    async def spawn(self, session_id: str) -> None:
        if self.away:
            raise DispatchFailed
        self.spawned.append(session_id)

    async def end(self, session_id: str, host: str) -> None:
        if self.away:
            raise DispatchFailed
        self.ended.append((session_id, host))


class FakeRooms:
    """Rooms by name; `away` as when the server is."""

    def __init__(self, *names: str) -> None:
        self.away = False
        self.rooms = set(names)
        self.deleted: list[str] = []

    async def delete(self, name: str) -> None:
        if self.away:
            raise RoomsUnavailable
        self.deleted.append(name)
        self.rooms.discard(name)

    async def names(self) -> list[str]:
        if self.away:
            raise RoomsUnavailable
        return sorted(self.rooms)


class FakeLeases:
    """Leases that never expire by themselves."""

    def __init__(self) -> None:
        self.held: dict[str, Holder] = {}
        self._fence = 0

    async def take(self, session_id: str, host: str) -> int | None:
        if session_id in self.held:
            return None
        self._fence += 1
        self.held[session_id] = Holder(self._fence, host)
        return self._fence

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
