"""The reference services as a client in another language sees them, from docs/services.md alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import pytest

from tests.clients.services import ServiceProcess
from tests.integration.services.conftest import TOKEN

Services = dict[str, ServiceProcess]
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
START = {"type": "start", "language": "en-US"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=HEADERS) as http:
        yield http


async def following(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any] | int:
    """The next message, or how many bytes of audio."""
    async with asyncio.timeout(20):
        message = await socket.receive()
    if message.type is aiohttp.WSMsgType.BINARY:
        return len(message.data)
    told: dict[str, Any] = json.loads(message.data)
    return told


async def test_a_segment_is_cancelled_and_the_next_one_spoken(
    services: Services, session: aiohttp.ClientSession
) -> None:
    """Catches an answer that goes on after it was interrupted, and a connection that is lost."""
    async with session.ws_connect(f"{services['tts'].url}/v1/speak") as socket:
        await socket.send_json({**START, "voice": "Ashley", "unheard_of": True})
        ready = await following(socket)
        assert isinstance(ready, dict)
        assert (ready["type"], ready["sample_rate"]) == ("ready", 22_050)
        sentences = "This is a sentence that takes a moment to say. " * 80
        await socket.send_json({"type": "text", "segment": 0, "text": sentences})
        assert await following(socket) == {"segment": 0, "type": "segment_start"}
        while not isinstance(await following(socket), int):
            pass
        await socket.send_json({"type": "cancel", "segment": 0})
        await socket.send_json({"type": "text", "segment": 0, "text": "And more. "})
        await socket.send_json({"type": "text", "segment": 1, "text": "Yes."})
        await socket.send_json({"type": "flush", "segment": 1})
        while isinstance(message := await following(socket), int) or message["segment"] == 0:
            if not isinstance(message, int) and message["type"] == "segment_end":
                assert message["cancelled"]
                assert message["audio_s"] < 200
        assert message == {"segment": 1, "type": "segment_start"}
        audio_bytes = 0
        while isinstance(message := await following(socket), int) or message["type"] == "sentence":
            audio_bytes += message if isinstance(message, int) else 0
        assert message["type"] == "segment_end"
        assert not message["cancelled"]
        assert message["audio_s"] == pytest.approx(audio_bytes / 2 / 22_050, abs=0.01)


@pytest.mark.parametrize("name", ["asr", "tts"])
@pytest.mark.parametrize(
    ("sent", "code", "closes_with"),
    [
        ("nonsense", "invalid_message", 1008),
        ('{"type": "unheard of"}', "invalid_message", 1008),
        ('{"type": "start"}', "invalid_message", 1008),
        ('{"type": "flush", "segment": 0}', "invalid_message", 1008),
        (bytes(640), "invalid_message", 1008),
        (bytes(70_000), "too_large", 1009),
    ],
)
async def test_who_breaks_the_rules_is_told_and_let_go(
    services: Services,
    session: aiohttp.ClientSession,
    name: str,
    sent: str | bytes,
    code: str,
    closes_with: int,
) -> None:
    """Catches a service that breaks, hangs, or does not say why."""
    path = {"asr": "/v1/recognize", "tts": "/v1/speak"}[name]
    async with session.ws_connect(f"{services[name].url}{path}") as socket:
        if isinstance(sent, bytes):
            await socket.send_bytes(sent)
        else:
            await socket.send_str(sent)
        told = await following(socket)
        assert isinstance(told, dict)
        assert (told["type"], told["code"], told["retryable"]) == ("error", code, False)
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == closes_with


async def test_half_a_sample_is_refused(services: Services, session: aiohttp.ClientSession) -> None:
    """Catches noise that is taken for speech."""
    async with session.ws_connect(f"{services['asr'].url}/v1/recognize") as socket:
        await socket.send_json(START)
        assert await following(socket) == {"type": "ready", "model": "pocketsphinx"}
        await socket.send_bytes(bytes(3))
        told = await following(socket)
        assert isinstance(told, dict)
        assert told["code"] == "invalid_message"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/answer", b"nonsense", 422, "invalid_message"),
        ("/v1/answer", b'{"question": 7}', 422, "invalid_message"),
        ("/v1/answer", b'{"question": "%s"}' % (b"x" * 5_000), 422, "invalid_message"),
        ("/v1/answer", b"x" * 300_000, 413, "too_large"),
        ("/v1/retrieve", b'{"query": "x", "collection": "none"}', 404, "unknown_collection"),
    ],
)
def test_a_wrong_request_is_refused(
    services: Services, path: str, body: bytes, status: int, code: str
) -> None:
    """Catches an exception of a parser, and memory that a peer fills as it likes."""
    url = f"{services['rag'].url}{path}"
    answer = httpx.post(url, content=body, headers=HEADERS, timeout=20)
    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert httpx.post(url, content=body, timeout=20).status_code == 401


def test_passages_are_retrieved(services: Services) -> None:
    """Catches passages without their document."""
    asked = {"query": "How long do I have to return an item?", "limit": 2}
    url = f"{services['rag'].url}/v1/retrieve"
    told = httpx.post(url, json=asked, headers=HEADERS, timeout=20).json()
    assert told["answerable"]
    assert len(told["passages"]) == 2
    assert told["passages"][0]["filename"] == "en/returns.md"
    assert 0 < told["passages"][0]["similarity_score"] <= 1
