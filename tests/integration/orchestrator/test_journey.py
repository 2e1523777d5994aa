"""Sessions over a real API, a real Celery worker, a real Redis and a real room server."""

import asyncio
import time

import httpx
from redis.asyncio import Redis

from agent.host_protocol import Refusal
from agent.job import AgentEnded, EndReason, Role, Turn, TurnEnded, UserJoined
from tests.integration.orchestrator.conftest import until
from tests.integration.orchestrator.fake_host import FakeHost
from tests.integration.orchestrator.processes import Deployment

END_TIMEOUT_S = 5.0
"""The setting's default: an end that waits for something in vain takes as long."""


async def start(api: httpx.AsyncClient, **wishes: object) -> str:
    answer = await api.post("/api/session/start", json=wishes)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["sessionId"])


async def state(api: httpx.AsyncClient, session_id: str) -> dict[str, object]:
    answer = await api.get(f"/api/session/{session_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def until_status(
    api: httpx.AsyncClient, session_id: str, *statuses: str, timeout_s: float = 10.0
) -> dict[str, object]:
    async def look() -> dict[str, object] | None:
        found = await state(api, session_id)
        return found if found["status"] in statuses else None

    return dict(await until(look, timeout_s=timeout_s))


async def keys_of(redis: Redis, session_id: str) -> list[str]:
    keys = [key async for key in redis.scan_iter(f"*{session_id}*")]
    if await redis.zscore("majlis:slots", session_id) is not None:
        keys.append("majlis:slots")
    return keys


async def test_a_session_from_start_to_end(
    api: httpx.AsyncClient, host: FakeHost, deployed_redis: Redis
) -> None:
    """Catches a break anywhere between the start over REST and a Redis with the record alone."""
    session_id = await start(api, userName="Jane", openingLine="Hi!", metadata={"plan": "gold"})
    ready = await until_status(api, session_id, "ready")
    assert ready["agentJoinedAt"]
    job = host.job_of(session_id)
    assert (job.user_name, job.opening_line, job.metadata) == ("Jane", "Hi!", {"plan": "gold"})
    await host.report(UserJoined(session_id, job.fence, time.time()))
    await until_status(api, session_id, "active")
    turn = Turn(Role.USER, "what are your hours", time.time())
    await host.report(TurnEnded(session_id, job.fence, time.time(), turn))

    began = time.monotonic()
    ended = await api.post("/api/session/end", json={"sessionId": session_id})
    assert (ended.status_code, ended.json()["message"]) == (200, "Session ended.")
    assert time.monotonic() - began < END_TIMEOUT_S
    record = await state(api, session_id)
    assert (record["status"], record["endReason"]) == ("ended", "requested")
    assert record["endedAt"]
    transcript = record["transcript"]
    assert isinstance(transcript, list)
    assert transcript[0]["text"] == "what are your hours"
    assert await keys_of(deployed_redis, session_id) == [f"majlis:session:{session_id}"]

    again = await api.post("/api/session/end", json={"sessionId": session_id})
    assert again.status_code == 200


async def test_an_agent_that_dies_is_replaced_with_the_history(
    api: httpx.AsyncClient, host: FakeHost
) -> None:
    """Catches a crash that ends the session, or a successor that knows nothing."""
    session_id = await start(api)
    await until_status(api, session_id, "ready")
    first = host.job_of(session_id)
    await host.report(UserJoined(session_id, first.fence, time.time()))
    turn = Turn(Role.USER, "hello", time.time())
    await host.report(TurnEnded(session_id, first.fence, time.time(), turn))
    await until_status(api, session_id, "active")
    await host.exits(session_id, exit_code=-9)

    async def second_job() -> bool:
        return len(host.jobs_of(session_id)) == 2

    await until(second_job)
    second = host.jobs_of(session_id)[1]
    assert second.fence > first.fence
    assert second.attempt == 1
    assert [turn.text for turn in second.history] == ["hello"]
    await until_status(api, session_id, "ready")


async def test_an_agent_that_keeps_dying_fails_the_session(
    api: httpx.AsyncClient, host: FakeHost, deployed_redis: Redis
) -> None:
    """Catches agents that are restarted without end."""
    session_id = await start(api)
    for attempt in range(4):

        async def joined(attempt: int = attempt) -> bool:
            found = await state(api, session_id)
            return found["status"] == "ready" and found["restarts"] == attempt

        await until(joined)
        await host.exits(session_id, exit_code=1)
    failed = await until_status(api, session_id, "failed")
    assert failed["endReason"] == "agent_failed"
    assert await keys_of(deployed_redis, session_id) == [f"majlis:session:{session_id}"]


