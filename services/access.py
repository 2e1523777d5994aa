"""Who may use a service, and how many at once."""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import SecretStr
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse

from agent.stages.services.messages import ErrorCode, failure


class Access:
    """The door of one service.

    Args:
        token: what callers must show as `Authorization: Bearer …`; None: nobody is asked.
        most: so many at once.
    """

    def __init__(self, token: SecretStr | None, *, most: int) -> None:
        self._token = None if token is None else token.get_secret_value()
        self.most = most
        self.inside = 0
        self.served = 0
        """So many have come in since the start."""

    @property
    def is_full(self) -> bool:
        """Whether nobody more is let in."""
        return self.inside >= self.most

    def refusal(self, connection: HTTPConnection) -> JSONResponse | None:
        """What to answer to who may not come in; None: they may."""
        if not self._is_known(connection.headers.get("authorization", "")):
            return refused(401, ErrorCode.UNAUTHORIZED, "a bearer token is wanted")
        if self.is_full:
            answer = refused(503, ErrorCode.BUSY, f"all {self.most} places are in use")
            answer.headers["Retry-After"] = "1"
            return answer
        return None

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the places, while the context is open."""
        self.inside += 1
        self.served += 1
        try:
            yield
        finally:
            self.inside -= 1

    def _is_known(self, shown: str) -> bool:
        if self._token is None:
            return True
        return hmac.compare_digest(shown.encode(), f"Bearer {self._token}".encode())


def refused(status: int, code: ErrorCode, message: str) -> JSONResponse:
    """An error over HTTP, also in answer to a WebSocket that is not taken."""
    told = failure(code, message)
    return JSONResponse(
        {"type": "error", "code": told.code, "message": message, "retryable": told.retryable},
        status_code=status,
    )
