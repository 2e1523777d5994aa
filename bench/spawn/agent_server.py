"""livekit-agents' own `AgentServer` with our agent in it: `python -m bench.spawn.agent_server`.

Reads jobs (`agent.job.Job` as JSON), one a line, and launches each with `simulate_job`. The idle
processes, the fork server and what it preloads are the framework's.
"""

import asyncio
import contextvars
import json
import sys
from collections.abc import AsyncIterator, Iterable

from livekit.agents import AgentServer, JobContext, JobProcess
from livekit.agents.ipc.job_executor import JobExecutor
from livekit.agents.ipc.job_proc_executor import ProcJobExecutor
from livekit.agents.utils import http_context
from livekit.protocol.models import Room
from redis.asyncio import Redis

from agent.job import JOB_CODEC, Job
from agent.room import RoomAgent, access_token
from agent.settings import AgentSettings
from agent.stages import build

IDLE_PROCESSES = 2
LOOK_EVERY_S = 0.05


def set_up(_: JobProcess) -> None:
    """What each process does before it counts as idle."""
    build.preload(AgentSettings())


async def entrypoint(context: JobContext) -> None:
    """Run our agent for the job that came with the room.

    It joins by itself, so the session must not find the framework's job, which would join again.
    """
    job = JOB_CODEC.validate_json(context.job.room.metadata)
    await asyncio.create_task(_run(job), context=contextvars.Context())
    context.shutdown()


async def _run(job: Job) -> None:
    settings = AgentSettings()
    redis = Redis.from_url(settings.redis_url.get_secret_value(), decode_responses=True)
    async with redis, http_context.open():
        await RoomAgent(job, settings, redis).run()


async def serve() -> None:
    """Take jobs from standard input until it ends."""
    settings = AgentSettings()
    server = AgentServer(
        ws_url=settings.livekit_url,
        api_key=settings.livekit_api_key,
        api_secret=settings.livekit_api_secret.get_secret_value(),
        num_idle_processes=IDLE_PROCESSES,
        preload_modules=["agent.room", "agent.stages.build"],
        setup_fnc=set_up,
        host="127.0.0.1",
        port=0,
        shutdown_process_timeout=3.0,
    )
    server.rtc_session()(entrypoint)
    started = asyncio.Event()
    server.on("worker_started", started.set)
    running = asyncio.create_task(server.run(unregistered=True))
    await started.wait()
    telling = asyncio.create_task(tell_processes(server))
    async for line in lines_of_stdin():
        job = JOB_CODEC.validate_json(line)
        room = Room(name=job.session_id, metadata=line.decode())
        await server.simulate_job(job.session_id, room_info=room, token=access_token(job, settings))
    telling.cancel()
    await server.aclose()
    await running


async def lines_of_stdin() -> AsyncIterator[bytes]:
    """One line after another, until the other side closes."""
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.strip()


async def tell_processes(server: AgentServer) -> None:
    """Print which processes are idle and which have a job, whenever that has changed."""
    told = ""
    while True:
        pool = server._proc_pool  # noqa: SLF001 (the framework shows it nowhere else)
        warmed = pool._warmed_proc_queue._queue  # type: ignore[attr-defined]  # noqa: SLF001
        busy = [process for process in pool.processes if process.running_job is not None]
        line = json.dumps({"idle": _pids(warmed), "busy": _pids(busy)})
        if line != told:
            print(told := line, flush=True)
        await asyncio.sleep(LOOK_EVERY_S)


def _pids(processes: Iterable[JobExecutor]) -> list[int | None]:
    return [process.pid for process in processes if isinstance(process, ProcJobExecutor)]


if __name__ == "__main__":
    asyncio.run(serve())
