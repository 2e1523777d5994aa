"""Local speech servers for a benchmark."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from agent.settings import AgentSettings

_READY_S = 30.0


@contextlib.contextmanager
def running(settings: AgentSettings, module: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server of `agent.stages.local` that takes connections, for as long as the block lasts."""
    sockets = {
        "recognizer_server": settings.recognizer_socket,
        "synthesizer_server": settings.synthesizer_socket,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", f"agent.stages.local.{module}"],
        env={
            **os.environ,
            "RUN_DIR": str(settings.run_dir),
            "DATA_DIR": str(settings.data_dir),
            "LOG_LEVEL": "WARNING",
        },
    )
    try:
        _wait_until_ready(process, sockets[module])
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _wait_until_ready(process: subprocess.Popen[bytes], path: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                time.sleep(0.02)
            else:
                return
    raise RuntimeError(f"no server on {path}")
