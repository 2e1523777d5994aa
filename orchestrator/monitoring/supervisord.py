"""Talks to the supervisord of this machine over its unix socket (XML-RPC), and judges what it says.

supervisord restarts a program for ever; whether one *keeps* failing shows only over time.
"""

import http.client
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from supervisor.xmlrpc import Faults, SupervisorTransport

STEADY_S = 5.0
"""A program that has run for so long has started well."""
PATIENCE_S = 12.0
"""How long a program may be without having run steadily before it counts as failing."""


def control_socket(run_dir: Path) -> Path:
    """Where supervisord listens."""
    return run_dir / "supervisor.sock"


@dataclass(frozen=True, slots=True)
class ProgramState:
    """One program, as supervisord sees it."""

    name: str
    state: str
    """supervisord's word: `RUNNING`, `BACKOFF`, …"""
    up_s: float
    """How long it has run; 0 when it does not."""


class Supervisord:
    """A running supervisord. Calls that reach none, or a program that is not up, do nothing."""

    def __init__(self, run_dir: Path) -> None:
        self._socket = control_socket(run_dir)

    def signal(self, program: str, signal_name: str) -> None:
        """Send a program a signal, `INT`."""
        self._call("signalProcess", program, signal_name)

    def stop_all(self) -> None:
        """Tell every program to stop, all at once, without waiting for any."""
        self._call("stopAllProcesses", False)

    def programs(self) -> list[ProgramState]:
        """Every program; none when no supervisord answers."""
        rows = cast("list[dict[str, Any]]", self._call("getAllProcessInfo") or [])
        return [
            ProgramState(
                row["name"],
                row["statename"],
                float(row["now"] - row["start"]) if row["statename"] == "RUNNING" else 0.0,
            )
            for row in rows
        ]

    def _call(self, method: str, *arguments: object) -> object:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        proxy: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in (Faults.NOT_RUNNING, Faults.SHUTDOWN_STATE, Faults.BAD_NAME):
                return None
            raise
        except (OSError, http.client.HTTPException):
            return None
        finally:
            transport.close()


class FailingPrograms:
    """Which programs keep failing, judged from looks at them over time. Pure but for its memory."""

    def __init__(self) -> None:
        self._steady_at: dict[str, float] = {}

    def look(self, programs: list[ProgramState], now: float) -> tuple[str, ...]:
        """Take a look at `now` (seconds, monotonic); the names of those that keep failing."""
        for program in programs:
            if program.up_s >= STEADY_S or program.name not in self._steady_at:
                self._steady_at[program.name] = now
        return tuple(
            program.name for program in programs if now - self._steady_at[program.name] > PATIENCE_S
        )
