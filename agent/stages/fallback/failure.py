"""What a provider's failure means for what is tried next. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from livekit.agents import APIError, APITimeoutError

_OF_THE_REQUEST = {400, 413, 422}
"""Says nothing about the provider: the next request may be served."""
_FOR_GOOD = {401, 402, 403, 404}
_BUSY = {429, 503}
_LONGEST_CHAIN = 10
_LONGEST_PAUSE_S = 3_600.0
"""Who asks for more is tried again nevertheless."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt failed."""

    name: str
    """The error's class, for logs; its text may hold what was said."""
    status: int | None
    """HTTP status, where there was one."""
    retryable: bool
    """Whether the same provider may serve if it is asked again at once."""
    of_the_request: bool
    """It is the request that was refused; no sign of a provider that is down."""
    for_good: bool
    """Asking again does not help before somebody changes something."""
    pause_s: float
    """How long the provider asked to be left alone (`Retry-After`); 0: it did not say."""


def failure_of(error: BaseException) -> Failure:
    """What is known of an error, its own kind or one that a plugin raised it for."""
    status = next((found for e in _chain(error) if (found := _status(e)) is not None), None)
    pause_s = 0.0
    if status in _BUSY:
        pause_s = next((s for e in _chain(error) if (s := _retry_after_s(e)) > 0), 0.0)
    definite = status in _OF_THE_REQUEST | _FOR_GOOD
    gave_up = isinstance(error, APITimeoutError | TimeoutError)
    retryable = error.retryable if isinstance(error, APIError) else True
    return Failure(
        name=type(error).__name__,
        status=status,
        retryable=retryable and not (definite or gave_up or pause_s),
        of_the_request=status in _OF_THE_REQUEST,
        for_good=status in _FOR_GOOD,
        pause_s=pause_s,
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised for, also where a plugin has hidden that."""
    found: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__


def _status(error: BaseException) -> int | None:
    """livekit-agents and OpenAI say `status_code`, aiohttp `status`."""
    for name in ("status_code", "status"):
        value = getattr(error, name, None)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None


def _retry_after_s(error: BaseException) -> float:
    """Seconds of a `Retry-After` header; a date or nonsense is taken for none."""
    headers: Any = getattr(error, "headers", None)
    if headers is None:
        headers = getattr(getattr(error, "response", None), "headers", None)
    if not isinstance(headers, Mapping):
        return 0.0
    try:
        value = float(headers.get("Retry-After", 0))
    except ValueError:
        return 0.0
    return min(value, _LONGEST_PAUSE_S) if math.isfinite(value) and value > 0 else 0.0
