"""Local speech servers of the tests' own, and audio for them."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit import rtc
from livekit.agents.utils import http_context

from agent.settings import AgentSettings

AUDIO = Path(__file__).parents[2] / "audio"
START_TIMEOUT_S = 90.0

Serve = Callable[[str, Callable[[web.Request], Awaitable[web.StreamResponse]]], Awaitable[str]]


@dataclass(slots=True)
class Server:
    """One running server."""

    process: subprocess.Popen[bytes]
    socket_path: Path

    def children(self) -> list[psutil.Process]:
        """Its children, one a connection."""
        return psutil.Process(self.process.pid).children()

    def wait_for_children(self, count: int, timeout_s: float = 5.0) -> list[psutil.Process]:
        """Its children once there are so many."""
        deadline = time.monotonic() + timeout_s
        while len(children := self.children()) != count:
            assert time.monotonic() < deadline, f"{len(children)} children, not {count}"
            time.sleep(0.01)
        return children

    def stop(self) -> int:
        """End it as supervisord would; returns its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def start_server(module: str, socket_path: Path, env: dict[str, str]) -> Server:
    """Start a server and wait until it takes connections."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"agent.stages.local.{module}"],
        env={**os.environ, **env},
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(socket_path))
            except OSError:
                assert process.poll() is None, f"{module} did not start"
                time.sleep(0.02)
            else:
                probe.shutdown(socket.SHUT_WR)
                assert probe.recv(1) == b""
                break
    else:
        process.kill()
        raise AssertionError(f"{module} was not ready in {START_TIMEOUT_S} s")
    server = Server(process, socket_path)
    server.wait_for_children(0)  # of the probe
    return server


def machine_in(folder: Path) -> AgentSettings:
    """Settings of a machine whose state is all in `folder`."""
    return AgentSettings(
        _env_file=None,  # type: ignore[call-arg]  # pydantic-settings' own argument
        run_dir=folder / "r",
        data_dir=folder / "d",
        asr_timeout_seconds=20,
        tts_timeout_seconds=10,
    )


@pytest.fixture(scope="session")
def machine() -> Iterator[AgentSettings]:
    """Settings of a machine of the tests' own."""
    with tempfile.TemporaryDirectory(prefix="mj") as folder:
        yield machine_in(Path(folder))


@pytest.fixture(scope="session")
def machine_env(machine: AgentSettings) -> dict[str, str]:
    """The same as environment variables."""
    return {"RUN_DIR": str(machine.run_dir), "DATA_DIR": str(machine.data_dir)}


@pytest.fixture(scope="session")
def recognizer(machine: AgentSettings, machine_env: dict[str, str]) -> Iterator[Server]:
    """A running recogniser."""
    yield from _running("recognizer_server", machine.recognizer_socket, machine_env)


@pytest.fixture(scope="session")
def synthesizer(machine: AgentSettings, machine_env: dict[str, str]) -> Iterator[Server]:
    """A running synthesiser."""
    yield from _running("synthesizer_server", machine.synthesizer_socket, machine_env)


def _running(module: str, socket_path: Path, env: dict[str, str]) -> Iterator[Server]:
    server = start_server(module, socket_path, env)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
        if server.process.stderr is not None:
            server.process.stderr.close()


def first_of(stage: Any) -> Any:
    """The first stage of a chain: the vendor's own."""
    return stage.chain.links[0].stage if hasattr(stage, "chain") else stage


def speech(name: str) -> bytes:
    """A clip of `tests/audio`: mono s16le at 16 kHz."""
    with wave.open(str(AUDIO / f"{name}.wav")) as clip:
        pcm: bytes = clip.readframes(clip.getnframes())
        return pcm


def frames(pcm: bytes, rate_hz: int = 16_000) -> Iterator[rtc.AudioFrame]:
    """The same in frames of 20 ms."""
    step = rate_hz // 50 * 2
    for at in range(0, len(pcm), step):
        part = pcm[at : at + step]
        yield rtc.AudioFrame(part, rate_hz, 1, len(part) // 2)


@pytest.fixture
async def vendor() -> AsyncIterator[Serve]:
    """Start a stand-in with one handler; gives its address, `http://127.0.0.1:…`."""
    servers: list[TestServer] = []

    async def start(
        path: str, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> str:
        app = web.Application()
        app.router.add_route("*", path, handler)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        return str(server.make_url("")).rstrip("/")

    async with http_context.open():
        yield start
    for server in servers:
        await server.close()
