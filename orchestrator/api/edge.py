"""The outermost layer around the API: sizes of bodies, headers, errors nobody expected."""

import logging
import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.api.errors import envelope
from orchestrator.monitoring.metrics import Metrics

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 * 1024
MAX_UPLOAD_BYTES = 64 * 1024 * 1024
"""Of the documents that come in one request."""
_UPLOADS = re.compile(r"/api/knowledge/[^/]+/documents")
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
        most = self._most_bytes(scope)
        if _claims_more(scope, most):
            message = f"The body is larger than {most} bytes."
            too_large = envelope(413, "body_too_large", message)
            await too_large(scope, receive, answer.send)
            return
        try:
            await self._app(scope, _limited(receive, most), answer.send)
        except Exception as error:
            fields = {"request_id": request_id, "path": scope["path"]}
            logger.exception("request failed", extra=fields)
            self._metrics.errors.labels(type(error).__name__).inc()
            if answer.started:
                raise
            failed = envelope(500, "internal_error", f"Internal error, request {request_id}.")
            await failed(scope, receive, answer.send)

    def _most_bytes(self, scope: Scope) -> int:
        if scope["method"] == "POST" and _UPLOADS.fullmatch(scope["path"]):
            return MAX_UPLOAD_BYTES
        return self._max_body_bytes


def _claims_more(scope: Scope, most: int) -> bool:
    length = Headers(scope=scope).get("content-length", "")
    return length.isdecimal() and int(length) > most


def _limited(receive: Receive, most: int) -> Receive:
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > most:
            raise HTTPException(413)
        return message

    return limited


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
