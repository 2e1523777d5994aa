"""One process that loads an engine once and serves each connection in a thread.

For engines that bring threads of their own, which a fork would leave behind: `fork_server` is the
better one wherever it will do, for here a crash takes all connections along. They come back: who
runs this program starts it again, and clients send what had no answer once more.
"""

import logging
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from setproctitle import setproctitle

from agent.stages.local.errors import CannotStart
from agent.stages.local.listening import Service, hold_lock, listen, refuse

_TICK_S = 1.0

logger = logging.getLogger(__name__)


def run(service: Service) -> None:
    """Serve until SIGTERM or SIGINT; raises `AlreadyRunning`."""
    setproctitle(service.title)
    service.socket_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = hold_lock(service.socket_path)
    listener = listen(service.socket_path)
    wake_r, wake_w = os.pipe()
    connections = _Connections(service)
    try:
        os.set_blocking(wake_w, False)
        signal.set_wakeup_fd(wake_w, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        logger.info("%s: ready", service.title)
        _accept(service, listener, wake_r, connections)
    finally:
        signal.set_wakeup_fd(-1)
        listener.close()
        service.socket_path.unlink(missing_ok=True)
        connections.close()
        for fd in (wake_r, wake_w, lock):
            os.close(fd)


class _Connections:
    """Those that are open, one thread each."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def serve(self, connection: socket.socket) -> None:
        """Serve it, or refuse it where there are too many."""
        with self._lock:
            full = len(self._open) >= self._service.max_connections
            if not full:
                self._open.add(connection)
        if full:
            logger.warning("%s: refused, all connections in use", self._service.title)
            refuse(connection, "all connections are in use")
            connection.close()
            return
        # as a daemon: the engine may be at work for the while that it takes, but not at the end
        threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def close(self) -> None:
        """Hang up on all."""
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    logger.debug("a peer is gone already")

    def _run(self, connection: socket.socket) -> None:
        try:
            connection.setblocking(True)
            self._service.serve(connection)
        except OSError:
            logger.debug("a peer went away")
        except Exception as error:  # noqa: BLE001 - the edge of a thread
            # Its text may hold what a user said.
            logger.error("%s: a connection failed: %s", self._service.title, type(error).__name__)
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def _accept(
    service: Service, listener: socket.socket, wake_fd: int, connections: _Connections
) -> None:
    """Until a signal comes."""
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(wake_fd, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select(_TICK_S)}
            if wake_fd in ready:
                return
            service.refresh()
            if listener.fileno() not in ready:
                continue
            try:
                connection, _ = listener.accept()
            except OSError:
                logger.warning("%s: a connection could not be accepted", service.title)
                continue
            connections.serve(connection)


def main(make: Callable[[], Service]) -> NoReturn:
    """Run a service as a program: one line on stderr and status 1 when it cannot start."""
    try:
        run(make())
    except CannotStart as error:
        sys.exit(str(error))
    sys.stdout.flush()
    # the engine's threads need not be waited for
    os._exit(0)
