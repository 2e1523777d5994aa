"""The host's own life: killed, drained, stopped, started twice; and Redis away."""

import signal
import subprocess
import time

import pytest

from agent.host_protocol import Done, Drain, End, Refusal, Refused, Resume, Spawn
from agent.job import AgentExited
from tests.integration.agent.conftest import StartHost
from tests.integration.agent.processes import (
    RedisProcess,
    alive,
    eventually,
    job,
    until_gone,
)


def test_a_host_that_is_killed_is_followed_by_one_that_adopts(
    start_host: StartHost, redis_process: RedisProcess, session_id: str
) -> None:
    """Catches agents that nobody counts, ends or reports any more once their host is dead."""
    first = start_host()
    kept, died = f"{session_id}_kept", f"{session_id}_died"
    kept_pid, died_pid = first.spawn(job(kept)), first.spawn(job(died))
    idle = sorted(set(first.titled("agent idle")) - {kept_pid, died_pid})
    first.kill(signal.SIGKILL)
    first.wait(within_s=20)
    until_gone(idle)
    assert alive(kept_pid)
    subprocess.run(["kill", "-9", str(died_pid)], check=True)

    second = start_host()
    assert redis_process.exit_of(died).exit_code == 255
    assert [(a.session_id, a.pid) for a in second.status().agents] == [(kept, kept_pid)]
    assert second.spawn(job(kept)) == kept_pid
    assert second.ask(End(kept)) == Done()
    until_gone([kept_pid])
    assert redis_process.exit_of(kept).exit_code == 255
    eventually(lambda: not list((second.folder / "run/agents").iterdir()), what="no record left")


def test_a_record_of_another_process(start_host: StartHost, redis_process: RedisProcess) -> None:
    """Catches a stranger that has got a dead agent's pid being adopted, and killed in the end."""
    first = start_host()
    session = "session_9000000000000_abcdefghi"
    pid = first.spawn(job(session))
    first.kill(signal.SIGKILL)
    first.wait(within_s=20)
    subprocess.run(["kill", "-9", str(pid)], check=True)
    until_gone([pid])
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (record,) = (first.folder / "run/agents").iterdir()
        text = record.read_text().replace(f'"pid":{pid}', f'"pid":{stranger.pid}')
        record.write_text(text)
        (record.parent / "junk.1.json").write_text("{")
        second = start_host()
        assert redis_process.exit_of(session).exit_code == 255
        assert second.status().agents == ()
        second.kill(signal.SIGINT)
        second.wait(within_s=20)
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_host_without_calls_leaves_nothing(start_host: StartHost, number: signal.Signals) -> None:
    """Catches processes and sockets that stay when the product is stopped."""
    host = start_host()
    host.until_idle(2)
    host.kill(number)
    assert host.wait(within_s=20) == 0
    assert host.processes() == {}
    assert not host.socket_path.exists()


def test_sigint_stops_running_agents(
    start_host: StartHost, redis_process: RedisProcess, session_id: str
) -> None:
    """Catches Ctrl-C that waits for calls, or leaves them, one that hangs included."""
    host = start_host()
    pids = [host.spawn(job(f"{session_id}_{number}")) for number in range(3)]
    subprocess.run(["kill", "-STOP", str(pids[0])], check=True)
    host.kill(signal.SIGINT)
    assert host.wait(within_s=20) == 0
    assert host.processes() == {}
    for number in range(3):
        redis_process.exit_of(f"{session_id}_{number}")


def test_sigterm_drains(start_host: StartHost, session_id: str) -> None:
    """Catches a restart that drops calls, or a drain that takes new ones."""
    host = start_host()
    pid = host.spawn(job(session_id))
    host.kill(signal.SIGTERM)
    eventually(lambda: host.status().draining, what="draining")
    reply = host.ask(Spawn(job(f"{session_id}_new")))
    assert isinstance(reply, Refused)
    assert reply.reason is Refusal.DRAINING
    eventually(lambda: not host.titled("agent idle"), what="no idle agents")
    assert alive(pid)
    host.ask(End(session_id))
    assert host.wait(within_s=20) == 0
    assert host.processes() == {}


