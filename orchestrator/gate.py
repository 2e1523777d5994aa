"""Keeps a worker from taking tasks that its machine's agent host has no place for.

What is not taken stays in Redis, for another machine or for later: nothing waits in a worker.
Agents are placed only while the host says that it takes jobs; what only this machine can do is
taken as long as the host is there at all.
"""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.worker.consumer import Tasks
from pydantic import ValidationError

from agent.host_protocol import BEAT_S, MAX_LINE_BYTES, REPLY_CODEC, REQUEST_CODEC, Vacancy, Watch
from orchestrator.dispatch import SPAWN_QUEUE, host_queue
from orchestrator.settings import Settings, host_name

CONNECT_TIMEOUT_S = 2.0
SILENCE_S = 5 * BEAT_S
"""After which time a host that says nothing counts as away."""
RETRY_S = 0.1

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Openings:
    """What the machine's host can do now."""

    takes_jobs: bool = False
    is_there: bool = False


class HostWatch(threading.Thread):
    """Watches the host at this socket, and calls `changed` (in this thread) at each change."""

    def __init__(
        self,
        path: Path,
        changed: Callable[[Openings], None],
        *,
        silence_s: float = SILENCE_S,
        retry_s: float = RETRY_S,
    ) -> None:
        super().__init__(name="host watch", daemon=True)
        self._silence_s = silence_s
        self._retry_s = retry_s
        self._path = path
        self._changed = changed
        self._stopped = threading.Event()
        self._openings = Openings()

    def run(self) -> None:
        """Watch until stopped, connecting again whenever the host is back."""
        while not self._stopped.is_set():
            try:
                for free in self._vacancies():
                    self._set(Openings(takes_jobs=free > 0, is_there=True))
                    if self._stopped.is_set():
                        return
            except (OSError, ValidationError) as error:
                if self._openings.is_there:
                    fields = {"error": type(error).__name__}
                    logger.warning("agent host is away", extra=fields)
            self._set(Openings())
            self._stopped.wait(self._retry_s)

    def stop(self) -> None:
        """Watch no more."""
        self._stopped.set()

    def _vacancies(self) -> Iterator[int]:
        """How many more jobs the host takes, as often as it says so; ends with the connection."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(CONNECT_TIMEOUT_S)
            sock.connect(str(self._path))
            sock.sendall(REQUEST_CODEC.dump_json(Watch()) + b"\n")
            sock.settimeout(self._silence_s)
            with sock.makefile("rb") as lines:
                while line := lines.readline(MAX_LINE_BYTES):
                    reply = REPLY_CODEC.validate_json(line)
                    if isinstance(reply, Vacancy):
                        yield reply.free

    def _set(self, openings: Openings) -> None:
        if openings != self._openings:
            self._openings = openings
            self._changed(openings)


class Gate:
    """Which queues a Celery consumer takes from. Use it in the worker's main thread."""

    def __init__(self, host: str) -> None:
        self._host = host
        self.openings = Openings()

    def apply(self, consumer: Any) -> None:
        """Have the consumer take from the queues that are open, and from no other."""
        if consumer.task_consumer is None or consumer.connection is None:
            return  # it is connecting, and asks again when it is connected
        self._set(consumer, SPAWN_QUEUE, is_open=self.openings.takes_jobs)
        self._set(consumer, host_queue(self._host), is_open=self.openings.is_there)

    @staticmethod
    def _set(consumer: Any, queue: str, *, is_open: bool) -> None:
        was_open = queue in consumer.app.amqp.queues.consume_from
        if is_open and not was_open:
            consumer.add_task_queue(queue)
        elif was_open and not is_open:
            consumer.cancel_task_queue(queue)


def gate_step(settings: Callable[[], Settings]) -> type[bootsteps.StartStopStep]:
    """The step of a worker's consumer that keeps its gate."""

    class GateStep(bootsteps.StartStopStep):
        """Watches the host as long as the worker lives, through every reconnect to Redis."""

        requires = (Tasks,)

        def __init__(self, parent: Any, **options: Any) -> None:
            super().__init__(parent, **options)
            self._gate = Gate(host_name(settings()))
            self._watch: HostWatch | None = None

        def start(self, parent: Any) -> None:
            """Before the first task is taken, and again after each reconnect."""
            self._gate.apply(parent)
            if self._watch is None:

                def changed(openings: Openings) -> None:
                    parent.call_soon(self._turn, parent, openings)

                self._watch = HostWatch(settings().agent_host_socket, changed)
                self._watch.start()

        def shutdown(self, parent: Any) -> None:
            """The worker stops."""
            if self._watch is not None:
                self._watch.stop()

        def _turn(self, parent: Any, openings: Openings) -> None:
            self._gate.openings = openings
            # of a connection that has just broken: the next one starts with what is open then
            with contextlib.suppress(*parent.connection_errors):
                self._gate.apply(parent)

    return GateStep
