"""Assistants as the API tells of them and takes them."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from orchestrator.api.schemas import TokenRequest
from tests.integration.orchestrator.application import running, settings_for
from tests.integration.orchestrator.processes import RedisServer

SHOP = """\
name: shop
description: Knows the shop.
instructions: You are Noor, and the password is Aladdin.
language: ar-EG
voice: Nour
greeting: أهلًا
tools:
  - kind: hand_over
  - kind: http
    name: order_status
    description: Where an order is.
    url: https://secret.example/
"""


async def test_the_list_tells_what_a_client_needs_and_no_more(
    redis_server: RedisServer, redis: Redis, tmp_path: Path
) -> None:
    """Catches a list without what is chosen by, and one with instructions or addresses."""
    del redis
    folder = tmp_path / "assistants"
    folder.mkdir()
    (folder / "shop.yaml").write_text(SHOP)
    (folder / "bare.yaml").write_text("name: bare\n")
    (folder / "broken.yaml").write_text("name: broken\ncolour: red\n")
    settings = settings_for(
        redis_server.url, tmp_path, assistants_dir=folder, api_keys="k", default_assistant="bare"
    )
    async with running(settings) as client:
        assert (await client.get("/api/assistants")).status_code == 401
        answer = await client.get("/api/assistants", headers={"X-API-Key": "k"})
    assert answer.status_code == 200
    assert "Aladdin" not in answer.text
    assert "secret.example" not in answer.text
    body = answer.json()
    assert (body["success"], body["default"]) == (True, "bare")
    bare, shop = body["assistants"]
    assert bare == {
        "name": "bare",
        "description": "",
        "language": "en-US",
        "voice": None,
        "greeting": False,
        "collection": "default",
        "tools": [],
    }
    assert (shop["name"], shop["language"], shop["greeting"]) == ("shop", "ar-EG", True)
    assert shop["tools"] == ["hand_over", "order_status"]


@pytest.mark.parametrize(
    ("body", "chosen"),
    [
        ({}, None),
        ({"assistant": "shop"}, "shop"),
        ({"assistant": "typo"}, "typo"),
        ({"room_config": {"agents": [{"agent_name": "shop"}]}}, "shop"),
        ({"room_config": {"agents": [{"agentName": "shop"}]}}, "shop"),
        ({"room_config": {"agents": [{"agent_name": "their-own-agent"}]}}, None),
        ({"room_config": {"agents": [7, {"agent_name": 7}]}}, None),
        ({"room_config": "anything"}, None),
    ],
)
def test_how_starter_apps_choose(body: dict[str, object], chosen: str | None) -> None:
    """Catches a starter app that is refused for the name of its own agent, or not understood."""
    assert TokenRequest.model_validate(body).assistant_among({"shop"}) == chosen
