"""Talks to a running supervisord over its unix socket (XML-RPC)."""

import http.client
import xmlrpc.client
from pathlib import Path
from typing import Any, cast

from supervisor.xmlrpc import Faults, SupervisorTransport

from launch.supervisord import control_socket


class Supervisord:
    """A running supervisord. Calls that reach none, or a program that is not up, do nothing."""

    def __init__(self, run_dir: Path) -> None:
        transport = SupervisorTransport(None, None, f"unix://{control_socket(run_dir)}")
        self._rpc: Any = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)

    def signal(self, program: str, signal_name: str) -> None:
        """Send a program a signal, `INT`."""
        self._call(self._rpc.supervisor.signalProcess, program, signal_name)

    def stop_all(self) -> None:
        """Tell every program to stop, all at once, without waiting for any."""
        self._call(self._rpc.supervisor.stopAllProcesses, False)

    def states(self) -> dict[str, str]:
        """Each program's state by its name, as supervisord calls it: `RUNNING`, `BACKOFF`, …"""
        rows = self._call(self._rpc.supervisor.getAllProcessInfo)
        return {row["name"]: row["statename"] for row in cast("list[dict[str, str]]", rows or [])}

    @staticmethod
    def _call(method: Any, *arguments: object) -> object:
        try:
            return method(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode in (Faults.NOT_RUNNING, Faults.SHUTDOWN_STATE, Faults.BAD_NAME):
                return None
            raise
        except (OSError, http.client.HTTPException):
            return None
