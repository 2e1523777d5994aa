"""A deployment on several machines: one with Redis, rooms and API, the others with agents."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis
from livekit import api

from tests.clients.network import Network
from tests.clients.remains import agent_processes
from tests.clients.stack import PROJECT_ROOT, eventually, free_port
from tests.integration.agent.processes import KEY, SECRET
from tests.integration.orchestrator.processes import _redis_server
from tests.rooms.server import RoomServer

STAGES = ("recognizer", "synthesizer")
CELERY = ("-m", "celery", "-A", "orchestrator.tasks")
STOP_S = 10.0


class Machine:
    """Worker and agent host on one machine of the network; speech comes from `home`'s engines."""

    def __init__(
        self, name: str, folder: Path, prefix: list[str], environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.folder = folder
        self._prefix = prefix
        self.environment = {
            **environment,
            "RUN_DIR": str(folder / "run"),
            "AGENT_HOST_NAME": name,
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "run").mkdir(mode=0o700, parents=True, exist_ok=True)

    def run(self, name: str, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a Python program here; its output goes to `<name>.log`."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [*self._prefix, sys.executable, *arguments],
                cwd=PROJECT_ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        self._running[name] = process
        return process

    def start_agents(self) -> None:
        """Start the agent host and the worker."""
        self.run("agent-host", "-m", "agent.host")
        options = ("--concurrency", "2", "--without-mingle", "--without-gossip")
        self.run("worker", *CELERY, "worker", "-n", f"worker@{self.name}", *options)

    def until_ready(self) -> None:
        """Wait until it could run agents."""
        path = self.folder / "run" / "agent-host.sock"
        eventually(path.is_socket, within_s=90, what=f"{self.name}: the agent host listens")

    def kill_agents(self) -> None:
        """kill -9 of its host, its worker and every agent, as when its power fails."""
        for name in ("worker", "agent-host"):
            process = self._running.pop(name)
            above = psutil.Process(process.pid)
            for each in (above, *above.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
            process.wait(STOP_S)

    def ask_to_stop(self) -> None:
        """Tell all of it to end."""
        for process in self._running.values():
            process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Wait for the end of all of it, and end what does not."""
        for process in self._running.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_S)
        self._running = {}


class Deployment:
    """`home` has Redis, the room server, the API and beat; `machines` have the agents."""

    def __init__(
        self, folder: Path, network: Network, names: list[str], settings: Mapping[str, str]
    ) -> None:
        self.network = network
        self._redis_port, self._rooms_port, self._port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        at = network.address
        self.server = RoomServer(f"ws://{at}:{self._rooms_port}", KEY, SECRET)
        self.redis_url = f"redis://{at}:{self._redis_port}/0"
        ours = ("LIVEKIT_", "REDIS_", "AGENT_")
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(ours)},
            "REDIS_URL": self.redis_url,
            "LIVEKIT_URL": self.server.url,
            "LIVEKIT_API_KEY": KEY,
            "LIVEKIT_API_SECRET": SECRET,
            "PORT": str(self._port),
            "ALIAS_PORTS": "none",
            "DATA_DIR": str(folder / "data"),
            **settings,
        }
        self._redis: subprocess.Popen[bytes] | None = None
        self._folder = folder
        self.home = Machine("home", folder / "home", [], environment)
        self.machines = {
            name: Machine(name, folder / name, network.add(name), environment) for name in names
        }
        self.http = httpx.Client(base_url=self.url, timeout=15)

    def start(self) -> None:
        """Start everything, and wait until it works."""
        self._start_redis()
        assert self.home.run("index", "-m", "agent.knowledge", "index").wait(60) == 0
        webhook = f"{self.url}/api/livekit/webhook"
        rooms = ("-m", "devroom", "--host", self.network.address, "--port", str(self._rooms_port))
        self.home.run("devroom", *rooms, "--webhook-url", webhook)
        self.home.run("api", "-m", "orchestrator")
        schedule = str(self.home.folder / "beat-schedule")
        self.home.run("beat", *CELERY, "beat", "-s", schedule)
        for stage in STAGES:
            self.home.run(stage, "-m", f"agent.stages.local.{stage}_server")
        for machine in self.machines.values():
            for stage in STAGES:
                socket = f"run/{stage}.sock"
                (machine.folder / socket).symlink_to(self.home.folder / socket)
            machine.start_agents()
        for machine in self.machines.values():
            machine.until_ready()
        self.until_healthy()

    def until_healthy(self, *, within_s: float = 60) -> None:
        """Wait until `/health` says so."""

        def healthy() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                return self.http.get("/health").status_code == 200
            return False

        eventually(healthy, within_s=within_s, what="healthy")

    def stop(self) -> None:
        """End all of it."""
        self.http.close()
        everyone = (*self.machines.values(), self.home)
        for machine in everyone:
            machine.ask_to_stop()
        for machine in everyone:
            machine.stop()
        if self._redis is not None:
            self._redis.terminate()
            self._redis.wait(STOP_S)

    def begin(self, **fields: object) -> str:
        """Start a session; its id."""
        answer = self.http.post("/api/session/start", json=fields)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["sessionId"])

    def end(self, session: str) -> None:
        """End it."""
        assert self.http.post("/api/session/end", json={"sessionId": session}).status_code == 200

    def status(self, session: str) -> str:
        """The session's status over REST."""
        return str(self.http.get(f"/api/session/{session}").json().get("status"))

    def until_status(self, session: str, *wanted: str, within_s: float = 60) -> None:
        """Wait until the session has one of these statuses."""
        what = f"{session} {' or '.join(wanted)}, not {self.status(session)}"
        eventually(lambda: self.status(session) in wanted, within_s=within_s, what=what)

    def agents(self, session: str) -> dict[int, str]:
        """The machine by pid of every process that runs an agent of this session."""
        found = {}
        for pid in agent_processes([session]):
            for name in self.machines:
                if self.network.runs_on(name, pid):
                    found[pid] = name
        return found

    def until_on(self, session: str, machine: str, *, within_s: float = 60) -> int:
        """Wait until this machine runs an agent of the session; its pid."""

        def look() -> int | None:
            return next((p for p, on in self.agents(session).items() if on == machine), None)

        return eventually(look, within_s=within_s, what=f"an agent of {session} on {machine}")

    async def members(self, session: str) -> list[str]:
        """The identities in a session's room."""
        url = self.server.url.replace("ws", "http", 1)
        async with api.LiveKitAPI(url, KEY, SECRET) as livekit:
            request: Any = api.ListParticipantsRequest(room=session)
            answer = await livekit.room.list_participants(request)
        return [participant.identity for participant in answer.participants]

    def _start_redis(self) -> None:
        command = [_redis_server(), "--port", str(self._redis_port), "--appendonly", "yes"]
        command += ["--bind", self.network.address, "--protected-mode", "no", "--save", ""]
        command += ["--dir", str(self.home.folder)]
        self._redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)

        def answers() -> bool:
            with contextlib.suppress(redis.RedisError), redis.Redis.from_url(self.redis_url) as r:
                return bool(r.ping())
            return False

        eventually(answers, within_s=20, what="Redis answers")
