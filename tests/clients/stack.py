"""The whole product as real processes, started the way `make run` starts it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import psutil

T = TypeVar("T")

PROJECT_ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(look: Callable[[], T | None], *, within_s: float, what: str) -> T:
    """Look until there is something to see. Raises AssertionError, naming `what`."""
    deadline = time.monotonic() + within_s
    while True:
        seen = look()
        if seen:
            return seen
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.02)


@dataclass(frozen=True)
class Process:
    """One process of the product, as `ps` shows it."""

    pid: int
    command: str


class Stack:
    """One running instance. Its processes are known by `RUN_DIR` in their environment."""

    def __init__(self, folder: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.run_dir = folder / "run"
        self.data_dir = folder / "data"
        self.log = folder / "run.log"
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("LIVEKIT_", "REDIS_"))},
            "PORT": str(self.port),
            "RUN_DIR": str(self.run_dir),
            "DATA_DIR": str(self.data_dir),
            "ALIAS_PORTS": "none",
            "START_TIMEOUT_SECONDS": "240",  # the machine may do other things too
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.start_took_s = 0.0
        self._known: list[psutil.Process] = []
        self.http = httpx.Client(base_url=self.url, timeout=15)

    def start(self, *, within_s: float = 260) -> None:
        """Start, and wait until it says that it is ready."""
        began = time.monotonic()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "run.py"],
                cwd=PROJECT_ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        process = self._process

        def ready() -> bool:
            assert process.poll() is None, self.log.read_text()
            return "Majlis is ready" in self.log.read_text()

        try:
            eventually(ready, within_s=within_s, what="ready")
        except BaseException:
            self.stop()
            raise
        self.start_took_s = time.monotonic() - began

    def stop(self, number: signal.Signals = signal.SIGINT, *, within_s: float = 30) -> float:
        """Stop it; how long that took in seconds. What is left after the time is killed."""
        self.http.close()
        process = self._process
        if process is None:
            return 0.0
        self.processes()
        began = time.monotonic()
        process.send_signal(number)
        try:
            process.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        took = time.monotonic() - began
        for left in self.processes():
            os.kill(left.pid, signal.SIGKILL)
        self._process = None
        return took

    def interrupt(self) -> float:
        """Ctrl-C: how long until it is gone, in seconds, leaving what it leaves."""
        assert self._process is not None
        self.processes()  # so that they are known when their parents are gone
        began = time.monotonic()
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=30)
        return time.monotonic() - began

    def processes(self) -> list[Process]:
        """Every process of this instance that lives: what it started, and what that started.

        Known by `RUN_DIR` in the environment, or by a parent that is known; some programs write
        their title over their environment, and agents outlive their parent.
        """
        known = {p.pid: p for p in self._known if p.is_running()}
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("RUN_DIR") == str(self.run_dir):
                    known[process.pid] = process
        for process in list(known.values()):
            with contextlib.suppress(psutil.Error):
                known.update((child.pid, child) for child in process.children(recursive=True))
        self._known = list(known.values())
        found = []
        for process in self._known:
            with contextlib.suppress(psutil.Error):
                command = " ".join(process.cmdline()).strip()
                if command and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(Process(process.pid, command))
        return found

    def find(self, part: str) -> Process | None:
        """The process whose command contains `part`; the oldest, where there are several."""
        return min(
            (process for process in self.processes() if part in process.command),
            key=lambda process: process.pid,
            default=None,
        )

    def agent_of(self, session_id: str) -> Process | None:
        """The agent process of a session, by its title."""
        return self.find(f"agent {session_id}")

    def environment_of(self, part: str) -> dict[str, str]:
        """What a process of ours inherited, embedded addresses and keys included."""
        process = self.find(part)
        assert process is not None
        raw = Path(f"/proc/{process.pid}/environ").read_bytes().decode().split("\0")
        return dict(entry.split("=", 1) for entry in raw if "=" in entry)

    def status(self, session_id: str) -> str:
        """The session's status over REST."""
        answer = self.http.get(f"/api/session/{session_id}").json()
        return str(answer.get("status", json.dumps(answer)))

    def await_status(self, session_id: str, *wanted: str, within_s: float = 60) -> str:
        """Wait until the session has one of these statuses."""

        def look() -> str | None:
            status = self.status(session_id)
            return status if status in wanted else None

        return eventually(look, within_s=within_s, what=f"{session_id} {' or '.join(wanted)}")
