"""devroom's doors without sockets: HTTP and WebSocket by ASGI messages."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

from livekit.protocol.rtc import SignalRequest, SignalResponse
from starlette.applications import Starlette
from starlette.types import Message


def _scope(kind: str, path: str, query: Mapping[str, str], bearer: str) -> dict[str, Any]:
    headers = [(b"authorization", f"Bearer {bearer}".encode())] if bearer else []
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "ws" if kind == "websocket" else "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": urlencode(query).encode(),
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
    }


@dataclass
class Answer:
    """Of an HTTP request, or of a refused upgrade."""

    status: int = 0
    body: bytes = b""

    def take(self, message: Message) -> None:
        """One of the messages it comes in."""
        self.status = message.get("status", self.status)
        self.body += message.get("body", b"")

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


async def ask(
    app: Starlette,
    path: str,
    *,
    method: str = "GET",
    query: Mapping[str, str] | None = None,
    bearer: str = "",
    body: bytes = b"",
    content_type: str = "",
) -> Answer:
    """One HTTP request."""
    scope = _scope("http", path, query or {}, bearer)
    scope["method"] = method
    if content_type:
        scope["headers"].append((b"content-type", content_type.encode()))
    answer = Answer()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        answer.take(message)

    await asyncio.wait_for(app(scope, receive, send), 5)
    return answer


@dataclass
class Visit:
    """A client's signalling connection: `async with Visit(app, path, query, bearer)`."""

    app: Starlette
    path: str = "/rtc"
    query: Mapping[str, str] = field(default_factory=dict)
    bearer: str = ""
    refused: Answer = field(default_factory=Answer)

    def __post_init__(self) -> None:
        self._inward: asyncio.Queue[Message] = asyncio.Queue()
        self._outward: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._inward.put_nowait({"type": "websocket.connect"})
        scope = _scope("websocket", self.path, self.query, self.bearer)
        self._task = asyncio.create_task(self.app(scope, self._inward.get, self._outward.put))
        message = await self._next()
        while message["type"].startswith("websocket.http.response"):
            self.refused.take(message)
            if message["type"].endswith("body") and not message.get("more_body"):
                break
            message = await self._next()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._inward.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self._task, 5)

    def send(self, request: SignalRequest) -> None:
        """Ask for something."""
        self._inward.put_nowait(
            {"type": "websocket.receive", "bytes": request.SerializeToString(), "text": None}
        )

    async def response(self, kind: str) -> SignalResponse:
        """The next response of this kind; what comes before it is dropped."""
        while True:
            message = await self._next()
            assert message["type"] == "websocket.send", message
            response = SignalResponse()
            response.ParseFromString(message["bytes"])
            if response.WhichOneof("message") == kind:
                return response

    async def end(self) -> None:
        """Until the server closes; what comes before it is dropped."""
        while (await self._next())["type"] != "websocket.close":
            pass

    async def _next(self) -> Message:
        return await asyncio.wait_for(self._outward.get(), 5)
