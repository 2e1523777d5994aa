"""Who is let into a service, and who is let go."""

import asyncio
import json
from typing import Any, cast

import pytest
from pydantic import SecretStr
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from agent.stages.services.messages import ASR_REQUESTS, ErrorCode, Listening
from services.access import Access
from services.channel import Channel, PeerFailed, PeerGone


def caller(**headers: str) -> HTTPConnection:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "headers": raw})


def refusal(access: Access, connection: HTTPConnection) -> tuple[int, str] | None:
    answer = access.refusal(connection)
    return None if answer is None else (answer.status_code, json.loads(bytes(answer.body))["code"])


def test_only_who_shows_the_token_is_let_in() -> None:
    """Catches a token that is compared by its beginning, or not at all."""
    access = Access(SecretStr("secret"), most=1)
    assert refusal(access, caller(authorization="Bearer secret")) is None
    for wrong in ("Bearer secre", "Bearer secret2", "secret", "Bearer ", "Bearer sécret"):
        header = {"authorization": wrong.encode().decode("latin-1")}
        assert refusal(access, caller(**header)) == (401, "unauthorized")
    assert refusal(access, caller()) == (401, "unauthorized")
    assert refusal(Access(None, most=1), caller()) is None


def test_no_more_are_let_in_than_there_are_places() -> None:
    """Catches a service that is overrun, and places that are not given back."""
    access = Access(None, most=1)
    with access.place():
        assert refusal(access, caller()) == (503, "busy")
    assert refusal(access, caller()) is None
    assert (access.inside, access.served) == (0, 1)


class Socket:
    """A WebSocket that gives these frames, and takes what it is sent unless it is slow."""

    def __init__(self, *frames: dict[str, Any], slow: bool = False) -> None:
        self.frames = list(frames)
        self.slow = slow
        self.sent: list[dict[str, Any]] = []
        self.closed_with = 0

    async def receive(self) -> dict[str, Any]:
        if not self.frames:
            await asyncio.Event().wait()
        return self.frames.pop(0)

    async def send(self, event: dict[str, Any]) -> None:
        if self.slow:
            await asyncio.Event().wait()
        self.sent.append(event)

    async def close(self, code: int) -> None:
        self.closed_with = code


def over(socket: Socket, **times: float) -> Channel[Any]:
    return Channel(cast("WebSocket", socket), ASR_REQUESTS, **times)


async def test_a_peer_that_does_not_read_is_let_go() -> None:
    """Catches memory that fills for somebody who is not there."""
    socket = Socket(slow=True)
    peer = over(socket, read_within_s=0.01)
    with pytest.raises(PeerFailed) as failed:
        await peer.send(Listening())
    assert failed.value.code is ErrorCode.SLOW_READER
    await peer.fail(failed.value)
    assert socket.closed_with == 1008


async def test_a_peer_that_says_nothing_is_let_go() -> None:
    """Catches a place that is held by nobody."""
    with pytest.raises(PeerFailed) as failed:
        await over(Socket(), start_within_s=0.01).start()
    assert failed.value.code is ErrorCode.TIMEOUT


async def test_a_peer_that_is_gone_is_no_failure() -> None:
    """Catches a log full of errors, one for each conversation that ended."""
    with pytest.raises(PeerGone):
        await over(Socket({"type": "websocket.disconnect"})).receive()


async def test_who_is_let_go_is_told_why() -> None:
    """Catches a client that cannot know whether to try again."""
    socket = Socket()
    await over(socket).fail(PeerFailed(ErrorCode.STAGE_FAILED, "the recogniser failed"))
    told = json.loads(socket.sent[0]["text"])
    assert (told["type"], told["code"], told["retryable"]) == ("error", "stage_failed", True)
    assert socket.closed_with == 1011
