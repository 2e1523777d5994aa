"""The same agent under livekit-agents' own `AgentServer`, and under our host, side by side.

Both are asked directly, without REST or a queue before them: ours over its socket, the other by
`simulate_job`. Both keep two idle processes. What they start is the same code, in the same rooms.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import psutil
from livekit import api
from redis.asyncio import Redis

from agent.host_protocol import REPLY_CODEC, REQUEST_CODEC, Done, Spawn
from agent.job import JOB_CODEC, Job
from agent.lease import Leases
from agent.settings import PROJECT_ROOT
from bench.faults.outages import supervisorctl
from bench.figures import summary_ms
from bench.memory import family_mib, uss_mib
from bench.spawn.agent_server import IDLE_PROCESSES
from bench.spawn.memory import busy_agents, converse, idle_agents, spread
from bench.spawn.site import PATIENCE_S, Site
from tests.clients.caller import Caller
from tests.clients.watcher import Watcher
from tests.integration.agent.processes import job

Launch = Callable[[Job], Awaitable[None]]
REFILLED_S = 20.0
"""How long idle processes may take to be made good."""
STEADY_S = 0.5


@dataclass(frozen=True, slots=True)
class Contender:
    """Something that runs our agent for a job."""

    name: str
    pid: int
    launch: Launch
    idle: Callable[[], list[int]]
    """The processes that wait for a job and are ready."""
    busy: Callable[[], list[int]]
    """Those that have one."""


async def yardstick(site: Site, jobs: int, *, calls: int) -> dict[str, object]:
    """Both contenders, one after the other."""
    # it would have agents ended that no session is known to have
    await asyncio.to_thread(supervisorctl, site.stack, "stop", "beat")
    host = site.host_pid()
    ours = Contender(
        "our host", host, _by_socket(site), lambda: idle_agents(host), lambda: busy_agents(host)
    )
    figures = {ours.name: await _measure(site, ours, jobs, calls)}
    async with agent_server(site) as theirs:
        figures[theirs.name] = await _measure(site, theirs, jobs, calls)
    await asyncio.to_thread(supervisorctl, site.stack, "start", "beat")
    return {"idle_processes": IDLE_PROCESSES, **figures}


async def _measure(site: Site, who: Contender, jobs: int, calls: int) -> dict[str, object]:
    await _until_idle(who)
    idle = [uss_mib(pid) for pid in who.idle()]
    alone = family_mib(who.pid)
    took = [await _join(site, who, number) for number in range(jobs)]
    names = [f"{_name(who)}_burst_{number}" for number in range(calls)]
    callers = [await _caller(site, name) for name in names]
    jobs_at_once = [await _leased(site, name) for name in names]
    burst_began = time.monotonic()
    await asyncio.gather(*(who.launch(wanted) for wanted in jobs_at_once))
    for caller in callers:
        await caller.until(lambda c=caller: c.heard.agent_joined_at, within_s=60, what="agent")  # type: ignore[misc]
    joined = [caller.heard.agent_joined_at or 0.0 for caller in callers]
    await asyncio.gather(*(converse(caller) for caller in callers))
    in_call = [uss_mib(pid) for pid in who.busy()]
    total = family_mib(who.pid)
    for caller in callers:
        await caller.leave()
        await _delete_room(site, caller.answer["roomName"])
    return {
        "asked_to_agent_in_room": summary_ms(took),
        "asked_at_once": calls,
        "all_in_their_rooms_ms": round((max(joined) - burst_began) * 1000),
        "idle_process_unique_mib": spread(idle),
        "process_in_a_call_unique_mib": spread(in_call),
        "total_without_calls_mib": round(alone),
        "total_with_calls_mib": round(total),
    }


async def _join(site: Site, who: Contender, number: int) -> float:
    """One job; how long until its agent is in the room."""
    name = f"{_name(who)}_{number}"
    await _until_idle(who)
    async with Watcher(site.server, _answer(site, name, "user")) as watcher:
        wanted = await _leased(site, name)
        began = time.monotonic()
        await who.launch(wanted)
        seen = await watcher.agent(within_s=PATIENCE_S)
        await _delete_room(site, name)
    return seen.at - began


async def _leased(site: Site, name: str) -> Job:
    """A job whose lease is taken, as the control plane does before it asks."""
    async with Redis.from_url(site.redis_url, decode_responses=True) as redis:
        fence = await Leases(redis, ttl_s=PATIENCE_S).take(name, "bench")
    assert fence is not None
    return job(name, fence)


async def _until_idle(who: Contender) -> None:
    deadline = time.monotonic() + REFILLED_S
    while len(who.idle()) < IDLE_PROCESSES:
        assert time.monotonic() < deadline, f"{who.name}: no idle processes"
        await asyncio.sleep(0.05)
    await asyncio.sleep(STEADY_S)


async def _caller(site: Site, room: str) -> Caller:
    caller = Caller.start(site.stack.url)
    caller.answer = _answer(site, room, "user")
    await caller.join()
    return caller


def _answer(site: Site, room: str, identity: str) -> dict[str, Any]:
    """What starting a session answers, for a room that no session has."""
    server = site.server
    grants = api.VideoGrants(room_join=True, room=room)
    token = api.AccessToken(server.api_key, server.api_secret).with_identity(identity)
    return {
        "sessionId": room,
        "roomName": room,
        "serverUrl": server.url,
        "token": token.with_grants(grants).to_jwt(),
    }


async def _delete_room(site: Site, room: str) -> None:
    server = site.server
    url = server.url.replace("ws", "http", 1)
    async with api.LiveKitAPI(url, server.api_key, server.api_secret) as livekit:
        await livekit.room.delete_room(api.DeleteRoomRequest(room=room))


def _name(who: Contender) -> str:
    return f"session_yardstick_{who.name.replace(' ', '_')}"


def _by_socket(site: Site) -> Launch:
    async def launch(wanted: Job) -> None:
        path = site.stack.run_dir / "agent-host.sock"
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(REQUEST_CODEC.dump_json(Spawn(wanted)) + b"\n")
        reply = REPLY_CODEC.validate_json(await reader.readuntil(b"\n"))
        writer.close()
        assert isinstance(reply, Done), reply

    return launch


@contextlib.asynccontextmanager
async def agent_server(site: Site) -> AsyncIterator[Contender]:
    """livekit-agents' `AgentServer`, with the settings that our host has."""
    log = (site.stack.data_dir / "agent-server.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.spawn.agent_server"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        env=site.stack.environment_of("-m orchestrator"),
        cwd=PROJECT_ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin = process.stdin

    async def launch(wanted: Job) -> None:
        stdin.write(JOB_CODEC.dump_json(wanted) + b"\n")
        await stdin.drain()

    processes: dict[str, list[int]] = {"idle": [], "busy": []}
    listening = asyncio.create_task(_listen(process.stdout, processes))
    try:
        yield Contender(
            "livekit-agents AgentServer",
            process.pid,
            launch,
            lambda: processes["idle"],
            lambda: processes["busy"],
        )
    finally:
        listening.cancel()
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        await process.wait()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        log.close()


async def _listen(stdout: asyncio.StreamReader, processes: dict[str, list[int]]) -> None:
    while line := await stdout.readline():
        with contextlib.suppress(ValueError):
            processes.update(json.loads(line))
