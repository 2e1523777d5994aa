"""What the host decides about jobs, before anything is forked or killed."""

import pytest

from agent.host.agents import Agent, Agents, Runs, Start
from agent.host_protocol import Refusal, Refused
from agent.job import Job


def job(session_id: str = "session_a", fence: int = 1) -> Job:
    return Job(
        session_id=session_id,
        fence=fence,
        user_identity="user",
        user_name="User",
        language="en-US",
        voice="Ashley",
        opening_line="",
        knowledge_base="default",
    )


def agent(session_id: str = "session_a", fence: int = 1, pid: int = 100) -> Agent:
    return Agent(session_id, fence, pid, born=f"boot:{pid}", started_at=0.0)


def test_a_new_session_starts() -> None:
    """Catches a host that refuses work it has room for."""
    assert Agents(1).judge(job()) == Start()


def test_judging_changes_nothing() -> None:
    """Catches a slot that is taken by a job whose fork then fails."""
    agents = Agents(1)
    agents.judge(job("session_a"))
    assert agents.judge(job("session_b")) == Start()


def test_the_same_job_again_is_the_agent_that_runs() -> None:
    """Catches two agents in one room, after a task was delivered twice."""
    agents = Agents(5)
    agents.add(agent())
    assert agents.judge(job()) == Runs(agent())


def test_a_smaller_fence_is_stale() -> None:
    """Catches a late task that throws out its successor."""
    agents = Agents(5)
    agents.add(agent(fence=7))
    verdict = agents.judge(job(fence=6))
    assert isinstance(verdict, Refused)
    assert verdict.reason is Refusal.STALE


def test_a_larger_fence_replaces() -> None:
    """Catches a stale agent that keeps its session from the one that took it over."""
    agents = Agents(1)
    agents.add(agent(fence=1, pid=100))
    assert agents.judge(job(fence=2)) == Start(replaces=agent(fence=1, pid=100))


def test_the_replaced_one_is_not_the_session_s_agent_any_more() -> None:
    """Catches an end, or a status, that is about the killed agent and not about its successor."""
    agents = Agents(1)
    agents.add(agent(fence=1, pid=100))
    agents.add(agent(fence=2, pid=101))
    current = agents.current("session_a")
    assert current is not None
    assert current.pid == 101
    assert [running.pid for running in agents.running()] == [101]
    assert {known.pid for known in agents.all()} == {100, 101}


def test_the_replaced_one_s_end_leaves_its_successor() -> None:
    """Catches a successor that is forgotten when the process it replaced is reaped."""
    agents = Agents(1)
    agents.add(agent(fence=1, pid=100))
    agents.add(agent(fence=2, pid=101))
    assert agents.exited(100).fence == 1
    assert agents.judge(job(fence=2)) == Runs(agent(fence=2, pid=101))


def test_an_older_agent_cannot_be_added() -> None:
    """Catches two agents that both count as their session's."""
    agents = Agents(5)
    agents.add(agent(fence=2, pid=101))
    with pytest.raises(ValueError, match="fence 2"):
        agents.add(agent(fence=1, pid=100))
    assert len(agents) == 1


def test_full_is_exact() -> None:
    """Catches one agent more, or one less, than the machine may run."""
    agents = Agents(2)
    agents.add(agent("session_a", pid=1))
    assert agents.judge(job("session_b")) == Start()
    agents.add(agent("session_b", pid=2))
    verdict = agents.judge(job("session_c"))
    assert isinstance(verdict, Refused)
    assert verdict.reason is Refusal.FULL
    agents.exited(1)
    assert agents.judge(job("session_c")) == Start()


def test_an_agent_that_is_being_ended_takes_its_room_still() -> None:
    """Catches a limit that is passed while agents are on their way out."""
    agents = Agents(1)
    agents.add(agent())
    assert agents.ending("session_a") == agent()
    verdict = agents.judge(job("session_b"))
    assert isinstance(verdict, Refused)
    assert verdict.reason is Refusal.FULL


def test_nobody_to_end() -> None:
    """Catches an end of an unknown session that counts as done."""
    assert Agents(1).ending("session_a") is None


def test_an_end_of_an_older_agent_spares_its_successor() -> None:
    """Catches a late clean-up that ends the agent which took the session over."""
    agents = Agents(1)
    agents.add(agent(fence=7))
    assert agents.ending("session_a", up_to_fence=6) is None
    assert not agents.running()[0].ending
    assert agents.ending("session_a", up_to_fence=7) is not None
    assert agents.running()[0].ending


def test_a_job_whose_agent_has_ended_is_not_run_again() -> None:
    """Catches a second agent from a task that is delivered again after the first one's end."""
    agents = Agents(5)
    agents.add(agent(fence=3))
    agents.exited(100)
    verdict = agents.judge(job(fence=3))
    assert isinstance(verdict, Refused)
    assert verdict.reason is Refusal.STALE
    assert agents.judge(job(fence=4)) == Start()


def test_what_has_ended_is_remembered_within_bounds() -> None:
    """Catches a host that grows with every session it has ever run."""
    agents = Agents(5)
    for number in range(5000):
        agents.add(agent(f"session_{number}", pid=number + 1))
        agents.exited(number + 1)
    assert len(agents._ended) <= 4096


def test_a_strange_pid() -> None:
    """Catches a process that is none of ours being booked as an agent's end."""
    with pytest.raises(KeyError):
        Agents(1).exited(4711)
