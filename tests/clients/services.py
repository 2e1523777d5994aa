"""The three reference services as real processes, on free ports."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.clients.stack import PROJECT_ROOT, eventually, free_port

START_S = 120.0
"""The machine may do other things too."""


@dataclass
class ServiceProcess:
    """One service: `asr`, `rag` or `tts`."""

    name: str
    port: int
    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As the setting has it."""
        scheme = "http" if self.name == "rag" else "ws"
        return f"{scheme}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; `await_ready` waits."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"services.{self.name}", "--port", str(self.port)],
                cwd=PROJECT_ROOT,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
            )

    def await_ready(self) -> None:
        """Wait until it answers."""
        process = self.process
        assert process is not None

        def ready() -> bool:
            assert process.poll() is None, self.log.read_text()
            return self.health().get("status") == "healthy"

        eventually(ready, within_s=START_S, what=f"the {self.name} service")

    def health(self) -> dict[str, Any]:
        """What it tells of itself; nothing when it is not there."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=2)
        except httpx.TransportError:
            return {}
        told: dict[str, Any] = answer.json()
        return told

    @property
    def served(self) -> int:
        """How many connections and answers there were since it started."""
        return int(self.health().get("served", 0))

    def kill(self) -> None:
        """`kill -9`."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> float:
        """Ctrl-C; how long it took in seconds."""
        if self.process is None or self.process.poll() is not None:
            return 0.0
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return time.monotonic() - began


def prepare(environment: Mapping[str, str]) -> None:
    """Make the index, and the recogniser's words of it, where such services look for them."""
    for module in (["agent.knowledge", "index"], ["agent.stages.local.language_model"]):
        subprocess.run(
            [sys.executable, "-m", *module],
            cwd=PROJECT_ROOT,
            env={**os.environ, **environment},
            check=True,
            capture_output=True,
        )


def three(folder: Path, environment: Mapping[str, str]) -> dict[str, ServiceProcess]:
    """All three, by name, not started."""
    return {
        name: ServiceProcess(name, free_port(), environment, folder / f"{name}.log")
        for name in ("asr", "rag", "tts")
    }
