"""Whether a service is there, as its `GET /health` tells. Imports no framework.

ServiceAway   it is not, or says that it cannot serve
"""

from dataclasses import dataclass
from typing import Literal

import httpx
from pydantic import TypeAdapter, ValidationError

from agent.stages.services.addresses import over_http
from agent.stages.services.messages import Language

TIMEOUT_S = 1.0
_MAX_BYTES = 64 * 1024


class ServiceAway(Exception):
    """The service does not answer, or cannot serve; says which of them."""


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """What a service says of itself."""

    status: Literal["healthy", "full", "unhealthy"]
    service: str = ""
    version: int = 1
    model: str = ""
    languages: tuple[Language, ...] = ()
    """Those that it knows; empty: it does not say."""


_HEALTH: TypeAdapter[ServiceHealth] = TypeAdapter(ServiceHealth)


async def look(url: str, http: httpx.AsyncClient) -> ServiceHealth:
    """Ask the service at `url`, within `TIMEOUT_S`. Raises `ServiceAway`."""
    try:
        async with http.stream("GET", over_http(url, "/health"), timeout=TIMEOUT_S) as answer:
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _MAX_BYTES:
                    raise ServiceAway("it says too much of itself")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServiceAway("it does not answer") from error
    try:
        health = _HEALTH.validate_json(bytes(body))
    except ValidationError:
        raise ServiceAway(f"it answers {answer.status_code}, and not as a service does") from None
    if health.status == "unhealthy":
        raise ServiceAway("it says that it cannot serve")
    return health
