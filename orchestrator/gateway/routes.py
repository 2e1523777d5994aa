"""The doors as WebSocket routes of the application, and the gateway behind them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from fastapi import FastAPI
from starlette.websockets import WebSocket

from agent.assistants.files import Assistants
from orchestrator.gateway.connection import TRY_LATER
from orchestrator.gateway.dialect import Door
from orchestrator.gateway.dialects import doors
from orchestrator.gateway.gateway import Gateway
from orchestrator.gateway.sessions import DoorSessions, MemoryDoorSessions, RedisDoorSessions
from orchestrator.monitoring.metrics import Metrics
from orchestrator.redis_client import make_redis
from orchestrator.settings import Settings


def add_doors(app: FastAPI) -> None:
    """Serve every protocol there is, each on its path. `app.state.gateway` is what serves them."""
    for door in doors():
        _add_door(app, door)


@asynccontextmanager
async def open_doors(
    settings: Settings,
    metrics: Metrics,
    count_start: Callable[[str], Awaitable[None]],
    assistants: Assistants,
) -> AsyncIterator[Gateway | None]:
    """The gateway, running; None where the settings switch it off."""
    if not settings.enable_websocket_doors:
        yield None
        return
    redis = make_redis(settings)
    try:
        sessions: DoorSessions
        if settings.session_storage_type == "memory":
            sessions = MemoryDoorSessions(
                limit=settings.max_concurrent_sessions, resume_s=settings.websocket_resume_seconds
            )
        else:
            sessions = RedisDoorSessions(
                redis,
                limit=settings.max_concurrent_sessions,
                resume_s=settings.websocket_resume_seconds,
            )
        gateway = Gateway(settings, sessions, metrics, count_start, assistants)
        async with gateway.running():
            yield gateway
    finally:
        await redis.aclose()


def _add_door(app: FastAPI, door: Door) -> None:
    async def serve(websocket: WebSocket) -> None:
        gateway = cast("Gateway | None", websocket.app.state.gateway)
        if gateway is None:
            await websocket.close(TRY_LATER, "the WebSocket doors are switched off")
            return
        await gateway.serve(websocket, door)

    app.add_api_websocket_route(door.path, serve, name=door.path)
