"""Forking a child that shares what the host has loaded, and nothing else."""

import os
import signal
import socket
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from agent.host.proc import close_inherited

ChildMain = Callable[[socket.socket], int]
"""What a child runs: it gets its end of a socket pair and returns its exit code."""

_HOST_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CRASHED = 70


@dataclass(frozen=True, slots=True)
class Forked:
    """A child: its process, a descriptor that gets readable when it ends, our end of the pair."""

    pid: int
    pidfd: int
    sock: socket.socket


def fork(main: ChildMain) -> Forked:
    """Start a child in a session of its own, so that it can outlive the host."""
    ours, theirs = socket.socketpair()
    # a signal that came before the child has its own handlers would be taken for the host's
    signal.pthread_sigmask(signal.SIG_BLOCK, _HOST_SIGNALS)
    try:
        pid = os.fork()
        if pid == 0:
            _run(main, theirs)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HOST_SIGNALS)
    theirs.close()
    return Forked(pid, os.pidfd_open(pid), ours)


def _run(main: ChildMain, sock: socket.socket) -> NoReturn:
    code = _CRASHED
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HOST_SIGNALS)
        close_inherited(keep=sock.fileno())
        code = main(sock)
    except BaseException:  # noqa: BLE001 (the edge of a process)
        traceback.print_exc()
    finally:
        os._exit(code)
