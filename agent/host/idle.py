"""The children that wait for a job: forked when `agent.host.pool` says so, taken in turn."""

import logging
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.host.fork import ChildMain, Forked, fork
from agent.host.pool import Care, Pool, care_for
from agent.host.proc import send
from agent.host.stream import Stream
from agent.host.timers import Timers
from agent.host_protocol import MAX_LINE_BYTES

READY = b"ready"
"""What a child says once it could take a job."""
PING = b"ping"
PONG = b"pong"
"""What a child that waits is asked, and what it answers as long as its loop runs."""
TAKEN = b"taken"
"""What a child says once it has its job; it hangs up once it is in its room."""
MAX_IDLE = 100

_log = logging.getLogger(__name__)


def _nothing() -> None:
    """Nobody wants to know."""


@dataclass(slots=True)
class Idle:
    """A child that waits for its job, which goes over its stream."""

    child: Forked
    since: float
    stream: Stream = field(init=False)
    ready: bool = False
    asked_at: float | None = None
    """Since when it owes a `PONG`."""
    dismissed: bool = False
    """It is not needed, and was told to go."""
    taken: bool = False
    """It has its job."""
    hung_up: Callable[[], None] = _nothing


class IdleChildren:
    """Keeps the wanted number of them, within a limit that the host gives."""

    def __init__(
        self,
        selector: selectors.BaseSelector,
        timers: Timers,
        main: ChildMain,
        size: int,
        forked: Callable[[int, int], None],
    ) -> None:
        """`forked` gets the pid and the pidfd of each child, for the host to watch."""
        self._selector = selector
        self._timers = timers
        self._main = main
        self._forked = forked
        self._pool = Pool(size)
        self._limit = 0
        self._closed = False
        self._waiting: dict[int, Idle] = {}

    def __len__(self) -> int:
        """How many live, those that are going too."""
        return len(self._waiting)

    def __contains__(self, pid: int) -> bool:
        return pid in self._waiting

    @property
    def ready(self) -> int:
        """How many could take a job at once."""
        return sum(idle.ready for idle in self._staying())

    def resize(self, size: int) -> None:
        """Keep so many."""
        self._pool.size = max(0, min(size, MAX_IDLE))
        self._dismiss()
        self._refill()

    def limit(self, limit: int) -> None:
        """Keep no more than so many, whatever the size."""
        self._limit = max(0, limit)
        self._dismiss()
        self._refill_later()

    def take(self) -> Idle:
        """The one that has waited longest, of those that are ready and well if there are any; else
        a new one. Raises OSError when the machine cannot fork."""
        idle = min(
            self._staying(),
            key=lambda idle: (not idle.ready, idle.asked_at is not None, idle.since),
            default=None,
        )
        if idle is None:
            idle = self._fork()
        else:
            del self._waiting[idle.child.pid]
        self._pool.used(time.monotonic())
        return idle

    def check(self) -> None:
        """Ask those that wait whether they are well, and replace those that did not answer."""
        now = time.monotonic()
        for idle in self._staying():
            match care_for(ready=idle.ready, since=idle.since, asked_at=idle.asked_at, now=now):
                case Care.ASK:
                    idle.asked_at = now
                    idle.stream.send(PING + b"\n")
                case Care.REPLACE:
                    _log.warning("idle agent does not answer", extra={"pid": idle.child.pid})
                    send(idle.child.pidfd, signal.SIGKILL)
                case Care.NOTHING:
                    pass

    def ended(self, pid: int, exit_code: int) -> None:
        """A child that waited is gone."""
        idle = self._waiting.pop(pid)
        idle.stream.close()
        if self._closed or idle.dismissed:
            self._refill_later()
            return
        _log.warning("idle agent ended", extra={"pid": pid, "exit_code": exit_code})
        now = time.monotonic()
        self._pool.died(now - idle.since, now)
        self._refill_later()

    def close(self) -> None:
        """Kill those that wait, and fork no more."""
        self._closed = True
        for idle in self._waiting.values():
            send(idle.child.pidfd, signal.SIGKILL)

    def _staying(self) -> list[Idle]:
        return [idle for idle in self._waiting.values() if not idle.dismissed]

    def _dismiss(self) -> None:
        """Let those go that are too many, the youngest first."""
        if self._closed:
            return
        keep = min(self._pool.size, self._limit)
        for idle in sorted(self._staying(), key=lambda idle: idle.since)[keep:]:
            idle.dismissed = True
            send(idle.child.pidfd, signal.SIGKILL)

    def _refill(self) -> None:
        """Fork one that is missing; the next in the next step, so that requests come between."""
        waiting = len(self._staying())
        if self._closed or waiting >= self._limit:
            return
        if self._pool.missing(waiting, time.monotonic()) == 0:
            return
        try:
            idle = self._fork()
        except OSError as error:
            _log.error("cannot fork", extra={"errno": error.errno})
            self._pool.died(0.0, time.monotonic())
        else:
            self._waiting[idle.child.pid] = idle
        self._refill_later()

    def _refill_later(self) -> None:
        waiting = len(self._staying())
        due_at = self._pool.due_at(waiting)
        if due_at is not None and waiting < self._limit and not self._closed:
            self._timers.at(due_at, self._refill)

    def _fork(self) -> Idle:
        idle = Idle(fork(self._main), since=time.monotonic())
        idle.stream = Stream(
            self._selector,
            idle.child.sock,
            on_line=lambda line: _on_line(idle, line),
            on_closed=lambda: idle.hung_up(),
            max_line_bytes=MAX_LINE_BYTES,
        )
        self._forked(idle.child.pid, idle.child.pidfd)
        return idle


def _on_line(idle: Idle, line: bytes) -> None:
    if line == READY:
        idle.ready = True
    elif line == PONG:
        idle.asked_at = None
    elif line == TAKEN:
        idle.taken = True
