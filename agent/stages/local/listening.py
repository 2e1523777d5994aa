"""A unix socket that one process a machine listens on, and what is served there."""

import fcntl
import logging
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agent.stages.local.errors import CannotStart
from agent.stages.local.messages import Refused, pack

_BACKLOG = 128

logger = logging.getLogger(__name__)


class AlreadyRunning(CannotStart):
    """Another process serves this socket."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is served, and where."""

    title: str
    """Title of the process: `majlis recognizer`."""
    socket_path: Path
    max_connections: int
    serve: Callable[[socket.socket], None]
    """Has a process or a thread of its own, and a blocking socket; its return closes it."""
    refresh: Callable[[], None] = lambda: None
    """Runs before each connection and about once a second; must be quick."""


def hold_lock(socket_path: Path) -> int:
    """Hold the socket's lock for as long as this process lives; children let go of it."""
    fd = os.open(f"{socket_path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise AlreadyRunning(f"another process serves {socket_path}") from error
    return fd


def listen(socket_path: Path) -> socket.socket:
    """Listen there; the file that a dead predecessor left is replaced."""
    socket_path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(socket_path))
        socket_path.chmod(0o600)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def refuse(connection: socket.socket, reason: str) -> None:
    """Tell a peer that it may come again later, if it takes that at once."""
    connection.setblocking(False)
    try:
        connection.sendall(pack(Refused(reason, retryable=True)))
    except OSError:
        logger.debug("the refused peer is gone")