def test_a_machine_out_of_service_stays_so_until_it_is_back(
    start_host: StartHost, session_id: str
) -> None:
    """Catches a drain that drops calls, takes new ones, or is forgotten when the host restarts."""
    first = start_host()
    pid = first.spawn(job(session_id))
    assert first.ask(Drain()) == Done()
    eventually(lambda: not first.titled("agent idle"), what="no idle agents")
    assert alive(pid)
    first.kill(signal.SIGKILL)
    first.wait(within_s=20)

    second = start_host(DRAIN_TIMEOUT_SECONDS="2")
    reply = second.ask(Spawn(job(f"{session_id}_new")))
    assert isinstance(reply, Refused)
    assert reply.reason is Refusal.DRAINING
    status = second.status()
    assert (status.draining, status.free, status.idle) == (True, 0, 0)
    assert [agent.pid for agent in status.agents] == [pid]
    until_gone([pid])  # as a drain ends some time

    assert second.ask(Drain()) == second.ask(Resume()) == Done()
    second.until_idle(2)
    new = second.spawn(job(f"{session_id}_new"))
    assert second.ask(Drain()) == second.ask(Resume()) == Done()
    time.sleep(2.5)  # in which a drain that was called off would have ended it
    assert alive(new)
    second.ask(End(f"{session_id}_new"))
    until_gone([new])


def test_a_second_sigterm_hurries(start_host: StartHost, session_id: str) -> None:
    """Catches an operator who cannot stop a drain."""
    host = start_host()
    host.spawn(job(session_id))
    host.kill(signal.SIGTERM)
    eventually(lambda: host.status().draining, what="draining")
    host.kill(signal.SIGTERM)
    assert host.wait(within_s=20) == 0
    assert host.processes() == {}


def test_draining_ends_in_bounded_time(start_host: StartHost, session_id: str) -> None:
    """Catches a drain that waits for ever for one call."""
    host = start_host(DRAIN_TIMEOUT_SECONDS="1")
    host.spawn(job(session_id))
    host.kill(signal.SIGTERM)
    assert host.wait(within_s=20) == 0
    assert host.processes() == {}


def test_only_one_host(start_host: StartHost) -> None:
    """Catches two hosts that both think that the machine's capacity is theirs."""
    first = start_host()
    second = first.python("-m", "agent.host")
    assert second.wait(timeout=20) == 1
    last = first.log.read_text().strip().splitlines()[-1]
    assert "another agent host serves" in last
    assert first.status().capacity == 100


def test_a_wrong_setting_is_named(start_host: StartHost) -> None:
    """Catches a host that starts, or dies with a traceback, where a setting is wrong."""
    with pytest.raises(AssertionError, match="AGENT_POOL_SIZE"):
        start_host(AGENT_POOL_SIZE="-1")


def test_redis_away(start_host: StartHost, redis_process: RedisProcess, session_id: str) -> None:
    """Catches ends that are lost, or told out of order, while Redis restarts."""
    host = start_host()
    sessions = [f"{session_id}_{number}" for number in range(3)]
    for session in sessions:
        host.spawn(job(session))
    redis_process.stop()
    try:
        for session in sessions:
            host.ask(End(session, grace_s=0.2))
        eventually(lambda: not host.status().agents, what="gone")
        time.sleep(1)
    finally:
        redis_process.start()
    for session in sessions:
        redis_process.exit_of(session)
    exits = [r for r in redis_process.reports() if isinstance(r, AgentExited)]
    ours = [exited for exited in exits if exited.session_id in sessions]
    assert len(ours) == 3
    assert [exited.at for exited in ours] == sorted(exited.at for exited in ours)
