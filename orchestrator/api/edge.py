"""The outermost layer around the API: sizes of bodies, headers, errors nobody expected."""

import logging
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.errors import envelope
from orchestrator.monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 * 1024
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "no-referrer",
}


class Edge:
    """ASGI middleware. A body is read no further than the limit, whatever its length claims."""

    def __init__(
        self, app: ASGIApp, *, metrics: Metrics, max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        answer = _Answer(send, request_id, private=str(scope["path"]).startswith("/api/"))
        if self._claims_too_much(scope):
            too_large = envelope(413, "body_too_large", self._limit_message())
            await too_large(scope, receive, answer.send)
            return
        try:
            await self._app(scope, self._limited(receive), answer.send)
        except Exception as error:
            fields = {"request_id": request_id, "path": scope["path"]}
            logger.exception("request failed", extra=fields)
            self._metrics.errors.labels(type(error).__name__).inc()
            if answer.started:
                raise
            failed = envelope(500, "internal_error", f"Internal error, request {request_id}.")
            await failed(scope, receive, answer.send)

    def _claims_too_much(self, scope: Scope) -> bool:
        length = Headers(scope=scope).get("content-length", "")
        return length.isdecimal() and int(length) > self._max_body_bytes

    def _limited(self, receive: Receive) -> Receive:
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_body_bytes:
                raise HTTPException(413)
            return message

        return limited

    def _limit_message(self) -> str:
        return f"The body is larger than {self._max_body_bytes} bytes."


class _Answer:
    def __init__(self, send: Send, request_id: str, *, private: bool) -> None:
        self.started = False
        self._send = send
        self._request_id = request_id
        self._private = private

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-Id"] = self._request_id
            if self._private:
                headers["Cache-Control"] = "no-store"
        await self._send(message)
