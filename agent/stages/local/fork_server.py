"""One process that loads an engine once and forks a child for every connection.

A child shares the engine's memory with its parent and can crash, or be stopped, without taking
more than its own connection along. The parent is single-threaded and runs no event loop, so
that nothing is held half-done across `fork`. Children outlive a parent that is killed: they
serve their connection to its end.
"""

import gc
import logging
import os
import select
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from setproctitle import setproctitle

from agent.stages.local.errors import CannotStart
from agent.stages.local.listening import AlreadyRunning, Service, hold_lock, listen, refuse

__all__ = ["AlreadyRunning", "Service", "main", "run"]

_STOP_S = 2.0
"""How long children may take to end after SIGTERM."""
_TICK_S = 1.0

logger = logging.getLogger(__name__)


def run(service: Service) -> None:
    """Serve until SIGTERM or SIGINT; raises `AlreadyRunning`."""
    setproctitle(service.title)
    service.socket_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = hold_lock(service.socket_path)
    wake_r, wake_w = os.pipe()
    listener = listen(service.socket_path)
    parent = _Parent(service, listener, inherited=(lock, wake_r, wake_w))
    try:
        _catch_signals(parent, wake_w)
        gc.collect()
        gc.freeze()
        logger.info("%s: ready", service.title)
        parent.loop(wake_r)
    finally:
        listener.close()
        service.socket_path.unlink(missing_ok=True)
        parent.stop_children()
        os.close(lock)


class _Parent:
    """The loop that accepts, forks and reaps."""

    def __init__(
        self, service: Service, listener: socket.socket, *, inherited: tuple[int, ...]
    ) -> None:
        self._service = service
        self._listener = listener
        self._inherited = inherited
        self._children: set[int] = set()
        self._stopping = False

    def stop(self) -> None:
        """Leave the loop."""
        self._stopping = True

    def loop(self, wake_fd: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(wake_fd, selectors.EVENT_READ)
            while not self._stopping:
                ready = {key.fd for key, _ in selector.select(_TICK_S)}
                if wake_fd in ready:
                    os.read(wake_fd, 512)
                self._reap()
                self._service.refresh()
                if self._listener.fileno() in ready:
                    self._accept(selector)

    def stop_children(self) -> None:
        """End every child: SIGTERM, and SIGKILL for those that take too long."""
        self._signal_children(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_S
        while self._children and time.monotonic() < deadline:
            self._reap()
            select.select([], [], [], 0.01)
        self._signal_children(signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            logger.warning("%s: a connection could not be accepted", self._service.title)
            return
        with connection:
            if len(self._children) >= self._service.max_connections:
                logger.warning("%s: refused, all connections in use", self._service.title)
                refuse(connection, "all connections are in use")
                return
            try:
                pid = os.fork()
            except OSError:
                logger.warning("%s: refused, no further process", self._service.title)
                refuse(connection, "no further process can be started")
                return
            if pid == 0:
                selector.close()
                self._run_child(connection)
            self._children.add(pid)

    def _run_child(self, connection: socket.socket) -> NoReturn:
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            self._listener.close()
            for fd in self._inherited:
                os.close(fd)
            setproctitle(f"{self._service.title}: connection")
            connection.setblocking(True)
            self._service.serve(connection)
            status = 0
        except (BrokenPipeError, ConnectionResetError):
            status = 0
        except Exception as error:  # noqa: BLE001 - the edge of a process
            # Its text may hold what a user said.
            logger.error("%s: a connection failed: %s", self._service.title, type(error).__name__)
        finally:
            os._exit(status)

    def _reap(self) -> None:
        for pid in tuple(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            self._children.discard(pid)
            if os.WIFSIGNALED(status) and not self._stopping:
                logger.warning(
                    "%s: a connection died of signal %d",
                    self._service.title,
                    os.WTERMSIG(status),
                )

    def _signal_children(self, number: signal.Signals) -> None:
        for pid in self._children:
            os.kill(pid, number)


def _catch_signals(parent: _Parent, wake_fd: int) -> None:
    os.set_blocking(wake_fd, False)
    signal.set_wakeup_fd(wake_fd, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: parent.stop())


def main(make: Callable[[], Service]) -> NoReturn:
    """Run a service as a program: one line on stderr and status 1 when it cannot start."""
    try:
        run(make())
    except CannotStart as error:
        sys.exit(str(error))
    sys.exit(0)
