"""A room server for tests: devroom as a real process, or the LiveKit the environment names."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

API_KEY = "test-key"
API_SECRET = "a-secret-for-tests-long-enough-for-hs256"
_START_S = 20.0
_LISTENS = re.compile(r"listens on (http://\S+) \(udp (\S+); tcp (\S+)\)")


@dataclass(frozen=True, slots=True)
class RoomServer:
    """Where a room server is, and the credentials it knows."""

    url: str
    api_key: str
    api_secret: str


class DevroomProcess:
    """`python -m devroom` on ports of its own, its log in a file."""

    def __init__(
        self,
        log: Path,
        arguments: Sequence[str] = ("--port", "0"),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log = log
        self._arguments = arguments
        self._environment = {
            **os.environ,
            "LIVEKIT_API_KEY": API_KEY,
            "LIVEKIT_API_SECRET": API_SECRET,
            **(environment or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.udp = ("", 0)
        self.tcp = ("", 0)

    @property
    def server(self) -> RoomServer:
        return RoomServer(self.url.replace("http", "ws", 1), API_KEY, API_SECRET)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        before = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "devroom", *self._arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
            )
        deadline = time.monotonic() + _START_S
        while True:
            said = self.log.read_text()[before:]
            match = _LISTENS.search(said)
            if match:
                self.url = match.group(1)
                self.udp, self.tcp = _address(match.group(2)), _address(match.group(3))
                return self
            assert self._process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.02)

    def stop(self) -> float:
        """Asks it to end; how many seconds that took."""
        assert self._process is not None
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
        return time.monotonic() - started

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def close(self) -> None:
        """Ends it, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()

    def faults(self) -> list[str]:
        """Lines of the log that no run may have: unhandled errors, and tokens."""
        bad = ("Traceback", "never retrieved", "ERROR", "access_token", "join_request=", "eyJ")
        return [line for line in self.log.read_text().splitlines() if any(b in line for b in bad)]


def _address(text: str) -> tuple[str, int]:
    """An address as devroom tells it; `off` where it does not listen."""
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon else ("", 0)
