"""Looks every few seconds whether what we depend on is there, so that no request has to."""

import asyncio
import logging
import time
from dataclasses import replace
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import RedisError

from agent.settings import AgentSettings
from agent.stages.choice import choose
from agent.stages.errors import StageUnavailable
from orchestrator.errors import RoomsUnavailable, StoreUnavailable
from orchestrator.monitoring.health import Condition, StageConditions, Vitals
from orchestrator.monitoring.heartbeat import living_workers
from orchestrator.monitoring.supervisord import FailingPrograms, Supervisord

logger = logging.getLogger(__name__)

WELL_EVERY_S = 2.0
ILL_EVERY_S = 0.5
"""As long as something is missing: whoever waits for us to be well should not wait long."""
REDIS_TIMEOUT_S = 1.0

# in the order of a turn
_STAGES = {"recognition": "asr", "answers": "rag", "speech": "tts"}


class RoomProbe(Protocol):
    """How a room server is asked whether it is there."""

    async def check(self) -> None:
        """Raises `RoomsUnavailable`."""


class BooksProbe(Protocol):
    """How Redis is asked whether what it holds is right, just after it came back."""

    async def check(self) -> bool:
        """Whether sessions are admitted. Raises `StoreUnavailable`."""


class ServicesProbe(Protocol):
    """How the services that stages run in are asked."""

    async def away(self) -> tuple[str, ...]:
        """Names of those that cannot be used."""


class Probes:
    """Keeps `vitals` up to date while it runs."""

    def __init__(
        self,
        redis: Redis,
        rooms: RoomProbe,
        supervisord: Supervisord,
        books: BooksProbe,
        services: ServicesProbe,
    ) -> None:
        self.vitals = Vitals()
        self._services = services
        self._redis = redis
        self._rooms = rooms
        self._books = books
        self._supervisord = supervisord
        self._failing = FailingPrograms()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except Exception:
                self.vitals = replace(self.vitals, redis=False, livekit=False)
                logger.exception("a probe failed")
            well = self.vitals.redis and self.vitals.livekit and self.vitals.workers
            await asyncio.sleep(WELL_EVERY_S if well else ILL_EVERY_S)

    async def look(self) -> None:
        """Look once, at everything at the same time."""
        before = self.vitals
        await asyncio.gather(
            self._look_at_redis(),
            self._look_at_rooms(),
            self._look_at_programs(),
            self._look_at_services(),
        )
        after = self.vitals
        if (before.redis, before.livekit) != (after.redis, after.livekit):
            logger.info("vitals", extra={"redis": after.redis, "livekit": after.livekit})

    async def _look_at_redis(self) -> None:
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_S):
                workers = await living_workers(self._redis)
                admits = await self._books.check()
            self.vitals = replace(self.vitals, redis=admits, workers=workers)
        except (RedisError, StoreUnavailable, TimeoutError):
            self.vitals = replace(self.vitals, redis=False, workers=0)

    async def _look_at_rooms(self) -> None:
        try:
            await self._rooms.check()
            self.vitals = replace(self.vitals, livekit=True)
        except RoomsUnavailable:
            self.vitals = replace(self.vitals, livekit=False)

    async def _look_at_services(self) -> None:
        away = await self._services.away()
        if away != self.vitals.services_away:
            logger.warning("services that are away", extra={"services": ", ".join(away)})
        self.vitals = replace(self.vitals, services_away=away)

    async def _look_at_programs(self) -> None:
        programs = await asyncio.to_thread(self._supervisord.programs)
        failing = self._failing.look(programs, time.monotonic())
        if failing != self.vitals.failing_programs:
            logger.warning("programs that keep failing", extra={"programs": ", ".join(failing)})
        self.vitals = replace(self.vitals, failing_programs=failing)


def stage_conditions(settings: AgentSettings) -> StageConditions:
    """Whether the stages' providers hold, by their settings alone."""
    try:
        choice = choose(settings)
    except StageUnavailable as error:
        logger.warning("a stage is not available", extra={"error": str(error)})
        stage = _STAGES.get(error.stage)
        broken = [stage] if stage else list(_STAGES.values())
        return StageConditions(**dict.fromkeys(broken, Condition.UNHEALTHY))
    named = zip(_STAGES.values(), choice.stages, strict=True)
    wanting = [name for name, chosen in named if chosen.remedy]
    return StageConditions(**dict.fromkeys(wanting, Condition.UNHEALTHY))
