"""What the kernel tells about processes: when one began, that it ended, how."""

import contextlib
import os
import signal
from pathlib import Path

UNKNOWN_EXIT_CODE = 255
"""Of a process that is not our child: only its parent learns how it ended."""


def born(pid: int) -> str | None:
    """When this process began, unique over reboots; None where there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # the name, in brackets, may hold anything; field 22 is the start in clock ticks since boot
    fields = stat.rpartition(")")[2].split()
    state, ticks = fields[0], fields[19]
    return None if state in "ZX" else f"{boot}:{ticks}"


def open_pidfd(pid: int, born_as: str) -> int | None:
    """A descriptor that gets readable when the process ends; None if it is gone already."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if born(pid) != born_as:
        os.close(pidfd)
        return None
    return pidfd


def send(pidfd: int, number: signal.Signals) -> None:
    """Signal a process; nothing happens if it is gone."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, number)


def reap(pid: int) -> int:
    """The exit code of a process that has ended, as `subprocess` has it."""
    try:
        _, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return UNKNOWN_EXIT_CODE
    return os.waitstatus_to_exitcode(status)


def close_inherited(keep: int) -> None:
    """Close what a forked child has no use for: all but its standard streams and `keep`.

    The parent's objects over these descriptors live on in the child and are never used there:
    it leaves by `os._exit`, so none of them closes a number that has come to mean another.
    """
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 (a path object a descriptor)
        if (fd := int(name)) > 2 and fd != keep:
            with contextlib.suppress(OSError):
                os.close(fd)
