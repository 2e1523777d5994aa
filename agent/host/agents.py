"""The host's books: which agents run on this machine, and what a request means for them.

Nothing in here forks, kills or looks at a clock; `agent.host.loop` acts on what is decided here.
"""

from dataclasses import dataclass, replace

from agent.host_protocol import Refusal, Refused, RunningAgent
from agent.job import Job


@dataclass(frozen=True, slots=True)
class Agent:
    """One process that was given a job."""

    session_id: str
    fence: int
    pid: int
    born: str
    """When the process began (`agent.host.proc.born`): a pid alone may come to mean another."""
    started_at: float
    """Unix time in seconds when it got its job."""
    ending: bool = False
    """It was told to stop."""
    superseded: bool = False
    """It was killed, as another runs its session under a larger fence."""


@dataclass(frozen=True, slots=True)
class Start:
    """Run the job, and kill the one that ran its session so far."""

    replaces: Agent | None = None


@dataclass(frozen=True, slots=True)
class Runs:
    """Somebody asked before: it runs already."""

    agent: Agent


class Agents:
    """All agents with a job, until the kernel says that they are gone."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._by_pid: dict[int, Agent] = {}
        self._current: dict[str, int] = {}
        self._ended: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._by_pid)

    @property
    def free(self) -> int:
        """For how many more sessions there is room."""
        return max(0, self.capacity - len(self._current))

    def all(self) -> tuple[Agent, ...]:
        """Every process that lives, those that are being ended and killed too."""
        return tuple(self._by_pid.values())

    def running(self) -> tuple[RunningAgent, ...]:
        """The agents as the host's status tells of them."""
        return tuple(
            RunningAgent(agent.session_id, agent.fence, agent.pid, agent.started_at, agent.ending)
            for agent in self._by_pid.values()
            if not agent.superseded
        )

    def current(self, session_id: str) -> Agent | None:
        """The agent that runs this session."""
        pid = self._current.get(session_id)
        return None if pid is None else self._by_pid[pid]

    def judge(self, job: Job) -> Start | Runs | Refused:
        """What to do with a job. Changes nothing.

        One fence runs once: a job that is delivered again after its agent has ended is stale.
        """
        current = self.current(job.session_id)
        if current is not None:
            if job.fence == current.fence:
                return Runs(current)
            if job.fence < current.fence:
                return Refused(Refusal.STALE, f"runs under fence {current.fence}")
            return Start(replaces=current)
        ended = self._ended.get(job.session_id, 0)
        if job.fence <= ended:
            return Refused(Refusal.STALE, f"fence {ended} has run and ended here")
        if self.free == 0:
            return Refused(Refusal.FULL, f"{self.capacity} agents run here")
        return Start()

    def add(self, agent: Agent) -> None:
        """An agent got its job, or was found running when the host started."""
        former = self.current(agent.session_id)
        if former is not None and former.fence >= agent.fence:
            raise ValueError(f"{agent.session_id} runs under fence {former.fence} already")
        if former is not None:
            self._by_pid[former.pid] = replace(former, superseded=True)
        self._by_pid[agent.pid] = agent
        self._current[agent.session_id] = agent.pid

    def ending(self, session_id: str, up_to_fence: int | None = None) -> Agent | None:
        """Note that a session's agent is told to stop; None where no such agent runs.

        One whose fence is larger than `up_to_fence` is not meant.
        """
        current = self.current(session_id)
        if current is None or (up_to_fence is not None and current.fence > up_to_fence):
            return None
        self._by_pid[current.pid] = replace(current, ending=True)
        return current

    def exited(self, pid: int) -> Agent:
        """An agent's process is gone. Raises KeyError for a pid that is none of ours."""
        agent = self._by_pid.pop(pid)
        if self._current.get(agent.session_id) == pid:
            del self._current[agent.session_id]
        self._remember(agent)
        return agent

    def _remember(self, agent: Agent) -> None:
        fence = max(agent.fence, self._ended.pop(agent.session_id, 0))
        self._ended[agent.session_id] = fence
        while len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]


_REMEMBERED = 4096
"""Sessions whose last fence is remembered; a duplicate comes within seconds, not days."""
