"""How fast an agent is in its room, warm and cold, and what a child costs in memory.

`python -m bench.agent_start` starts Redis, devroom, the local stages and agent hosts of its own,
and prints JSON. Warm takes an idle child, cold forks on demand.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import tempfile
import time
from pathlib import Path

from agent.host_protocol import End, Prewarm
from agent.job import AgentJoined
from bench.memory import uss_mib
from tests.integration.agent.processes import HostProcess, RedisProcess, alive, job
from tests.integration.agent.user import User
from tests.rooms.server import DevroomProcess, RoomServer


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20, help="of each kind")
    sessions: int = parser.parse_args().sessions
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        redis = RedisProcess(Path(folder))
        redis.start()
        stack.callback(redis.stop)
        devroom = DevroomProcess(Path(folder) / "devroom.log").start()
        stack.callback(devroom.close)
        host = HostProcess(Path(folder), redis, devroom.server.url, _settings(devroom.server))
        stack.callback(host.close)
        host.start_stages()
        host.start()
        print(json.dumps(asyncio.run(_measure(host, devroom.server, sessions)), indent=2))


def _settings(server: RoomServer) -> dict[str, str]:
    return {"LIVEKIT_API_KEY": server.api_key, "LIVEKIT_API_SECRET": server.api_secret}


async def _measure(host: HostProcess, server: RoomServer, sessions: int) -> dict[str, object]:
    host.until_idle(2)
    await asyncio.sleep(1)
    idle_mib = [uss_mib(pid) for pid in host.titled("agent idle")]
    warm = [await _one(host, server, f"session_warm_{n}", idle=2) for n in range(sessions)]
    host.ask(Prewarm(0))
    for _ in range(2):  # use up the two that wait
        await _one(host, server, f"session_last_{_}", idle=None)
    cold = [await _one(host, server, f"session_cold_{n}", idle=0) for n in range(sessions)]
    return {
        "sessions_of_each_kind": sessions,
        "idle_child_uss_mib": [round(mib, 1) for mib in idle_mib],
        "warm": _summary(warm),
        "cold": _summary(cold),
    }


async def _one(
    host: HostProcess, server: RoomServer, name: str, *, idle: int | None
) -> dict[str, float]:
    """One call. Times in ms from the request to the host, memory in MiB."""
    if idle is not None:
        host.until_idle(idle)
    await asyncio.sleep(0.5)
    async with User(server, name) as user:
        asked_at, asked_at_unix = time.monotonic(), time.time()
        pid = await asyncio.to_thread(host.spawn, job(name))
        spawned_at = time.monotonic()
        await user.until(lambda: user.agents, what="the agent")
        seen_at = time.monotonic()
        await user.until(lambda: user.audible, what="a sound")
        heard_at = user.audible[0]
        await user.until_quiet()
        memory = uss_mib(pid)
        joined = next(r for r in host.redis.reports(name) if isinstance(r, AgentJoined))
        ended_at = time.monotonic()
        host.ask(End(name))
        await user.until(lambda: not alive(pid), what="gone")
        gone_at = time.monotonic()
    return {
        "answered_ms": (spawned_at - asked_at) * 1000,
        "joined_ms": (joined.at - asked_at_unix) * 1000,
        "seen_by_user_ms": (seen_at - asked_at) * 1000,
        "first_audio_ms": (heard_at - asked_at) * 1000,
        "end_to_gone_ms": (gone_at - ended_at) * 1000,
        "in_call_uss_mib": memory,
    }


def _summary(calls: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    summary = {}
    for name in calls[0]:
        values = sorted(call[name] for call in calls)
        p95 = values[min(len(values) - 1, round(0.95 * (len(values) - 1)))]
        summary[name] = {"p50": round(statistics.median(values), 1), "p95": round(p95, 1)}
    return summary


if __name__ == "__main__":
    main()
