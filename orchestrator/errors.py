"""Errors of the control plane.

OrchestratorError
    IllegalTransition       a bug, or an event that came too late
    RequestError            what a client did; `status` is the HTTP status
        BadBody             400
        Unauthenticated     401
        Forbidden           403
        SessionNotFound     404
        NotFound            404
        RequestTimeout      408
        Conflict            409
        BodyTooLarge        413
        InvalidField        422
        RateLimited         429
        CapacityFull        429
        Unavailable         503; a retry can help
            StoreUnavailable
            BooksUnchecked
            DispatchFailed
            RoomsUnavailable
        StorageFull         507
    HostUnreachable         this machine's agent host does not answer; a retry can help
"""

from typing import ClassVar


class OrchestratorError(Exception):
    """Base of all of them."""


class IllegalTransition(OrchestratorError):
    """A session cannot go where it was told to; nothing was changed."""


class RequestError(OrchestratorError):
    """A request that cannot be served; the message is meant for the client."""

    status: ClassVar[int]
    code: ClassVar[str]

    def __init__(self, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class BadBody(RequestError):
    """The body is not JSON."""

    status = 400
    code = "invalid_json"


class Unauthenticated(RequestError):
    """Credentials are missing, or a signature does not hold."""

    status = 401
    code = "unauthorized"


class Forbidden(RequestError):
    """Credentials are there and wrong."""

    status = 403
    code = "forbidden"


class SessionNotFound(RequestError):
    """There is no such session (any more)."""

    status = 404
    code = "session_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such session.")


class NotFound(RequestError):
    """There is no such collection or document."""

    status = 404
    code = "not_found"


class RequestTimeout(RequestError):
    """The client took too long to send."""

    status = 408
    code = "request_timeout"


class Conflict(RequestError):
    """What is asked for does not go with what is there."""

    status = 409
    code = "conflict"


class BodyTooLarge(RequestError):
    """The body is longer than we read."""

    status = 413
    code = "body_too_large"


class InvalidField(RequestError):
    """A field of the body is wrong."""

    status = 422
    code = "invalid_field"


class RateLimited(RequestError):
    """Too many requests from one address."""

    status = 429
    code = "rate_limited"


class CapacityFull(RequestError):
    """As many sessions run as may."""

    status = 429
    code = "capacity_full"


class Unavailable(RequestError):
    """Something that we depend on is away; trying again later can help."""

    status = 503
    says: ClassVar[str]
    """The message, where none is given."""
    soon_s: ClassVar[int] = 2
    """When to try again."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.says, retry_after_s=self.soon_s)


class StoreUnavailable(Unavailable):
    """Redis does not answer."""

    code = "redis_unavailable"
    says = "The session store is not reachable."


class BooksUnchecked(Unavailable):
    """Redis has just come back, and what it holds is being compared with what runs."""

    code = "redis_unavailable"
    says = "The session store is being checked."
    soon_s = 1


class DispatchFailed(Unavailable):
    """A task could not be queued."""

    code = "queue_unavailable"
    says = "The task queue is not reachable."


class RoomsUnavailable(Unavailable):
    """The room server does not answer, or none is configured."""

    code = "livekit_unavailable"
    says = "The room server is not reachable."


class StorageFull(RequestError):
    """There is no room for what was sent, or the disk fails."""

    status = 507
    code = "storage_full"


class HostUnreachable(OrchestratorError):
    """The agent host of this machine does not answer."""
