"""The agent host at work: one thread, one `selectors` loop, nothing that blocks.

What may run is decided in `agent.host.agents`, how many children wait in `agent.host.pool`; here
it is done: fork, hand over, signal, reap, report.
"""

import enum
import logging
import os
import selectors
import signal
import socket
import time
from typing import assert_never

from pydantic import ValidationError

from agent.host.agents import Agent, Agents, Runs, Start
from agent.host.clients import Clients
from agent.host.fork import ChildMain
from agent.host.idle import Idle, IdleChildren
from agent.host.pool import CHECK_EVERY_S, Demand
from agent.host.proc import born, open_pidfd, reap, send
from agent.host.records import Records
from agent.host.reporter import Reporter
from agent.host.starts import Starts
from agent.host.stream import OnEvents
from agent.host.timers import Timers
from agent.host_protocol import (
    BEAT_S,
    REQUEST_CODEC,
    Done,
    Drain,
    End,
    HostReply,
    HostRequest,
    HostStatus,
    Prewarm,
    Refusal,
    Refused,
    Resume,
    Spawn,
    Status,
    Vacancy,
    Watch,
)
from agent.job import JOB_CODEC, AgentExited, Job

MAX_GRACE_S = 60.0
NO_FORK_S = 1.0
"""How long a machine that could not fork counts as full."""
HANDOVER_S = 10.0
"""In which time an agent has taken its job: far more than the slowest fork."""
START_S = 5.0
"""After so long the next one may start, whether this one is in its room or not."""
FAREWELL_S = 10.0
"""How long agents have to say goodbye when the time for draining is over."""
STOP_GRACE_S = 1.5
REPORTER_GRACE_S = 1.2

_log = logging.getLogger(__name__)


class Phase(enum.Enum):
    """Where the host is in its life; it only ever goes forward."""

    RUNNING = enum.auto()
    DRAINING = enum.auto()
    STOPPING = enum.auto()


