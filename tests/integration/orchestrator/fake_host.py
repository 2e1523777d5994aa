"""An agent host that runs no agents: it speaks the real protocol on a real socket, by script."""

import asyncio
import time
from collections import deque
from pathlib import Path

from redis.asyncio import Redis

from agent.host_protocol import (
    BEAT_S,
    HOSTS_KEY,
    REPLY_CODEC,
    REQUEST_CODEC,
    Done,
    End,
    HostReply,
    HostRequest,
    HostStatus,
    Prewarm,
    Refusal,
    Refused,
    Spawn,
    Vacancy,
    Watch,
    status_key,
)
from agent.job import (
    REPORT_CODEC,
    REPORTS_STREAM,
    AgentExited,
    AgentJoined,
    Job,
    Report,
)


class FakeHost:
    """Takes every job, unless `refusals` holds what to answer first; agents join at once."""

    def __init__(self, socket: Path, redis: Redis, *, name: str) -> None:
        self.name = name
        self.jobs: list[Job] = []
        self.requests: list[HostRequest] = []
        self.refusals: deque[Refusal] = deque()
        self.capacity = 1000
        self.agents_join = True
        self.agents_exit_when_ended = True
        self._running: dict[str, Job] = {}
        self._socket = socket
        self._redis = redis
        self._server: asyncio.Server | None = None
        self._watchers: set[asyncio.StreamWriter] = set()

    @property
    def free(self) -> int:
        return max(0, self.capacity - len(self._running))

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, self._socket)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for watcher in tuple(self._watchers):
                watcher.close()
            await self._server.wait_closed()
            self._socket.unlink(missing_ok=True)
            self._server = None

    def job_of(self, session_id: str) -> Job:
        return self._running[session_id]

    def jobs_of(self, session_id: str) -> list[Job]:
        return [job for job in self.jobs if job.session_id == session_id]

    async def tell(self, status: HostStatus) -> None:
        """Say this of itself, as a host's reporter does."""
        await self._redis.set(status_key(self.name), REPLY_CODEC.dump_json(status), ex=60)
        await self._redis.sadd(HOSTS_KEY, self.name)

    async def report(self, report: Report) -> None:
        await self._redis.xadd(REPORTS_STREAM, {"report": REPORT_CODEC.dump_json(report)})

    async def exits(self, session_id: str, *, exit_code: int = 0) -> None:
        """The agent's process is gone."""
        job = self._running.pop(session_id)
        await self.report(
            AgentExited(session_id, job.fence, time.time(), host=self.name, exit_code=exit_code)
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            request = REQUEST_CODEC.validate_json(line)
            if isinstance(request, Watch):
                await self._tell(writer)
                return
            writer.write(REPLY_CODEC.dump_json(await self._answer(request)) + b"\n")
            await writer.drain()
        writer.close()

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        self._watchers.add(writer)
        told, told_at = -1, 0.0
        try:
            while not writer.is_closing():
                if self.free != told or time.monotonic() > told_at + BEAT_S:
                    told, told_at = self.free, time.monotonic()
                    writer.write(REPLY_CODEC.dump_json(Vacancy(told)) + b"\n")
                    await writer.drain()
                await asyncio.sleep(0.01)
        except ConnectionError:
            pass
        finally:
            self._watchers.discard(writer)
            writer.close()

    async def _answer(self, request: HostRequest) -> HostReply:
        self.requests.append(request)
        match request:
            case Spawn(job):
                return await self._spawn(job)
            case End(session_id):
                if session_id not in self._running:
                    return Refused(Refusal.NOT_FOUND)
                if self.agents_exit_when_ended:
                    await self.exits(session_id)
                return Done()
            case Prewarm():
                return Done()
            case _:
                return Refused(Refusal.BAD_REQUEST)

    async def _spawn(self, job: Job) -> HostReply:
        if self.refusals:
            return Refused(self.refusals.popleft())
        if self.free == 0 and job.session_id not in self._running:
            return Refused(Refusal.FULL)
        self.jobs.append(job)
        self._running[job.session_id] = job
        if self.agents_join:
            await self.report(AgentJoined(job.session_id, job.fence, time.time()))
        return Done(pid=4242)
