"""The servers as processes: starting, refusing, ending; and what collections add."""

import asyncio
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from livekit.agents import APIError

from agent.settings import AgentSettings
from agent.stages.local.client import SpeechServer
from agent.stages.local.collection_model import models_dir
from agent.stages.local.language_model import build
from agent.stages.local.messages import (
    RECOGNIZER_REPLIES,
    SYNTHESIZER_REPLIES,
    Audio,
    Open,
    Opened,
    Refused,
    Speak,
)
from tests.integration.stages.conftest import Server, machine_in, start_server

MODULES = ("recognizer_server", "synthesizer_server")


@contextmanager
def own_server(module: str, **env: str) -> Iterator[tuple[AgentSettings, Server]]:
    """A server and a machine of a test's own."""
    with tempfile.TemporaryDirectory(prefix="mj") as folder:
        machine = machine_in(Path(folder))
        env |= {"RUN_DIR": str(machine.run_dir), "DATA_DIR": str(machine.data_dir)}
        server = start_server(module, _socket(machine, module), env)
        try:
            yield machine, server
        finally:
            if server.process.poll() is None:
                server.stop()
            assert server.process.stderr is not None
            server.process.stderr.close()


def _socket(machine: AgentSettings, module: str) -> Path:
    recognizes = module == "recognizer_server"
    return machine.recognizer_socket if recognizes else machine.synthesizer_socket


@pytest.mark.parametrize("module", MODULES)
def test_ends_promptly_with_its_children(module: str) -> None:
    """Catches SIGTERM that leaves processes or a socket behind, and files others may open."""
    with own_server(module) as (machine, server):
        path = _socket(machine, module)
        assert machine.run_dir.stat().st_mode & 0o777 == 0o700
        assert path.stat().st_mode & 0o777 == 0o600
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(path))
            [child] = server.wait_for_children(1)
            assert child.name().startswith("majlis")
            assert server.stop() == 0
            assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        assert not path.exists()


@pytest.mark.parametrize("module", MODULES)
def test_a_second_server_is_refused_in_one_line(module: str) -> None:
    """Catches two servers that take each other's socket."""
    with own_server(module) as (machine, server):
        second = subprocess.run(
            [sys.executable, "-m", f"agent.stages.local.{module}"],
            env={"RUN_DIR": str(machine.run_dir), "DATA_DIR": str(machine.data_dir)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second.returncode == 1
        assert second.stderr.count("\n") == 1
        assert "another process serves" in second.stderr
        assert server.process.poll() is None
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(_socket(machine, module)))


@pytest.mark.parametrize(
    "hostile", [b"GET / HTTP/1.1\r\n\r\n", struct.pack("!II", 2, 0) + b"[]", b"\xff" * 100]
)
@pytest.mark.parametrize("module", MODULES)
def test_hostile_frames_end_that_connection_only(module: str, hostile: bytes) -> None:
    """Catches a peer that brings the machine's recogniser down."""
    with own_server(module) as (machine, server):
        path = str(_socket(machine, module))
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(path)
            peer.settimeout(5)
            peer.sendall(hostile)
            answer = b"".join(iter(lambda: peer.recv(4_096), b""))
        assert b"refused" in answer
        server.wait_for_children(0)
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(path)
            server.wait_for_children(1)


async def test_a_crash_takes_one_connection_along() -> None:
    """Catches an engine's crash that silences the machine."""
    with own_server("synthesizer_server") as (machine, server):
        path = machine.synthesizer_socket
        async with await SpeechServer.connect(path, SYNTHESIZER_REPLIES, timeout_s=5) as one:
            [child] = await asyncio.to_thread(server.wait_for_children, 1)
            async with await SpeechServer.connect(path, SYNTHESIZER_REPLIES, timeout_s=5) as two:
                await asyncio.to_thread(server.wait_for_children, 2)
                child.send_signal(11)
                await two.send(Speak("Still here.", "en-us"))
                assert isinstance(await two.receive_within(5), Audio)
            with pytest.raises(APIError) as caught:
                await one.receive_within(5)
        assert caught.value.retryable


async def test_the_number_of_connections_is_bounded() -> None:
    """Catches processes without bound, and a refusal that is not said."""
    with own_server("synthesizer_server", MAX_AGENTS_PER_HOST="1") as (machine, server):
        path = machine.synthesizer_socket
        async with (
            await SpeechServer.connect(path, SYNTHESIZER_REPLIES, timeout_s=5),
            await SpeechServer.connect(path, SYNTHESIZER_REPLIES, timeout_s=5),
        ):
            await asyncio.to_thread(server.wait_for_children, 2)
            async with await SpeechServer.connect(path, SYNTHESIZER_REPLIES, timeout_s=5) as third:
                with pytest.raises(APIError, match="in use") as caught:
                    await third.receive_within(5)
        assert caught.value.retryable
        await asyncio.to_thread(server.wait_for_children, 0)


async def test_collections_are_found_while_it_runs() -> None:
    """Catches documents that are heard only after a restart, and a broken model that ends it."""
    with own_server("recognizer_server") as (machine, _):
        path = machine.recognizer_socket
        assert await _opened(path, "lamps") == Opened("")
        folder = models_dir(machine.data_dir)
        await asyncio.to_thread(build, ["You may return the lamp."], folder / "lamps")
        (folder / "broken").mkdir()
        (folder / "broken" / "model.arpa").write_bytes(b"\xff\x00 no model")
        assert await _opened(path, "lamps") == Opened("lamps")
        assert await _opened(path, "broken") == Opened("")
        assert await _opened(path, "lamps") == Opened("lamps")


async def _opened(path: Path, collection: str) -> object:
    async with await SpeechServer.connect(path, RECOGNIZER_REPLIES, timeout_s=5) as server:
        await server.send(Open(collection))
        reply = await server.receive_within(10)
        assert not isinstance(reply, Refused)
        return reply
