"""Starting and stopping, as the person at the terminal sees it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.clients.stack import PROJECT_ROOT, Stack, eventually

HUNG_S = 40
"""Far more than a start takes, on a machine that does other things too. The figures are printed."""


def test_start_again_stop_and_leave_nothing(tmp_path: Path) -> None:
    """Catches a start or a stop that waits for a timeout, and a process that is left behind."""
    first = Stack(tmp_path)
    first.start()
    first.http.post("/api/session/start", json={})
    took = first.interrupt()
    left = first.processes()
    first.stop()
    assert left == []
    assert took < HUNG_S

    second = Stack(tmp_path)
    began = time.monotonic()
    second.start()
    ready = time.monotonic() - began
    second.stop()
    print(f"Ctrl-C took {took:.1f} s, the second start {ready:.1f} s")
    assert ready < HUNG_S


def test_two_copies_run_side_by_side(lasting_stack: Stack, tmp_path: Path) -> None:
    """Catches a port, socket or name that two instances share."""
    another = Stack(tmp_path)
    another.start()
    try:
        stacks = (lasting_stack, another)
        sessions = [s.http.post("/api/session/start", json={}).json()["sessionId"] for s in stacks]
        for stack, session in zip(stacks, sessions, strict=True):
            stack.await_status(session, "ready")
        for stack, session in zip(stacks, sessions, strict=True):
            stack.http.post("/api/session/end", json={"sessionId": session})
    finally:
        another.stop()


def test_sigterm_lets_the_running_call_finish(tmp_path: Path) -> None:
    """Catches a stop that cuts calls off, and a drain that never ends."""
    stack = Stack(tmp_path)
    stack.start()
    try:
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
    finally:
        stack.stop()


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
