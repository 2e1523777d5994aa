"""What an operator's client sees of sessions in which a person was asked for, and how it comes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from agent.job import (
    REPORT_CODEC,
    REPORTS_STREAM,
    Brief,
    Handover,
    HandoverChanged,
    HandoverState,
)
from orchestrator.sessions.redis_store import RedisSessionStore
from orchestrator.sessions.session import Session, SessionStatus
from tests.integration.orchestrator.application import running, settings_for
from tests.integration.orchestrator.conftest import until
from tests.integration.orchestrator.processes import RedisServer

KEY = {"X-API-Key": "an-operators-key"}
SESSION = Session(
    session_id="session_1730462400000_abc123xyz",
    user_identity="user",
    user_name="Jane",
    language="ar-EG",
    voice="Nour",
    opening_line="",
    knowledge_base="default",
    created_at=1.0,
    queued_at=1.0,
    brief=Brief(assistant="shop"),
)
PATH = "/api/operations/handovers"


@pytest.fixture
async def operator(
    redis_server: RedisServer, redis: Redis, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    del redis
    settings = settings_for(redis_server.url, tmp_path, operator_keys="an-operators-key")
    async with running(settings) as client:
        yield client


async def report(redis: Redis, state: HandoverState, at: float) -> None:
    handover = Handover(state, "Upset.", "A broken lamp.", 2.0, at)
    told = HandoverChanged(SESSION.session_id, 7, at, handover)
    await redis.xadd(REPORTS_STREAM, {"report": REPORT_CODEC.dump_json(told)})


async def test_from_the_agents_report_to_the_room(
    operator: httpx.AsyncClient, redis: Redis
) -> None:
    """Catches a report that no operator hears of, and an operator who cannot come."""
    store = RedisSessionStore(redis, record_ttl_s=60)
    await store.create(replace(SESSION, status=SessionStatus.ACTIVE, fence=7), limit=10)
    nothing = (await operator.get(PATH, headers=KEY)).json()
    assert nothing["handovers"] == []
    join = f"{PATH}/{SESSION.session_id}/join"
    assert (await operator.post(join, headers=KEY)).status_code == 409

    waiting = {"cursor": nothing["cursor"], "wait": 20}
    asking = asyncio.create_task(operator.get(PATH, headers=KEY, params=waiting))
    await report(redis, HandoverState.WAITING, 2.0)
    answer = (await asking).json()
    assert answer["handovers"] == [
        {
            "sessionId": SESSION.session_id,
            "state": "waiting",
            "reason": "Upset.",
            "summary": "A broken lamp.",
            "askedAt": "1970-01-01T00:00:02.000Z",
            "changedAt": "1970-01-01T00:00:02.000Z",
            "userName": "Jane",
            "language": "ar-EG",
            "assistant": "shop",
        }
    ]
    assert answer["cursor"] != nothing["cursor"]
    session = await operator.get(f"/api/session/{SESSION.session_id}")
    assert session.json()["assistant"] == "shop"
    assert session.json()["handover"] == {
        "state": "waiting",
        "askedAt": "1970-01-01T00:00:02.000Z",
        "changedAt": "1970-01-01T00:00:02.000Z",
    }
    assert "broken" not in session.text

    joined = await operator.post(join, headers=KEY, json={"name": "Huda"})
    assert joined.status_code == 200, joined.text
    assert joined.json()["roomName"] == SESSION.session_id
    assert joined.json()["token"]
    await report(redis, HandoverState.TAKEN, 3.0)

    async def taken() -> bool:
        found = (await operator.get(PATH, headers=KEY)).json()["handovers"]
        return [each["state"] for each in found] == ["taken"]

    await until(taken)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PATH, 401),
        ("POST", f"{PATH}/{SESSION.session_id}/join", 401),
        ("POST", f"{PATH}/session_1730462400000_unknown00/join", 404),
        ("POST", f"{PATH}/anything/join", 404),
        ("GET", f"{PATH}?wait=3600", 422),
    ],
)
async def test_who_may_and_what_is_wrong(
    operator: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    """Catches a summary that anybody reads, and an error that is not the documented one."""
    headers = {} if status == 401 else KEY
    answer = await operator.request(method, path, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["success"] is False
