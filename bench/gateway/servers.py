"""The servers under measurement, each a process of its own, and what they cost."""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from agent.settings import PROJECT_ROOT
from bench.gateway.wires import DuplexWire, PipecatWire, TurnWire, Wire
from bench.memory import uss_mib
from tests.clients.stack import free_port
from tests.integration.agent.processes import RedisProcess

START_TIMEOUT_S = 60.0
PIPECAT_MANUAL = "pipecat, manual turns"
PIPECAT_DETECTED = "pipecat, detected turns"
PIPECAT_PYTHON = "BENCH_PIPECAT_PYTHON"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A server, and how its clients speak to it."""

    name: str
    module: str
    path: str
    wire: Wire
    arguments: tuple[str, ...] = ()
    python: str = sys.executable
    in_real_time: bool = False
    """It sends its answer no faster than it plays."""


TURNS = Candidate(
    "majlis /ws/conversation, pcm",
    "bench.gateway.server",
    "/ws/conversation?audio_format=pcm&pacing=none",
    TurnWire(),
)
TURNS_MP3 = Candidate(
    "majlis /ws/conversation, mp3",
    "bench.gateway.server",
    "/ws/conversation?pacing=none",
    TurnWire(),
)
TURNS_PACED = Candidate(
    "majlis /ws/conversation, pcm, paced",
    "bench.gateway.server",
    "/ws/conversation?audio_format=pcm",
    TurnWire(),
    in_real_time=True,
)
DUPLEX = Candidate(
    "majlis /orchestrate, pcm",
    "bench.gateway.server",
    "/orchestrate?audio_format=pcm&pacing=none",
    DuplexWire(),
)
FLOOR = Candidate("floor", "bench.gateway.floor", "/", TurnWire())


def pipecat(*, manual: bool) -> Candidate | None:
    """Pipecat, where an interpreter that has it is named; None where there is none."""
    named = os.environ.get(PIPECAT_PYTHON)
    if not named:
        return None
    python = str(Path(named).absolute())
    turns = "manual" if manual else "detected"
    return Candidate(
        PIPECAT_MANUAL if manual else PIPECAT_DETECTED,
        "bench.gateway.pipecat_server",
        "/",
        PipecatWire(manual=manual),
        ("--turns", turns),
        python,
        in_real_time=True,
    )


@dataclass(slots=True)
class Server:
    """One running process."""

    candidate: Candidate
    port: int
    process: psutil.Process
    _cpu_before: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    @property
    def url(self) -> str:
        """Where a client connects."""
        return f"ws://127.0.0.1:{self.port}{self.candidate.path}"

    def begin(self) -> None:
        """Count from here."""
        self._cpu_before, self._began = cpu_s(self.process), time.monotonic()

    def cores(self) -> float:
        """Of processor time since `begin`, in cores."""
        return (cpu_s(self.process) - self._cpu_before) / (time.monotonic() - self._began)

    def memory_mib(self) -> float:
        """That it shares with nobody."""
        return uss_mib(self.process.pid)


def cpu_s(process: psutil.Process) -> float:
    """Processor time so far, in seconds."""
    times = process.cpu_times()
    return float(times.user + times.system)


@contextlib.asynccontextmanager
async def running(
    candidate: Candidate, settings: Mapping[str, str] | None = None, *, count: int = 1
) -> AsyncIterator[list[Server]]:
    """So many processes of it, which share a Redis, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="mj") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        redis = RedisProcess(folder)
        await asyncio.to_thread(redis.start)
        stack.callback(redis.stop)
        environment = {
            **os.environ,
            "PYTHONPATH": str(PROJECT_ROOT),
            "REDIS_URL": redis.url,
            "RUN_DIR": name,
            "DATA_DIR": name,
            "SESSION_STARTS_PER_MINUTE": "100000",
            "MAX_CONCURRENT_SESSIONS": "1000",
            "LOG_LEVEL": "ERROR",
            **(settings or {}),
        }
        servers = []
        for _ in range(count):
            port = free_port()
            process = _start(candidate, port, environment, folder / f"{port}.log")
            stack.callback(_stop, process)
            servers.append(Server(candidate, port, psutil.Process(process.pid)))
        for server in servers:
            await _listening(server, process)
        yield servers


def _start(
    candidate: Candidate, port: int, environment: Mapping[str, str], log: Path
) -> "subprocess.Popen[bytes]":
    command = [candidate.python, "-m", candidate.module, "--port", str(port), *candidate.arguments]
    with log.open("wb") as output:
        return subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=environment, stdout=output, stderr=sys.stderr
        )


async def _listening(server: Server, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        except OSError:
            if process.poll() is not None:
                break
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise RuntimeError(f"{server.candidate.name} did not start")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
