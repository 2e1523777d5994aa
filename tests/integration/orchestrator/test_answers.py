"""What the API answers to good and bad requests; Redis is real, no worker is needed."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from livekit import api as livekit_api
from redis.asyncio import Redis

from orchestrator.sessions.redis_store import SLOTS
from tests.integration.orchestrator.application import running, settings_for
from tests.integration.orchestrator.conftest import until
from tests.integration.orchestrator.processes import KEY, SECRET, Deployment, RedisServer

UNKNOWN_ID = "session_1730462400000_abc123xyz"
START = "/api/session/start"


@pytest.fixture
def given(deployment: Deployment, redis_server: RedisServer, tmp_path: Path) -> dict[str, Any]:
    """Settings with the deployment's room server and a Redis of the test's own."""
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "knowledge" / "shop.sqlite").touch()
    return {
        "redis_url": redis_server.url,
        "folder": tmp_path,
        "livekit_url": f"ws://127.0.0.1:{deployment.room_port}",
    }


@pytest.fixture
async def client(redis: Redis, given: dict[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    async with running(settings_for(**given)) as made:
        yield made


def error_of(answer: httpx.Response) -> tuple[int, str, str]:
    body = answer.json()
    assert body["success"] is False
    assert set(body) == {"success", "error"}
    assert set(body["error"]) == {"code", "message"}
    return answer.status_code, body["error"]["code"], body["error"]["message"]


async def test_the_answer_to_a_start(client: httpx.AsyncClient, deployment: Deployment) -> None:
    """Catches a field that existing clients read and that changed."""
    answer = await client.post(
        START, json={"userName": "Jane", "voiceId": "Ashley", "openingLine": "Hi!", "new": 1}
    )
    body = answer.json()
    assert set(body) == {"success", "sessionId", "token", "serverUrl", "roomName", "message"}
    assert body["success"] is True
    assert body["message"] == "Session created. Voice agent is being spawned."
    assert body["roomName"] == body["sessionId"]
    assert body["serverUrl"] == f"ws://127.0.0.1:{deployment.room_port}"
    claims = jwt.decode(body["token"], SECRET, algorithms=["HS256"])
    assert claims["video"]["room"] == body["roomName"]
    state = (await client.get(f"/api/session/{body['sessionId']}")).json()
    assert (state["status"], state["userName"]) == ("queued", "Jane")
    assert state["createdAt"].endswith("Z")
    assert (state["agentJoinedAt"], state["endReason"]) == (None, None)
    assert state["transcript"] == []


@pytest.mark.parametrize("body", [b"", b"{}", b'{"userName": null, "metadata": null}'])
async def test_everything_is_optional(client: httpx.AsyncClient, body: bytes) -> None:
    """Catches a field that became required."""
    answer = await client.post(START, content=body)
    assert answer.status_code == 200


BAD_STARTS: list[tuple[str, bytes, int, str]] = [
    ("not JSON", b"hello", 400, ""),
    ("half JSON", b'{"userName": ', 400, ""),
    ("not UTF-8", b'{"userName": "\xff"}', 400, ""),
    ("an array", b"[]", 422, "body"),
    ("a number", b"5", 422, "body"),
    ("deep nesting", b"[" * 100_000, 400, ""),
    ("a name of the wrong type", b'{"userName": 5}', 422, "userName"),
    ("a name too long", json.dumps({"userName": "x" * 101}).encode(), 422, "userName"),
    ("a control character", b'{"userName": "a\\u0000b"}', 422, "userName"),
    ("an escape sequence", b'{"openingLine": "a\\u001b[31m"}', 422, "openingLine"),
    ("half a surrogate pair", b'{"userName": "\\ud800"}', 422, "userName"),
    ("a line too long", json.dumps({"openingLine": "x" * 5_000}).encode(), 422, "openingLine"),
    ("a language that is none", b'{"language": "english please"}', 422, "language"),
    ("a path as collection", b'{"knowledgeBase": "../secrets"}', 422, "knowledgeBase"),
    ("an unknown collection", b'{"knowledgeBase": "nowhere"}', 422, "knowledgeBase"),
    ("metadata too large", json.dumps({"metadata": {"a": "x" * 5_000}}).encode(), 422, "metadata"),
    ("metadata that is no object", b'{"metadata": "x"}', 422, "metadata"),
    ("metadata that is no JSON", b'{"metadata": {"a": NaN}}', 422, "metadata"),
    ("deep metadata", b'{"metadata": {"a": ' + b"[" * 900 + b"]" * 900 + b"}}", 422, "metadata"),
    ("too much", json.dumps({"userName": "x" * 300_000}).encode(), 413, ""),
    ("far too much", b" " * 10_000_000, 413, ""),
]


@pytest.mark.parametrize(
    ("body", "status", "field"), [row[1:] for row in BAD_STARTS], ids=[row[0] for row in BAD_STARTS]
)
async def test_a_bad_start(
    client: httpx.AsyncClient, redis: Redis, body: bytes, status: int, field: str
) -> None:
    """Catches a 500, an error without its field, and a slot taken by a session that is none."""
    answer = await client.post(START, content=body, headers={"Content-Type": "application/json"})
    found, _, message = error_of(answer)
    assert found == status
    assert message.startswith(field)
    assert len(message) < 500
    assert await redis.zcard(SLOTS) == 0


async def test_a_body_without_a_length_is_read_no_further_than_the_limit(
    client: httpx.AsyncClient,
) -> None:
    """Catches a chunked body that fills the memory."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1_000):
            sent += 1
            yield b" " * 65_536

    answer = await client.post(
        START, content=endless(), headers={"Content-Type": "application/json"}
    )
    assert error_of(answer)[:2] == (413, "body_too_large")
    assert sent < 1_000


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/api/session/end", {"sessionId": UNKNOWN_ID}, 404, "session_not_found"),
        ("POST", "/api/session/end", {"sessionId": "../../x"}, 404, "session_not_found"),
        ("POST", "/api/session/end", {"sessionId": ""}, 404, "session_not_found"),
        ("POST", "/api/session/end", {"sessionId": 5}, 422, "invalid_field"),
        ("POST", "/api/session/end", {}, 422, "invalid_field"),
        ("GET", f"/api/session/{UNKNOWN_ID}", None, 404, "session_not_found"),
        ("GET", "/api/session/x%00y", None, 404, "session_not_found"),
        ("GET", "/nowhere", None, 404, "not_found"),
        ("GET", START, None, 404, "session_not_found"),
        ("DELETE", "/health", None, 405, "method_not_allowed"),
        ("POST", "/api/livekit/webhook", {}, 401, "unauthorized"),
    ],
)
async def test_other_errors(
    client: httpx.AsyncClient, method: str, path: str, body: object, status: int, code: str
) -> None:
    """Catches an error outside the envelope."""
    answer = await client.request(method, path, json=body)
    assert error_of(answer)[:2] == (status, code)


