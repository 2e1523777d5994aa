"""The ways in which existing deployments start the parts."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from agent.settings import PROJECT_ROOT
from tests.integration.orchestrator.processes import (
    KEY,
    SECRET,
    RedisServer,
    Running,
    eventually,
    free_port,
)

FOLDER = PROJECT_ROOT / "orchestrator"


@pytest.fixture
def env(redis_server: RedisServer, tmp_path: Path) -> dict[str, str]:
    return {
        **{k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        "REDIS_URL": redis_server.url,
        "LIVEKIT_URL": "ws://127.0.0.1:9",
        "LIVEKIT_API_KEY": KEY,
        "LIVEKIT_API_SECRET": SECRET,
        "DATA_DIR": str(tmp_path),
        "RUN_DIR": str(tmp_path),
    }


def run(
    arguments: Sequence[str], env: dict[str, str], tmp_path: Path, until: str
) -> Iterator[Running]:
    """Run in the folder of the orchestrator until the log says so; stopped at the end."""
    log = tmp_path / "log"
    running = Running([sys.executable, "-m", *arguments], log=log, env=env, cwd=FOLDER)
    try:
        eventually(lambda: until in log.read_text() or not running.alive, what=until)
        assert running.alive, log.read_text()
        yield running
    finally:
        if running.alive:
            running.stop()


@pytest.mark.parametrize(
    ("arguments", "until"),
    [
        (["celery", "-A", "tasks", "worker", "--concurrency", "1"], " ready."),
        (["celery", "-A", "tasks", "beat", "-s", "{folder}/beat"], "beat: Starting"),
        (["uvicorn", "main:app", "--port", "{port}"], "Uvicorn running"),
    ],
    ids=["worker", "beat", "api"],
)
def test_from_within_the_folder(
    arguments: list[str], until: str, env: dict[str, str], tmp_path: Path
) -> None:
    """Catches a start that needs the project's root on the path."""
    port = free_port()
    filled = [each.format(folder=tmp_path, port=port) for each in arguments]
    for _ in run(filled, {**env, "AGENT_HOST_NAME": "m1"}, tmp_path, until):
        if "worker" in filled:
            assert "host.m1" in (tmp_path / "log").read_text()
        if "uvicorn" in filled:
            answer = httpx.get(f"http://127.0.0.1:{port}/health?token=s3cret", timeout=5)
            assert answer.status_code == 503
            assert "s3cret" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["orchestrator"],
        ["celery", "-A", "orchestrator.tasks", "worker"],
        ["uvicorn", "orchestrator.main:app"],
    ],
)
def test_a_wrong_setting_is_one_line(arguments: list[str], env: dict[str, str]) -> None:
    """Catches a traceback for a typo in `.env`."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**env, "PORT": "eighty"},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    assert "PORT: " in done.stderr
    assert "Traceback" not in done.stderr