async def test_a_full_host_is_asked_again(api: httpx.AsyncClient, host: FakeHost) -> None:
    """Catches a session that is lost because its machine was full for a moment."""
    host.refusals.extend([Refusal.FULL, Refusal.DRAINING, Refusal.FULL])
    session_id = await start(api)
    await until_status(api, session_id, "ready")


async def test_without_any_host_the_session_fails_in_its_time(
    deployment: Deployment, api: httpx.AsyncClient, deployed_redis: Redis
) -> None:
    """Catches a session that waits for ever for a machine."""
    session_id = await start(api)
    beat = await asyncio.to_thread(deployment.start_beat)
    try:
        failed = await until_status(api, session_id, "failed", timeout_s=30)
    finally:
        await asyncio.to_thread(beat.stop)
    assert failed["endReason"] == "not_placed"
    assert await keys_of(deployed_redis, session_id) == [f"majlis:session:{session_id}"]


async def test_what_a_full_machine_cannot_take_waits_in_redis(
    api: httpx.AsyncClient, host: FakeHost, deployed_redis: Redis
) -> None:
    """Catches a worker that holds or loses what its machine has no room for, or asks in a loop."""
    host.capacity = 2
    ids = [await start(api) for _ in range(6)]

    async def waiting() -> bool:
        asked = len(host.requests)
        await asyncio.sleep(0.5)  # in which a loop would ask again
        queued = int(await deployed_redis.llen("spawn"))
        return queued == 4 and len(host.jobs) == 2 and len(host.requests) == asked

    await until(waiting)
    # a few more than it takes may be asked for, before the worker knows that the host is full
    assert len(host.requests) <= len(ids)
    assert await deployed_redis.hlen("unacked") == 0

    host.capacity = 1000
    for session_id in ids:
        await until_status(api, session_id, "ready")
    assert len(host.jobs) == 6
    await asyncio.gather(*(api.post("/api/session/end", json={"sessionId": each}) for each in ids))


async def test_a_host_that_comes_back_gets_the_waiting_session(
    api: httpx.AsyncClient, host: FakeHost
) -> None:
    """Catches a restart of the host that costs the sessions started meanwhile."""
    await host.stop()
    session_id = await start(api)
    await asyncio.sleep(0.5)  # in which the host is asked in vain a few times
    await host.start()
    await until_status(api, session_id, "ready")


async def test_ending_a_session_whose_agent_was_never_placed(api: httpx.AsyncClient) -> None:
    """Catches an end that waits for an agent that does not exist."""
    session_id = await start(api)
    await asyncio.sleep(0.5)  # in which there is no host to ask
    began = time.monotonic()
    ended = await api.post("/api/session/end", json={"sessionId": session_id})
    assert ended.json()["message"] == "Session ended."
    assert time.monotonic() - began < END_TIMEOUT_S
    record = await state(api, session_id)
    assert (record["status"], record["endReason"]) == ("ended", "requested")


async def test_an_agent_that_ends_on_its_own_gives_the_reason(
    api: httpx.AsyncClient, host: FakeHost
) -> None:
    """Catches an end without its reason, or a successor for an agent that left on purpose."""
    session_id = await start(api)
    await until_status(api, session_id, "ready")
    job = host.job_of(session_id)
    await host.report(AgentEnded(session_id, job.fence, time.time(), EndReason.USER_NEVER_CAME))
    await until_status(api, session_id, "ending")
    await host.exits(session_id)
    record = await until_status(api, session_id, "ended")
    assert record["endReason"] == "user_never_came"
    assert len(host.jobs_of(session_id)) == 1


async def test_a_late_agent_of_an_ended_session_is_ended(
    api: httpx.AsyncClient, host: FakeHost, deployed_redis: Redis
) -> None:
    """Catches reports of an old agent that revive or change a session that is over."""
    session_id = await start(api)
    await until_status(api, session_id, "ready")
    job = host.job_of(session_id)
    await api.post("/api/session/end", json={"sessionId": session_id})
    await host.report(UserJoined(session_id, job.fence, time.time()))

    async def all_read() -> bool:
        return int(await deployed_redis.xlen("majlis:reports")) == 0

    await until(all_read)
    assert (await state(api, session_id))["status"] == "ended"


async def test_a_burst_of_starts(api: httpx.AsyncClient, host: FakeHost) -> None:
    """Catches sessions lost, or placed twice, when many start at once."""
    ids = await asyncio.gather(*(start(api) for _ in range(20)))
    for session_id in ids:
        await until_status(api, session_id, "ready")
        assert len(host.jobs_of(session_id)) == 1
    await asyncio.gather(*(api.post("/api/session/end", json={"sessionId": each}) for each in ids))
