"""The services that the settings point at, as they are when everything starts."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from agent.stages.choice import StageChoice
from agent.stages.services.addresses import shown
from agent.stages.services.health import ServiceAway, ServiceHealth, look
from launch.settings import LaunchSettings

_STAGES = {"recognition": "ASR", "answers": "RAG", "speech": "TTS"}


@dataclass(frozen=True, slots=True)
class Found:
    """One service that is in use."""

    name: str
    """`ASR`, `RAG` or `TTS`."""
    url: str
    health: ServiceHealth | None
    """None: it is away."""
    why: str = ""
    """Of one that is away."""

    @property
    def told(self) -> str:
        """For people."""
        where = f"{self.name}_SERVICE_URL: {shown(self.url)}"
        if self.health is None:
            return f"{where}: {self.why}; it is used as soon as it is there"
        about = filter(None, (self.health.model, ", ".join(self.health.languages)))
        return f"{where}: {self.health.status} ({'; '.join(about) or 'it says no more'})"


def look_at_services(settings: LaunchSettings, stages: StageChoice) -> tuple[Found, ...]:
    """Ask those that are in use, all at once."""
    urls = {
        name: settings.variable(f"{name}_SERVICE_URL")
        for chosen in stages.stages
        if chosen.uses("services")
        for name in (_STAGES[chosen.stage],)
    }
    return asyncio.run(_look(urls)) if urls else ()


def languages(found: tuple[Found, ...]) -> str:
    """`ASR_SERVICE_LANGUAGES` as the recognition service has it; empty: it does not say."""
    known = [one.health.languages for one in found if one.name == "ASR" and one.health is not None]
    return ",".join(known[0]) if known else ""


async def _look(urls: Mapping[str, str]) -> tuple[Found, ...]:
    async with httpx.AsyncClient() as http:
        return tuple(await asyncio.gather(*(_one(name, url, http) for name, url in urls.items())))


async def _one(name: str, url: str, http: httpx.AsyncClient) -> Found:
    try:
        return Found(name, url, await look(url, http))
    except ServiceAway as error:
        return Found(name, url, None, str(error))