async def test_an_unknown_voice_is_warned_of(client: httpx.AsyncClient) -> None:
    """Catches a start that fails for a voice."""
    answer = await client.post(START, json={"voiceId": "Zaphod"})
    assert answer.status_code == 200
    assert "Dennis" in answer.json()["warning"]


async def test_line_breaks_become_spaces(client: httpx.AsyncClient) -> None:
    """Catches an opening line of two lines that is refused, or a name that breaks a log."""
    answer = await client.post(START, json={"userName": "Jane\r\nDoe", "openingLine": "a\n\tb"})
    state = await client.get(f"/api/session/{answer.json()['sessionId']}")
    assert state.json()["userName"] == "Jane Doe"


async def test_a_collection_that_exists(client: httpx.AsyncClient) -> None:
    """Catches a check that refuses everything."""
    assert (await client.post(START, json={"knowledgeBase": "shop"})).status_code == 200


async def test_full_capacity(redis: Redis, given: dict[str, Any]) -> None:
    """Catches a session too many, a 429 without `Retry-After`, and `full` taken for broken."""
    async with running(settings_for(**given, max_concurrent_sessions=3)) as client:
        answers = await asyncio.gather(*(client.post(START, json={}) for _ in range(10)))
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [200] * 3 + [429] * 7
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert error_of(refused)[1] == "capacity_full"
        assert int(refused.headers["retry-after"]) >= 1
        ids = [a.json()["sessionId"] for a in answers if a.status_code == 200]
        ended = await client.post("/api/session/end", json={"sessionId": ids[0]})
        assert ended.status_code == 200
        assert (await client.post(START, json={})).status_code == 200
        await redis.set("majlis:worker:w", "{}")
        await redis.sadd("majlis:workers", "w")

        async def full() -> bool:
            health = await client.get("/health")
            return (health.status_code, health.json()["status"]) == (200, "full")

        await until(full)


async def test_too_many_starts_from_one_address(redis: Redis, given: dict[str, Any]) -> None:
    """Catches a client that takes all capacity by asking often."""
    async with running(settings_for(**given, session_starts_per_minute=2)) as client:
        answers = [await client.post(START, json={}) for _ in range(4)]
        # The minute may turn between them.
        assert 429 in [answer.status_code for answer in answers] or len(answers) == 4
        refused = answers[-1]
        if refused.status_code == 429:
            assert error_of(refused)[1] == "rate_limited"
            assert 1 <= int(refused.headers["retry-after"]) <= 61


async def test_api_keys(redis: Redis, given: dict[str, Any]) -> None:
    """Catches an API that is open although keys are set, and health checks that need one."""
    async with running(settings_for(**given, api_keys="k1,k2")) as client:
        assert error_of(await client.post(START, json={}))[0] == 401
        wrong = await client.post(START, json={}, headers={"X-API-Key": "k3"})
        assert error_of(wrong)[0] == 403
        right = await client.post(START, json={}, headers={"Authorization": "Bearer k2"})
        assert right.status_code == 200
        assert error_of(await client.get(f"/api/session/{UNKNOWN_ID}"))[0] == 401
        assert (await client.get("/livez")).status_code == 200


