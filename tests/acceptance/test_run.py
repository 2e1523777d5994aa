"""Starting and stopping, as the person at the terminal sees it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.stack import PROJECT_ROOT, Stack, eventually

HUNG_S = 40
"""Far more than a start takes, on a machine that does other things too. The figures are printed."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an instance that is started twice."""
    return tmp_path_factory.mktemp("twice")


@pytest.fixture(scope="module")
def interrupted() -> list[str]:
    """The sessions that the first one had when it was stopped."""
    return []


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Stack]:
    """Started where another one was stopped by Ctrl-C; the last test ends it."""
    running = Stack(folder, environment={"USER_REJOIN_TIMEOUT_SECONDS": "3"})
    running.start()
    try:
        yield running
    finally:
        running.stop()


def test_ctrl_c_leaves_nothing(folder: Path, interrupted: list[str]) -> None:
    """Catches a stop that waits for a timeout, and a process that is left behind."""
    first = Stack(folder)
    first.start()
    interrupted.append(first.http.post("/api/session/start", json={}).json()["sessionId"])
    took = first.interrupt()
    left = first.processes()
    first.stop()
    print(f"Ctrl-C took {took:.1f} s")
    assert left == []
    assert took < HUNG_S


def test_it_starts_again(stack: Stack, interrupted: list[str]) -> None:
    """Catches a start that waits for a timeout, and sessions of before that nobody ends."""
    print(f"the second start took {stack.start_took_s:.1f} s")
    assert stack.start_took_s < HUNG_S
    for session in interrupted:  # they wait for their users
        stack.http.post("/api/session/end", json={"sessionId": session})
        stack.await_status(session, "ended")


def test_two_copies_run_side_by_side(lasting_stack: Stack, stack: Stack) -> None:
    """Catches a port, socket or name that two instances share."""
    stacks = (lasting_stack, stack)
    sessions = [s.http.post("/api/session/start", json={}).json()["sessionId"] for s in stacks]
    for each, session in zip(stacks, sessions, strict=True):
        each.await_status(session, "ready")
    for each, session in zip(stacks, sessions, strict=True):
        each.http.post("/api/session/end", json={"sessionId": session})


async def test_leaving_ends_the_session(stack: Stack) -> None:
    """Catches an agent that stays in a room that its user has left for good."""
    async with Caller.start(stack.url) as caller:
        await caller.until_quiet()
    eventually(lambda: stack.agent_of(caller.session_id) is None, within_s=45, what="agent gone")
    stack.await_status(caller.session_id, "ended")


def test_sigterm_lets_the_running_call_finish(stack: Stack) -> None:
    """Catches a stop that cuts calls off, and a drain that never ends."""
    session = stack.http.post("/api/session/start", json={}).json()["sessionId"]
    stack.await_status(session, "ready")
    launcher = stack.find("run.py")
    assert launcher is not None
    os.kill(launcher.pid, signal.SIGTERM)
    eventually(lambda: "Draining" in stack.log.read_text(), within_s=20, what="it drains")
    time.sleep(3)
    assert stack.agent_of(session) is not None
    ended = stack.http.post("/api/session/end", json={"sessionId": session})
    assert ended.status_code == 200
    eventually(lambda: not stack.processes(), within_s=40, what="all gone after the last call")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "many"),
        ("PORT", "70000"),
        ("MAX_CONCURRENT_SESSIONS", "-1"),
        ("DEFAULT_LANGUAGE_CODE", "Klingon!"),
        ("LIVEKIT_URL", "nonsense"),
        ("STT_PROVIDER", "assemblyai"),
        ("RUN_DIR", "/tmp/" + "long/" * 40),
    ],
)
def test_a_wrong_value_stops_it_with_one_line(tmp_path: Path, variable: str, value: str) -> None:
    """Catches a wrong setting that is ignored, or answered by a traceback."""
    environment = {
        **os.environ,
        "DATA_DIR": str(tmp_path / "data"),
        "RUN_DIR": str(tmp_path / "run"),
        variable: value,
    }
    done = subprocess.run(
        [sys.executable, "run.py"],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert variable in done.stderr or "ASSEMBLY_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr
