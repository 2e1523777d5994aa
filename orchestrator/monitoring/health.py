"""How the deployment is, from what probes and heartbeats said last. Pure."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Condition(StrEnum):
    """Of the deployment, or of one of its parts."""

    HEALTHY = "healthy"
    FULL = "full"
    """Well, and all capacity is in use."""
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Vitals:
    """What was found last; None: not looked yet."""

    redis: bool | None = None
    livekit: bool | None = None
    workers: int = 0
    failing_programs: tuple[str, ...] = ()
    """Programs of this machine that supervisord starts again and again."""
    services_away: tuple[str, ...] = ()
    """Services that are set and cannot be used: `asr`, `rag`, `tts`."""


@dataclass(frozen=True, slots=True)
class StageConditions:
    """Whether each stage's provider can be used."""

    asr: Condition = Condition.HEALTHY
    rag: Condition = Condition.HEALTHY
    tts: Condition = Condition.HEALTHY


def with_services(stages: StageConditions, vitals: Vitals) -> StageConditions:
    """The same, but for stages whose service is away; others may take over from it."""
    return replace(stages, **dict.fromkeys(vitals.services_away, Condition.UNHEALTHY))


def condition(vitals: Vitals, *, active: int, limit: int) -> Condition:
    """Of the deployment: unhealthy without Redis, any worker, or LiveKit."""
    if not (vitals.redis and vitals.livekit and vitals.workers):
        return Condition.UNHEALTHY
    return Condition.FULL if active >= limit else Condition.HEALTHY