class AgentHost:
    """Runs agents until it is told to drain or to stop, and all of them are gone."""

    def __init__(
        self,
        *,
        name: str,
        capacity: int,
        pool_size: int,
        pool_max: int,
        drain_timeout_s: float,
        listener: socket.socket,
        records: Records,
        agent_main: ChildMain,
        reporter_main: ChildMain,
    ) -> None:
        self._name = name
        self._pool_size = pool_size
        self._pool_max = pool_max
        self._drain_timeout_s = drain_timeout_s
        self._records = records
        self._selector = selectors.DefaultSelector()
        self._timers = Timers()
        self._agents = Agents(capacity)
        self._pidfds: dict[int, int] = {}
        self._idle = IdleChildren(
            self._selector, self._timers, agent_main, pool_size, self._watch_exit
        )
        self._demand = Demand()
        self._starts = Starts(max(2, os.cpu_count() or 1))
        self._clients = Clients(self._selector, listener, self._answer)
        self._phase = Phase.RUNNING
        self._out_of_service = records.out_of_service
        self._drains = 0
        self._no_fork_until = 0.0
        self._told_free = -1
        self._reporter = Reporter(self._selector, self._timers, reporter_main, records.remove)

    def run(self) -> None:
        """Serve until drained or stopped. Call it once, in the main thread."""
        self._watch_signals()
        self._reporter.start()
        self._adopt()
        if self._out_of_service:
            self._drain_in_time()
        self._make_room()
        self._beat()
        self._check_idle()
        while not self._over():
            self._step()
        self._reporter.leave()
        self._timers.at(time.monotonic() + REPORTER_GRACE_S, self._reporter.kill)
        while self._reporter.running:
            self._step()

    def _step(self) -> None:
        for key, events in self._selector.select(self._timers.wait_s(time.monotonic())):
            on_events: OnEvents = key.data
            on_events(events)
        self._timers.run(time.monotonic())

    def _over(self) -> bool:
        return self._phase is not Phase.RUNNING and len(self._idle) + len(self._agents) == 0

    def _watch(self, file: socket.socket | int, on_events: OnEvents) -> None:
        self._selector.register(file, selectors.EVENT_READ, on_events)

    # requests

    def _answer(self, client: int, line: bytes) -> HostReply:
        try:
            request = REQUEST_CODEC.validate_json(line)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            return Refused(Refusal.BAD_REQUEST, f"not a request: {where}"[:200])
        return self._do(client, request)

    def _do(self, client: int, request: HostRequest) -> HostReply:
        match request:
            case Spawn(job=job):
                return self._spawn(job)
            case End():
                return self._end(request)
            case Prewarm(size=size):
                self._idle.resize(size)
                return Done()
            case Status():
                return self._status()
            case Watch():
                self._clients.watch(client)
                return Vacancy(self._free())
            case Drain():
                self._leave_service()
                return Done()
            case Resume():
                self._return_to_service()
                return Done()
            case _:
                assert_never(request)

    def _status(self) -> HostStatus:
        return HostStatus(
            name=self._name,
            agents=self._agents.running(),
            idle=self._idle.ready,
            capacity=self._agents.capacity,
            draining=self._is_draining(),
            at=time.time(),
            free=self._free(),
            burst=self._demand.burst(time.monotonic()),
            pool_size=self._pool_size,
            pool_max=self._pool_max,
        )

    def _is_draining(self) -> bool:
        return self._out_of_service or self._phase is not Phase.RUNNING

    def _free(self) -> int:
        if self._is_draining() or time.monotonic() < self._no_fork_until:
            return 0
        return self._agents.free

    def _tell_if_changed(self) -> None:
        """Who watches need not know how many, only whether any."""
        free = self._free()
        if (free > 0) != (self._told_free > 0):
            self._tell(free)

    def _tell(self, free: int) -> None:
        self._told_free = free
        self._clients.tell(Vacancy(free))

    # agents

    def _spawn(self, job: Job) -> HostReply:
        if not _fits_a_file_name(job.session_id):
            return Refused(Refusal.BAD_REQUEST, "session_id")
        if self._is_draining():
            return Refused(Refusal.DRAINING)
        verdict = self._agents.judge(job)
        match verdict:
            case Refused():
                return verdict
            case Runs(agent=agent):
                return Done(agent.pid)
            case Start(replaces=former):
                if former is not None:
                    send(self._pidfds[former.pid], signal.SIGKILL)
                return self._start(job)
            case _:
                assert_never(verdict)

    def _start(self, job: Job) -> HostReply:
        try:
            idle = self._idle.take()
        except OSError as error:
            _log.error("cannot fork", extra={"errno": error.errno})
            self._no_fork_until = time.monotonic() + NO_FORK_S
            self._tell_if_changed()
            self._timers.at(self._no_fork_until, self._tell_if_changed)
            return Refused(Refusal.FULL, "cannot fork")
        self._demand.came(time.monotonic())
        pid = idle.child.pid
        agent = Agent(job.session_id, job.fence, pid, born(pid) or "", time.time())
        self._note(agent)
        self._agents.add(agent)
        self._pidfds[pid] = idle.child.pidfd
        idle.hung_up = lambda: self._starts.over(pid)
        self._starts.add(pid, lambda: self._hand_over(job, agent, idle))
        self._make_room()
        _log.info("agent started", extra={"session_id": job.session_id, "pid": pid})
        return Done(pid)

    def _hand_over(self, job: Job, agent: Agent, idle: Idle) -> None:
        # the agent hangs up when it is in its room; we would take away what it has not read yet
        idle.stream.send(JOB_CODEC.dump_json(job) + b"\n")
        self._timers.at(time.monotonic() + HANDOVER_S, lambda: self._check_taken(agent, idle))
        self._timers.at(time.monotonic() + START_S, lambda: self._starts.over(agent.pid))

    def _check_taken(self, agent: Agent, idle: Idle) -> None:
        """An agent that has not even read its job hangs: its end is reported, another follows."""
        if self._pidfds.get(agent.pid) == idle.child.pidfd and not idle.taken:
            fields = {"session_id": agent.session_id, "pid": agent.pid}
            _log.error("agent did not take its job", extra=fields)
            send(idle.child.pidfd, signal.SIGKILL)

    def _note(self, agent: Agent) -> None:
        try:
            self._records.write(agent)
        except OSError as error:
            # a call matters more than that a later host could adopt it
            _log.error("cannot write agent record", extra={"errno": error.errno})

    def _end(self, request: End) -> HostReply:
        agent = self._agents.ending(request.session_id, request.fence)
        if agent is None:
            return Refused(Refusal.NOT_FOUND)
        self._terminate(agent, max(0.0, min(request.grace_s, MAX_GRACE_S)))
        return Done()

    def _terminate(self, agent: Agent, grace_s: float) -> None:
        pidfd = self._pidfds[agent.pid]
        send(pidfd, signal.SIGTERM)

        def kill() -> None:
            if self._pidfds.get(agent.pid) == pidfd:
                send(pidfd, signal.SIGKILL)

        self._timers.at(time.monotonic() + grace_s, kill)

    def _on_exit(self, pid: int, pidfd: int) -> None:
        self._selector.unregister(pidfd)
        code = reap(pid)
        os.close(pidfd)
        if pid in self._idle:
            self._idle.ended(pid, code)
            return
        del self._pidfds[pid]
        self._starts.over(pid)
        self._agent_ended(self._agents.exited(pid), code)

    def _agent_ended(self, agent: Agent, code: int) -> None:
        fields = {"session_id": agent.session_id, "pid": agent.pid, "exit_code": code}
        _log.info("agent ended", extra=fields)
        report = AgentExited(agent.session_id, agent.fence, time.time(), self._name, code)
        self._reporter.exited(agent, report)
        self._make_room()

    def _adopt(self) -> None:
        """Take over the agents that an earlier host has left."""
        for agent in self._records.load():
            pidfd = open_pidfd(agent.pid, agent.born)
            if pidfd is None:
                self._agent_ended(agent, 255)
                continue
            former = self._agents.current(agent.session_id)
            self._agents.add(agent)
            self._pidfds[agent.pid] = pidfd
            self._watch_exit(agent.pid, pidfd)
            if former is not None:
                send(self._pidfds[former.pid], signal.SIGKILL)
            _log.info("agent adopted", extra={"session_id": agent.session_id, "pid": agent.pid})

    def _make_room(self) -> None:
        """No more children wait than could be given a job."""
        room = self._agents.capacity - len(self._agents)
        self._idle.limit(0 if self._is_draining() else room)
        self._tell_if_changed()

    def _watch_exit(self, pid: int, pidfd: int) -> None:
        self._watch(pidfd, lambda _: self._on_exit(pid, pidfd))

    # the host's own life

    def _beat(self) -> None:
        self._reporter.beat(self._status())
        self._tell(self._free())
        self._timers.at(time.monotonic() + BEAT_S, self._beat)

    def _check_idle(self) -> None:
        self._idle.check()
        self._timers.at(time.monotonic() + CHECK_EVERY_S, self._check_idle)

    def _watch_signals(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

        def on_signals(_: int) -> None:
            for number in ours.recv(64):
                self._on_signal(signal.Signals(number))

        self._wakeup = theirs
        self._watch(ours, on_signals)

    def _on_signal(self, number: signal.Signals) -> None:
        if number is signal.SIGTERM and self._phase is Phase.RUNNING:
            self._drain()
        else:
            self._stop()

    def _drain(self) -> None:
        if self._phase is not Phase.RUNNING:
            return
        _log.info("draining", extra={"agents": len(self._agents)})
        self._phase = Phase.DRAINING
        self._idle.close()
        self._tell_if_changed()
        self._drain_in_time()

    def _leave_service(self) -> None:
        if self._out_of_service:
            return
        _log.info("out of service", extra={"agents": len(self._agents)})
        self._note_service(out=True)
        self._make_room()
        self._drain_in_time()

    def _return_to_service(self) -> None:
        if not self._out_of_service:
            return
        _log.info("back in service")
        self._note_service(out=False)
        self._drains += 1
        self._make_room()

    def _note_service(self, *, out: bool) -> None:
        self._out_of_service = out
        try:
            self._records.out_of_service = out
        except OSError as error:
            _log.error("cannot note service", extra={"errno": error.errno})

    def _drain_in_time(self) -> None:
        """The calls that run have the time of a drain, unless it is called off."""
        self._drains += 1
        drain = self._drains

        def end() -> None:
            if drain == self._drains:
                self._say_farewell()

        self._timers.at(time.monotonic() + self._drain_timeout_s, end)

    def _say_farewell(self) -> None:
        if not self._is_draining():
            return
        self._signal_all(signal.SIGUSR1)
        if self._phase is Phase.DRAINING:
            self._timers.at(time.monotonic() + FAREWELL_S, self._stop)

    def _stop(self) -> None:
        if self._phase is Phase.STOPPING:
            return
        _log.info("stopping", extra={"agents": len(self._agents)})
        self._phase = Phase.STOPPING
        self._idle.close()
        self._tell_if_changed()
        self._signal_all(signal.SIGTERM)
        self._timers.at(time.monotonic() + STOP_GRACE_S, lambda: self._signal_all(signal.SIGKILL))

    def _signal_all(self, number: signal.Signals) -> None:
        for agent in self._agents.all():
            send(self._pidfds[agent.pid], number)


def _fits_a_file_name(session_id: str) -> bool:
    return 0 < len(session_id) <= 128 and all(
        character.isascii() and (character.isalnum() or character in "_-")
        for character in session_id
    )
