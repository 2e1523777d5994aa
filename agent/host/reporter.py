"""The host's side of its reporter, a child that writes to Redis what the host has seen.

The host must stay single-threaded and quick, so it has no Redis client of its own. Ends of agents
are numbered and kept until the reporter says that they are written; one that dies is replaced and
told them again, so none is lost and some may be written twice.
"""

import logging
import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from agent.host.agents import Agent
from agent.host.fork import ChildMain, fork
from agent.host.proc import reap, send
from agent.host.stream import OnEvents, Stream
from agent.host.timers import Timers
from agent.host_protocol import HostStatus
from agent.job import AgentExited

MAX_LINE_BYTES = 4 << 20
_MAX_UNWRITTEN = 10_000
_BACKOFF_S = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exit:
    """Write this, and say so by its number."""

    number: int
    report: AgentExited
    kind: Literal["exit"] = "exit"


@dataclass(frozen=True, slots=True)
class Beat:
    """The host lives, and this runs on it."""

    status: HostStatus
    kind: Literal["beat"] = "beat"


@dataclass(frozen=True, slots=True)
class Farewell:
    """The host stops: write what is left, take its status away, and exit."""

    kind: Literal["farewell"] = "farewell"


ToReporter = Annotated[Exit | Beat | Farewell, Field(discriminator="kind")]
TO_REPORTER_CODEC: TypeAdapter[ToReporter] = TypeAdapter(ToReporter)


class Reporter:
    """Keeps a reporter running. `written` is called with each agent whose end is on record."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        timers: Timers,
        main: ChildMain,
        written: Callable[[Agent], None],
    ) -> None:
        self._selector = selector
        self._timers = timers
        self._main = main
        self._written = written
        self._unwritten: dict[int, tuple[Agent, AgentExited]] = {}
        self._next_number = 1
        self._stream: Stream | None = None
        self._pidfd: int | None = None
        self._leaving = False

    @property
    def running(self) -> bool:
        """Whether there is a reporter's process."""
        return self._pidfd is not None

    def start(self) -> None:
        """Fork a reporter and tell it what is not written yet."""
        if self._leaving:
            return
        child = fork(self._main)
        self._pidfd = child.pidfd
        self._stream = Stream(
            self._selector,
            child.sock,
            on_line=self._on_line,
            on_closed=lambda: None,
            max_line_bytes=MAX_LINE_BYTES,
        )

        def on_exit(_: int) -> None:
            self._on_exit(child.pid, child.pidfd)

        on_events: OnEvents = on_exit
        self._selector.register(child.pidfd, selectors.EVENT_READ, on_events)
        for number, (_, report) in self._unwritten.items():
            self._tell(Exit(number, report))

    def exited(self, agent: Agent, report: AgentExited) -> None:
        """Have the end of an agent written."""
        number, self._next_number = self._next_number, self._next_number + 1
        self._unwritten[number] = (agent, report)
        if len(self._unwritten) > _MAX_UNWRITTEN:
            oldest = next(iter(self._unwritten))
            lost, _ = self._unwritten.pop(oldest)
            _log.error("agent exit not reported", extra={"session_id": lost.session_id})
        self._tell(Exit(number, report))

    def beat(self, status: HostStatus) -> None:
        """Have the host's status written, unless the reporter still has something to read."""
        if self._stream is not None and self._stream.unsent_bytes == 0:
            self._tell(Beat(status))

    def leave(self) -> None:
        """Let the reporter finish and exit."""
        self._leaving = True
        self._tell(Farewell())

    def kill(self) -> None:
        """End the reporter at once."""
        if self._pidfd is not None:
            send(self._pidfd, signal.SIGKILL)

    def _tell(self, message: ToReporter) -> None:
        if self._stream is not None:
            self._stream.send(TO_REPORTER_CODEC.dump_json(message) + b"\n")

    def _on_line(self, line: bytes) -> None:
        agent, _ = self._unwritten.pop(int(line), (None, None))
        if agent is not None:
            self._written(agent)

    def _on_exit(self, pid: int, pidfd: int) -> None:
        self._selector.unregister(pidfd)
        os.close(pidfd)
        code = reap(pid)
        if self._stream is not None:
            self._stream.close()
        self._stream = self._pidfd = None
        if not self._leaving:
            _log.error("reporter ended, starting another", extra={"exit_code": code})
            self._timers.at(time.monotonic() + _BACKOFF_S, self.start)