async def test_cors_never_gives_credentials_to_everybody(
    redis: Redis, given: dict[str, Any]
) -> None:
    """Catches any site acting with a visitor's credentials."""
    origin = {"Origin": "https://evil.example"}
    async with running(settings_for(**given, cors_allow_credentials=True)) as client:
        answer = await client.get("/livez", headers=origin)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
    only: dict[str, Any] = {"cors_origins": "https://a.example", "cors_allow_credentials": True}
    async with running(settings_for(**given, **only)) as client:
        assert (
            "access-control-allow-origin"
            not in (await client.get("/livez", headers=origin)).headers
        )
        known = await client.get("/nowhere", headers={"Origin": "https://a.example"})
        assert known.headers["access-control-allow-origin"] == "https://a.example"
        assert known.headers["access-control-allow-credentials"] == "true"


@pytest.mark.parametrize("body", [None, {}, {"room_config": {"agents": [{"agent_name": "x"}]}}])
async def test_the_token_endpoint_of_starter_apps(
    client: httpx.AsyncClient, body: object, deployment: Deployment
) -> None:
    """Catches a stock frontend that cannot join."""
    answer = await client.post("/api/token", json=body)
    found = answer.json()
    assert found["serverUrl"] == found["server_url"] == f"ws://127.0.0.1:{deployment.room_port}"
    assert found["participantToken"] == found["participant_token"]
    assert found["roomName"] == found["room_name"]
    assert found["participantName"] == "User"
    state = await client.get(f"/api/session/{found['roomName']}")
    assert state.json()["status"] == "queued"


def _webhook(event: Mapping[str, object]) -> dict[str, Any]:
    body = json.dumps(event).encode()
    token = livekit_api.AccessToken(KEY, SECRET).with_sha256(
        base64.b64encode(hashlib.sha256(body).digest()).decode()
    )
    return {"content": body, "headers": {"Authorization": token.to_jwt()}}


async def test_a_room_that_is_gone_ends_its_session(client: httpx.AsyncClient) -> None:
    """Catches a session that lives on without its room."""
    session_id = (await client.post(START, json={})).json()["sessionId"]
    event = {"event": "room_finished", "room": {"name": session_id}}
    assert (await client.post("/api/livekit/webhook", **_webhook(event))).status_code == 200
    state = (await client.get(f"/api/session/{session_id}")).json()
    assert (state["status"], state["endReason"]) == ("ended", "room_gone")


@pytest.mark.parametrize(
    "event",
    [
        {"event": "room_finished", "room": {"name": UNKNOWN_ID}},
        {"event": "room_finished", "room": {"name": "somebody else's"}},
        {"event": "something_new"},
        {"event": "participant_left", "room": {"name": UNKNOWN_ID}},
    ],
)
async def test_other_webhooks_are_taken(
    client: httpx.AsyncClient, event: dict[str, object]
) -> None:
    """Catches webhooks that the room server sends again and again, as they were refused."""
    assert (await client.post("/api/livekit/webhook", **_webhook(event))).status_code == 200


async def test_health_before_any_worker(client: httpx.AsyncClient) -> None:
    """Catches a deployment that takes sessions it cannot serve, and a body that changed."""

    async def looked() -> bool:
        return bool((await client.get("/health")).json()["livekit_available"])

    await until(looked)
    answer = await client.get("/health")
    assert answer.status_code == 503
    body = answer.json()
    assert (body["status"], body["celery_available"]) == ("unhealthy", False)
    assert body["livekit_configured"] is True
    assert set(body["services"]) == {
        "orchestrator",
        "session_manager",
        "asr_client_manager",
        "rag_client_manager",
        "tts_client_manager",
    }
    assert (body["active_sessions"], body["max_sessions"]) == (0, 100)


async def test_without_a_room_server_a_start_is_refused(
    redis: Redis, given: dict[str, Any]
) -> None:
    """Catches a session in a room that nobody can join."""
    gone = {**given, "livekit_url": "ws://127.0.0.1:9"}
    async with running(settings_for(**gone)) as client:

        async def refused() -> httpx.Response | None:
            answer = await client.post(START, json={})
            return answer if answer.status_code == 503 else None

        answer = await until(refused)
        assert error_of(answer)[1] == "livekit_unavailable"


async def test_stats(client: httpx.AsyncClient) -> None:
    """Catches a shape that dashboards do not know."""
    await client.post(START, json={})
    body = (await client.get("/stats")).json()
    assert body["sessions"]["total_sessions"] == 1
    assert body["sessions"]["total_conversation_turns"] == 0
    assert body["sessions"]["state_distribution"]["idle"] == 1
    assert body["active_conversations"] == 0
    assert body["configuration"] == {
        "max_concurrent_sessions": 100,
        "session_timeout_seconds": 300,
        "audio_sample_rate": 16000,
    }


@pytest.mark.parametrize("path", ["/", "/test", "/docs", "/redoc", "/openapi.json", "/metrics"])
async def test_pages_for_people_and_machines(client: httpx.AsyncClient, path: str) -> None:
    """Catches a page that does not come."""
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
