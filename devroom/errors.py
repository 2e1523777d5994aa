"""What can go wrong, as one tree.

DevroomError
  StartError            the process cannot start; the message is one line for a terminal
  RefusedError          a request is answered with a `Code`
    TokenError          the token is missing, forged, expired or grants too little
    MalformedError      bytes, protobuf, JSON or SDP that do not parse
    LimitError          one more of something bounded
    NotFoundError       a room, participant or track that is not there
    UnsupportedError    LiveKit can do it and devroom does not
"""

from enum import Enum


class Code(Enum):
    """A Twirp error code and the HTTP status that goes with it."""

    UNAUTHENTICATED = ("unauthenticated", 401)
    MALFORMED = ("malformed", 400)
    INVALID_ARGUMENT = ("invalid_argument", 400)
    RESOURCE_EXHAUSTED = ("resource_exhausted", 429)
    NOT_FOUND = ("not_found", 404)
    BAD_ROUTE = ("bad_route", 404)
    FAILED_PRECONDITION = ("failed_precondition", 412)
    UNIMPLEMENTED = ("unimplemented", 501)
    INTERNAL = ("internal", 500)

    @property
    def wire(self) -> str:
        return self.value[0]

    @property
    def http_status(self) -> int:
        return self.value[1]


class DevroomError(Exception):
    """The root of devroom's own errors."""


class StartError(DevroomError):
    """The process cannot start; the message is one line that says what to change."""


class RefusedError(DevroomError):
    """A request is refused. `retryable` says whether the same request may succeed later."""

    code = Code.INVALID_ARGUMENT
    retryable = False

    def __init__(self, message: str, code: Code | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class TokenError(RefusedError):
    code = Code.UNAUTHENTICATED


class MalformedError(RefusedError):
    code = Code.MALFORMED


class LimitError(RefusedError):
    code = Code.RESOURCE_EXHAUSTED
    retryable = True


class NotFoundError(RefusedError):
    code = Code.NOT_FOUND


class UnsupportedError(RefusedError):
    code = Code.UNIMPLEMENTED
