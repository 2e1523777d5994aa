"""A machine taken out of service and put back, with `make drain`'s own command."""

import os
import subprocess
import sys

from tests.clients.stack import PROJECT_ROOT, Stack, eventually


def test_a_machine_is_taken_out_of_service_and_put_back(stack: Stack) -> None:
    """Catches a drain that drops the call that runs, takes a new one, or cannot be called off."""
    environment = {**os.environ, "PORT": str(stack.port), "DATA_DIR": str(stack.data_dir)}
    drain = [sys.executable, "-u", "-m", "launch.drain"]
    running = stack.http.post("/api/session/start", json={}).json()["sessionId"]
    stack.await_status(running, "ready")
    try:
        with subprocess.Popen(
            drain, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.PIPE, text=True
        ) as draining:
            assert draining.stdout is not None
            told = iter(draining.stdout.readline, "")
            assert any("1 running" in line for line in told)
            eventually(lambda: not stack.find("agent idle"), within_s=30, what="no idle agent")
            waiting = stack.http.post("/api/session/start", json={}).json()["sessionId"]
            assert stack.agent_of(running) is not None
            assert stack.status(running) == "ready"
            stack.http.post("/api/session/end", json={"sessionId": running})
            assert any("is empty" in line for line in told)
        assert draining.returncode == 0
        assert stack.status(waiting) == "queued"
    finally:
        subprocess.run([*drain, "--resume"], cwd=PROJECT_ROOT, env=environment, check=True)
    stack.await_status(waiting, "ready", within_s=30)
    stack.http.post("/api/session/end", json={"sessionId": waiting})
