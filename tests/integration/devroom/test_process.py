"""devroom as a process: how it starts, refuses to start, and ends."""

import os
import socket
import subprocess
import sys

import httpx
import pytest
from livekit import rtc

from tests.integration.devroom.conftest import StartDevroom
from tests.rooms.client import Crowd
from tests.rooms.server import API_KEY, API_SECRET, DevroomProcess


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LIVEKIT_")}
    return subprocess.run(
        [sys.executable, "-m", "devroom", *arguments],
        capture_output=True,
        text=True,
        env={**clean, **environment},
        timeout=20,
        check=False,
    )


@pytest.mark.parametrize("missing", ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"])
def test_a_missing_secret_stops_the_start(missing: str) -> None:
    """Catches a server that starts without credentials, or fails without naming what to set."""
    given = {"LIVEKIT_API_KEY": API_KEY, "LIVEKIT_API_SECRET": API_SECRET}
    del given[missing]
    ended = _run("--port", "0", **given)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [f"devroom: {missing} is not set"]


@pytest.mark.parametrize("option", ["--port", "--udp-port", "--tcp-port"])
def test_a_port_in_use_stops_the_start(option: str) -> None:
    """Catches a traceback, or a server without one of its ways, where a port is taken."""
    kind = socket.SOCK_DGRAM if option == "--udp-port" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = str(taken.getsockname()[1])
        arguments = ["--port", "0", option, port] if option != "--port" else [option, port]
        ended = _run(*arguments, LIVEKIT_API_KEY=API_KEY, LIVEKIT_API_SECRET=API_SECRET)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert port in line
    assert "in use" in line


def test_it_is_alive_and_cannot_be_asked_for_what_it_is_not(devroom: DevroomProcess) -> None:
    """Catches health checks that fail, and paths that answer with anything but 404."""
    assert httpx.get(devroom.url).text == "OK"
    assert httpx.get(f"{devroom.url}/nothing").status_code == 404
    assert httpx.get(f"{devroom.url}/rtc").status_code == 404


async def test_it_ends_in_time_and_says_so(start_devroom: StartDevroom) -> None:
    """Catches clients, sockets or tasks that hold up the end, and clients left without a word."""
    devroom = start_devroom()
    async with (
        Crowd(devroom.server, single=False) as dual,
        Crowd(devroom.server, single=True) as single,
    ):
        members = [await dual.join("ann"), await single.join("bob")]
        for member in members:
            await member.play(440)
        assert devroom.stop() < 5  # then supervisord would kill it
        for member in members:
            (reason,) = await member.next("disconnected")
            assert reason == rtc.DisconnectReason.SERVER_SHUTDOWN
