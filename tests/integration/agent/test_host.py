"""A host at work: jobs, capacity, ends, and what it makes of nonsense."""

import json
import os
import signal
import socket
from pathlib import Path
from typing import cast

import pytest

from agent.host_protocol import (
    MAX_LINE_BYTES,
    REPLY_CODEC,
    Done,
    End,
    HostStatus,
    Prewarm,
    Refusal,
    Refused,
    Spawn,
    Status,
)
from tests.integration.agent.conftest import StartHost
from tests.integration.agent.processes import (
    HOST,
    SECRET,
    HostProcess,
    RedisProcess,
    alive,
    eventually,
    job,
    until_gone,
)


def refused(reply: object) -> Refusal:
    assert isinstance(reply, Refused), reply
    return reply.reason


def test_a_job_runs_until_it_is_ended(
    host: HostProcess, redis_process: RedisProcess, session_id: str
) -> None:
    """Catches a job that never gets a process, or one that its end does not reach."""
    pid = host.spawn(job(session_id))
    assert alive(pid)
    assert [(a.session_id, a.pid) for a in host.status().agents] == [(session_id, pid)]
    assert host.ask(End(session_id)) == Done()
    until_gone([pid])
    exited = redis_process.exit_of(session_id)
    assert (exited.host, exited.fence) == (HOST, 1)
    assert host.status().agents == ()


def test_the_end_is_answered_before_the_process_is_gone(host: HostProcess, session_id: str) -> None:
    """Catches a host that cannot serve others while an agent takes its time."""
    pid = host.spawn(job(session_id))
    os.kill(pid, signal.SIGSTOP)
    assert host.ask(End(session_id, grace_s=1.0)) == Done()
    assert alive(pid)
    until_gone([pid])


def test_the_same_job_twice(host: HostProcess, session_id: str) -> None:
    """Catches two agents for a task that was delivered twice."""
    pid = host.spawn(job(session_id))
    assert host.spawn(job(session_id)) == pid
    assert len(host.titled(f"agent {session_id}")) <= 1
    host.ask(End(session_id))
    until_gone([pid])


def test_a_larger_fence_replaces_and_a_smaller_one_is_stale(
    host: HostProcess, redis_process: RedisProcess, session_id: str
) -> None:
    """Catches a stale agent that goes on beside its successor."""
    old = host.spawn(job(session_id, fence=5))
    assert refused(host.ask(Spawn(job(session_id, fence=4)))) is Refusal.STALE
    assert alive(old)
    new = host.spawn(job(session_id, fence=6))
    assert new != old
    until_gone([old])
    assert alive(new)
    assert redis_process.exit_of(session_id).exit_code == -signal.SIGKILL
    host.ask(End(session_id))
    until_gone([new])


def test_an_unknown_session(host: HostProcess, session_id: str) -> None:
    """Catches an end that pretends to have ended something."""
    assert refused(host.ask(End(session_id))) is Refusal.NOT_FOUND


def test_the_title_names_the_session_and_no_secret(host: HostProcess, session_id: str) -> None:
    """Catches a secret that every user of the machine can read with `ps`."""
    pid = host.spawn(job(session_id))
    title = f"agent {session_id}"
    eventually(lambda: host.titled(title) == [pid], what="the title names the session")
    shown = " ".join(host.processes().values())
    assert SECRET not in shown
    assert "redis" not in shown
    host.ask(End(session_id))
    until_gone([pid])


def test_an_agent_that_is_killed_is_reported(
    host: HostProcess, redis_process: RedisProcess, session_id: str
) -> None:
    """Catches a death that nobody hears of."""
    os.kill(host.spawn(job(session_id)), signal.SIGKILL)
    assert redis_process.exit_of(session_id).exit_code == -signal.SIGKILL


def test_an_idle_child_that_is_killed_is_replaced(host: HostProcess) -> None:
    """Catches a pool that dries up."""
    host.until_idle(2)
    victim = min(host.titled("agent idle"))
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: victim not in host.titled("agent idle"), what="gone")
    host.until_idle(2)


def test_an_idle_child_that_hangs_is_replaced(host: HostProcess, session_id: str) -> None:
    """Catches a pool of children that are there and will never run a job."""
    host.until_idle(2)
    victim = min(host.titled("agent idle"))
    os.kill(victim, signal.SIGSTOP)
    eventually(lambda: not alive(victim), what="killed", within_s=20)
    host.until_idle(2)
    pid = host.spawn(job(session_id))
    eventually(lambda: host.titled(f"agent {session_id}") == [pid], what="the job runs")
    host.ask(End(session_id))
    until_gone([pid])


def test_the_pool_is_resized(host: HostProcess) -> None:
    """Catches a pool that demand cannot grow, or that stays large when demand is over."""
    assert host.ask(Prewarm(3)) == Done()
    host.until_idle(3)
    assert len(host.titled("agent idle")) == 3
    host.ask(Prewarm(2))
    host.until_idle(2)
    eventually(lambda: len(host.titled("agent idle")) == 2, what="one is gone")


def test_a_burst_is_told(host: HostProcess, session_id: str) -> None:
    """Catches demand that nobody can size the pool by."""
    pids = [host.spawn(job(f"{session_id}_{number}")) for number in range(3)]
    assert host.status().burst >= 3
    for number in range(3):
        host.ask(End(f"{session_id}_{number}"))
    until_gone(pids)


