"""What the deployment is and how it is: for load balancers, dashboards and people."""

import asyncio
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from agent.job import AgentState
from agent.settings import PROJECT_ROOT
from orchestrator.api.services import Provided, Services
from orchestrator.errors import StoreUnavailable
from orchestrator.gateway.dialects import doors
from orchestrator.gateway.gateway import Gateway
from orchestrator.gateway.sessions import Tally
from orchestrator.monitoring.health import Condition, condition, with_services
from orchestrator.sessions.session import Session, SessionStatus

router = APIRouter(tags=["system"])

FRONTEND = PROJECT_ROOT / "frontend" / "dist"
TEST_PAGE = Path(__file__).with_name("pages") / "test.html"
COUNT_TIMEOUT_S = 0.25

_STATES = {
    None: "idle",
    AgentState.INITIALIZING: "idle",
    AgentState.LISTENING: "listening",
    AgentState.THINKING: "processing",
    AgentState.SPEAKING: "speaking",
}


@router.get("/", response_model=None)
async def root(request: Request, services: Provided) -> Response:
    """System information; a browser gets the frontend, where it is built."""
    index = FRONTEND / "index.html"
    if "text/html" in request.headers.get("accept", "") and index.is_file():
        return FileResponse(index)
    return JSONResponse(
        {
            "name": "Majlis",
            "version": version("majlis"),
            "status": "running",
            "livekit_url": services.settings.livekit_client_url,
            "endpoints": {
                "start_session": "/api/session/start",
                "end_session": "/api/session/end",
                "session": "/api/session/{sessionId}",
                "token": "/api/token",
                "assistants": "/api/assistants",
                "health": "/health",
                "stats": "/stats",
                "metrics": "/metrics",
                **{door.path.rpartition("/")[2]: door.path for door in doors()},
                "test": "/test",
                "docs": "/docs",
            },
        }
    )


@router.get("/livez")
async def livez() -> dict[str, str]:
    """This process answers."""
    return {"status": "alive"}


@router.get("/health", response_model=None)
async def health(services: Provided) -> JSONResponse:
    """How the deployment is, from what heartbeats and probes said last."""
    settings, vitals = services.settings, services.probes.vitals
    active = await _active(services)
    state = condition(vitals, active=active, limit=settings.max_concurrent_sessions)
    store = Condition.HEALTHY if vitals.redis else Condition.UNHEALTHY
    stages = with_services(services.stages, vitals)
    body = {
        "status": state.value,
        "livekit_url": settings.livekit_client_url,
        "livekit_configured": settings.livekit_is_configured,
        "livekit_available": bool(vitals.livekit),
        "redis_available": bool(vitals.redis),
        "celery_available": vitals.workers > 0,
        "services": {
            "orchestrator": Condition.HEALTHY.value,
            "session_manager": store.value,
            "asr_client_manager": stages.asr.value,
            "rag_client_manager": stages.rag.value,
            "tts_client_manager": stages.tts.value,
        },
        "failing_programs": list(vitals.failing_programs),
        "active_sessions": active,
        "max_sessions": settings.max_concurrent_sessions,
    }
    return JSONResponse(body, status_code=503 if state is Condition.UNHEALTHY else 200)


@router.get("/stats", response_model=None)
async def stats(request: Request, services: Provided) -> JSONResponse:
    """What the live sessions are doing, in rooms and behind WebSockets."""
    settings = services.settings
    live = await services.lifecycle.store.live()
    states = Counter({"idle": 0, "listening": 0, "processing": 0, "speaking": 0})
    states.update(_STATES[session.agent_state] for session in live)
    doors = await _doors(request)
    states.update(doors.activities)
    body = {
        "sessions": {
            "total_sessions": len(live) + doors.sessions,
            "total_conversation_turns": sum(session.turn_count for session in live) + doors.turns,
            "state_distribution": dict(states),
        },
        "active_conversations": sum(1 for session in live if _is_talking(session)) + doors.sessions,
        "configuration": {
            "max_concurrent_sessions": settings.max_concurrent_sessions,
            "session_timeout_seconds": _number(settings.session_timeout_seconds),
            "audio_sample_rate": settings.audio_sample_rate,
        },
    }
    return JSONResponse(body)


@router.get("/metrics", response_model=None)
async def metrics(services: Provided) -> Response:
    """For Prometheus."""
    page = services.metrics.page(
        sessions=await _active(services),
        max_sessions=services.settings.max_concurrent_sessions,
        workers=services.probes.vitals.workers,
    )
    return Response(page, media_type=CONTENT_TYPE_LATEST)


@router.get("/test", response_class=HTMLResponse)
async def test_page() -> Response:
    """A page to try the WebSocket protocols with; where none is built, one to try the API with."""
    built = FRONTEND / "test.html"
    return FileResponse(built if built.is_file() else TEST_PAGE, media_type="text/html")


async def _doors(request: Request) -> Tally:
    gateway = cast("Gateway | None", request.app.state.gateway)
    return Tally() if gateway is None else await gateway.total()


async def _active(services: Services) -> int:
    """How many sessions are live; 0 while nobody can know."""
    if services.probes.vitals.redis is False:
        return 0
    try:
        async with asyncio.timeout(COUNT_TIMEOUT_S):
            return await services.lifecycle.store.count()
    except (StoreUnavailable, TimeoutError):
        return 0


def _is_talking(session: Session) -> bool:
    return session.status is SessionStatus.ACTIVE


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() else value
