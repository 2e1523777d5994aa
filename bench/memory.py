"""What processes cost in memory, by the kernel's own account."""

from collections.abc import Iterable
from pathlib import Path

import psutil

KIB = 1024


def uss_mib(pid: int) -> float:
    """Memory of a process that no other shares."""
    return _sum_mib(pid, "Private_")


def pss_mib(pid: int) -> float:
    """Memory of a process, what it shares divided by how many share it: these add up."""
    return _sum_mib(pid, "Pss:")


def family_mib(pid: int) -> float:
    """Memory of a process and all that it started."""
    family: Iterable[psutil.Process] = [psutil.Process(pid)]
    family = [*family, *psutil.Process(pid).children(recursive=True)]
    return sum(pss_mib(process.pid) for process in family)


def _sum_mib(pid: int, name: str) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in rollup if line.startswith(name)) / KIB
