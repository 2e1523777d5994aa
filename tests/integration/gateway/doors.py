"""The API with its doors, the local speech engines and Redis, as processes of the tests' own."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import psutil

from agent.settings import PROJECT_ROOT, AgentSettings
from tests.clients.stack import eventually, free_port
from tests.integration.agent.processes import RedisProcess
from tests.integration.stages.conftest import start_server

START_TIMEOUT_S = 120.0
EMPTY_TIMEOUT_S = 30.0


class Doors:
    """A running API. `url` is where its sockets are."""

    def __init__(
        self,
        folder: Path,
        machine: AgentSettings,
        redis: RedisProcess,
        settings: Mapping[str, str],
    ) -> None:
        self.machine = machine
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        self.redis = redis
        self.log = folder / f"api-{self.port}.log"
        self._environment = {
            **os.environ,
            "REDIS_URL": redis.url,
            "PORT": str(self.port),
            "ALIAS_PORTS": "none",
            "RUN_DIR": str(machine.run_dir),
            "DATA_DIR": str(machine.data_dir),
            "SESSION_STARTS_PER_MINUTE": "10000",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns when it answers."""
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "orchestrator"],
                env=self._environment,
                cwd=PROJECT_ROOT,
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, within_s=START_TIMEOUT_S, what="the API answers")

    def stop(self) -> None:
        """End it as supervisord would."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(15)

    @property
    def process(self) -> psutil.Process:
        """The API's own."""
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def stats(self) -> dict[str, object]:
        """What `/stats` says."""
        answer = httpx.get(f"http://127.0.0.1:{self.port}/stats", timeout=10)
        assert answer.status_code == 200
        return dict(answer.json())

    def emptied(self) -> None:
        """Return when every place is given back: those who have left may still be on their way."""
        eventually(
            lambda: self.stats()["active_conversations"] == 0,
            within_s=EMPTY_TIMEOUT_S,
            what="nobody is left at the doors",
        )

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.port}/livez", timeout=2).status_code == 200
        return False


@contextlib.contextmanager
def open_doors(folder: Path, settings: Mapping[str, str]) -> Iterator[Doors]:
    """Everything that a conversation needs, with real local stages, until the block ends."""
    machine = AgentSettings(_env_file=None, run_dir=folder / "r", data_dir=folder / "d")  # type: ignore[call-arg]  # pydantic-settings' own
    environment = {"RUN_DIR": str(machine.run_dir), "DATA_DIR": str(machine.data_dir)}
    subprocess.run(
        [sys.executable, "-m", "agent.knowledge", "index"],
        env={**os.environ, **environment},
        cwd=PROJECT_ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    with contextlib.ExitStack() as stack:
        redis = RedisProcess(folder)
        redis.start()
        stack.callback(redis.stop)
        for module, path in (
            ("recognizer_server", machine.recognizer_socket),
            ("synthesizer_server", machine.synthesizer_socket),
        ):
            server = start_server(module, path, environment)
            stack.callback(server.stop)
            if server.process.stderr is not None:
                stack.callback(server.process.stderr.close)
        doors = Doors(folder, machine, redis, settings)
        stack.callback(doors.stop)
        doors.start()
        yield doors
