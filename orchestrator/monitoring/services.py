"""Whether the services that the stages run in are there (docs/services.md)."""

import asyncio
import logging
from collections.abc import Mapping

import httpx

from agent.settings import AgentSettings
from agent.stages.services.health import ServiceAway, look


class ServiceProbe:
    """Asks those that are set."""

    def __init__(self, urls: Mapping[str, str], http: httpx.AsyncClient) -> None:
        """`urls`: by name, `asr`, `rag` or `tts`."""
        self._urls = {name: url for name, url in urls.items() if url}
        self._http = http
        # it tells of every request
        logging.getLogger("httpx").setLevel(logging.WARNING)

    async def away(self) -> tuple[str, ...]:
        """Names of those that do not answer, or say that they cannot serve."""
        there = await asyncio.gather(*map(self._is_there, self._urls.values()))
        return tuple(name for name, yes in zip(self._urls, there, strict=True) if not yes)

    async def _is_there(self, url: str) -> bool:
        try:
            await look(url, self._http)
        except ServiceAway:
            return False
        return True


def service_urls(settings: AgentSettings) -> dict[str, str]:
    """By name; empty where there is none."""
    return {
        "asr": settings.asr_service_url,
        "rag": settings.rag_service_url,
        "tts": settings.tts_service_url,
    }
