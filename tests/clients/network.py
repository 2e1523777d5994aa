"""Machines on a network of their own: network namespaces on one bridge, each link can be cut.

Needs root and `ip` (iproute2). The bridge is `address` to this machine and to all of them.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

PREFIX_BITS = 24


def why_no_network(*, strict: bool) -> str | None:
    """What keeps us from making networks; what could be installed does not count if strict."""
    if os.geteuid() != 0:
        return "needs root"
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        return "network namespaces are not allowed here"
    if shutil.which("ip") is None and not strict:
        return "needs iproute2"
    return None


class Network:
    """A bridge with machines on it; `close` takes all of it away."""

    def __init__(self) -> None:
        token = secrets.token_hex(2)
        third, fourth = secrets.randbelow(250) + 1, secrets.randbelow(250) + 1
        self._net = f"10.{third}.{fourth}"
        self._name = f"mj{token}"
        self._names: list[str] = []
        self.address = f"{self._net}.1"

    def open(self) -> None:
        """Make the bridge."""
        _ip("link", "add", self._name, "type", "bridge")
        _ip("addr", "add", f"{self.address}/{PREFIX_BITS}", "dev", self._name)
        _ip("link", "set", self._name, "up")

    def add(self, machine: str) -> list[str]:
        """Put a machine on it; what its commands begin with."""
        number = len(self._names)
        self._names.append(machine)
        namespace, inside = self._namespace(machine), f"{self._name}i{number}"
        _ip("netns", "add", namespace)
        _ip("link", "add", self._link(machine), "type", "veth", "peer", "name", inside)
        _ip("link", "set", inside, "netns", namespace)
        _ip("link", "set", self._link(machine), "master", self._name, "up")
        within = ("-n", namespace)
        _ip(*within, "addr", "add", f"{self._net}.{number + 2}/{PREFIX_BITS}", "dev", inside)
        _ip(*within, "link", "set", inside, "up")
        _ip(*within, "link", "set", "lo", "up")
        return ["ip", "netns", "exec", namespace]

    def cut(self, machine: str) -> None:
        """Nothing comes to it or from it any more; nobody is told."""
        _ip("link", "set", self._link(machine), "nomaster")

    def mend(self, machine: str) -> None:
        """All is well again."""
        _ip("link", "set", self._link(machine), "master", self._name)

    @contextlib.contextmanager
    def without(self, machine: str) -> Iterator[None]:
        """Cut off for a while."""
        self.cut(machine)
        try:
            yield
        finally:
            self.mend(machine)

    def runs_on(self, machine: str, pid: int) -> bool:
        """Whether a process is on that machine."""
        theirs = Path("/var/run/netns") / self._namespace(machine)
        with contextlib.suppress(OSError):
            return Path(f"/proc/{pid}/ns/net").stat().st_ino == theirs.stat().st_ino
        return False

    def close(self) -> None:
        """Take all of it away; no process may be on it any more."""
        for machine in self._names:
            _ip("link", "del", self._link(machine), check=False)
            _ip("netns", "del", self._namespace(machine), check=False)
        _ip("link", "del", self._name, check=False)

    def _namespace(self, machine: str) -> str:
        return f"{self._name}-{machine}"

    def _link(self, machine: str) -> str:
        return f"{self._name}o{self._names.index(machine)}"


def _ip(*arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True, timeout=10)