def test_an_end_of_an_older_agent(host: HostProcess, session_id: str) -> None:
    """Catches a late clean-up that ends the agent which took the session over."""
    pid = host.spawn(job(session_id, fence=6))
    assert refused(host.ask(End(session_id, fence=5))) is Refusal.NOT_FOUND
    assert alive(pid)
    assert host.ask(End(session_id, fence=6)) == Done()
    until_gone([pid])


def test_a_reporter_that_is_killed_is_replaced(
    host: HostProcess, redis_process: RedisProcess, session_id: str
) -> None:
    """Catches exits that are lost with the process that was to write them."""
    (reporter,) = host.titled("agent reporter")
    pid = host.spawn(job(session_id))
    os.kill(reporter, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    assert redis_process.exit_of(session_id).exit_code == -signal.SIGKILL
    eventually(lambda: host.titled("agent reporter") not in ([], [reporter]), what="another one")


def test_status_is_in_redis(host: HostProcess, redis_process: RedisProcess) -> None:
    """Catches a host that the control plane takes for dead."""

    def look() -> str | None:
        return cast("str | None", redis_process.client.get(f"majlis:host:{HOST}"))

    status = REPLY_CODEC.validate_json(eventually(look, what="status written"))
    assert isinstance(status, HostStatus)
    assert (status.name, status.capacity) == (HOST, 100)
    assert 0 < redis_process.client.ttl(f"majlis:host:{HOST}") <= 6


GARBAGE = [
    b"\n",
    b"hello\n",
    b"\xff\xfe\x00\n",
    b"[]\n",
    b'{"op":"explode"}\n',
    b'{"op":"spawn"}\n',
    b'{"op":"spawn","job":{"session_id":"x"}}\n',
    b'{"op":"end","session_id":7}\n',
    b'{"op":"prewarm","size":"many"}\n',
    b"[" * 100_000 + b"\n",
    b"x" * (MAX_LINE_BYTES + 2) + b"\n",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda data: repr(data[:24]))
def test_garbage(host: HostProcess, garbage: bytes) -> None:
    """Catches a client that brings the host down with a line it does not understand."""
    reply = json.loads(host.exchange(garbage))
    assert reply["reason"] == Refusal.BAD_REQUEST
    assert isinstance(host.ask(Status()), HostStatus)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "a/b", "x" * 200, "a\nb", "ع"])
def test_a_session_id_that_is_none(host: HostProcess, name: str) -> None:
    """Catches an id that leads out of the folder of records."""
    assert refused(host.ask(Spawn(job(name)))) is Refusal.BAD_REQUEST


def test_clients_that_do_not_read(host: HostProcess) -> None:
    """Catches a client that blocks the host, or fills it, by not taking its answers."""
    with socket.socket(socket.AF_UNIX) as greedy:
        greedy.connect(str(host.socket_path))
        greedy.setblocking(False)
        try:
            for _ in range(200):
                greedy.send(b'{"op":"status"}\n' * 4000)
        except BlockingIOError:
            pass
        assert isinstance(host.ask(Status()), HostStatus)  # in the seconds that `ask` waits


def test_more_clients_than_it_keeps(host: HostProcess) -> None:
    """Catches silent connections that keep everybody else out."""
    silent = [socket.socket(socket.AF_UNIX) for _ in range(300)]
    try:
        for sock in silent:
            sock.connect(str(host.socket_path))
        assert isinstance(host.ask(Status()), HostStatus)
    finally:
        for sock in silent:
            sock.close()


def test_full_is_exact(start_host: StartHost, session_id: str) -> None:
    """Catches a machine that runs more agents than it may, or fewer."""
    host = start_host(MAX_AGENTS_PER_HOST="3", AGENT_POOL_SIZE="1")
    others = [f"{session_id}_{number}" for number in range(5)]
    replies = [host.ask_to_spawn(job(other)) for other in others]
    pids = [reply.pid for reply in replies if isinstance(reply, Done)]
    assert len(set(pids)) == 3
    assert [refused(reply) for reply in replies[3:]] == [Refusal.FULL] * 2
    os.kill(pids[0], signal.SIGKILL)
    eventually(lambda: isinstance(host.ask_to_spawn(job(others[4])), Done), what="room again")
    assert len(host.status().agents) == 3


def test_who_watches_is_told_at_once(start_host: StartHost, session_id: str) -> None:
    """Catches a worker that takes jobs for a full machine, or none for one with room again."""
    host = start_host(MAX_AGENTS_PER_HOST="1", AGENT_POOL_SIZE="1")
    with host.watching() as free:
        assert next(free) == 1
        pid = host.spawn(job(session_id))
        assert next(each for each in free if each != 1) == 0
        os.kill(pid, signal.SIGKILL)
        assert next(each for each in free if each != 0) == 1
        assert [next(free) for _ in range(2)] == [1, 1]


def test_the_run_directory_is_private(host: HostProcess) -> None:
    """Catches a socket that other users of the machine can reach."""
    assert Path(host.socket_path).parent.stat().st_mode & 0o777 == 0o700
