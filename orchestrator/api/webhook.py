"""LiveKit's webhooks: what it tells us at once, and beat would find out later."""

import logging

from fastapi import APIRouter, Request, Response

from agent.job import EndReason
from orchestrator.api.services import Provided, Services
from orchestrator.errors import SessionNotFound, Unauthenticated
from orchestrator.rooms import RoomEvent
from orchestrator.sessions import decisions
from orchestrator.sessions.session import is_session_id

logger = logging.getLogger(__name__)

router = APIRouter(prefix="/api/livekit", tags=["livekit"])

_DEPARTURES = frozenset({"participant_left", "participant_connection_aborted"})


@router.post("/webhook")
async def livekit_webhook(request: Request, services: Provided) -> Response:
    """Take one signed event; one that we have no use for is taken too."""
    if services.webhooks is None:
        raise Unauthenticated("No room server is configured.")
    event = services.webhooks.read(await request.body(), request.headers.get("authorization", ""))
    if is_session_id(event.room):
        try:
            await _apply(event, services)
        except SessionNotFound:
            logger.info("webhook of an unknown session", extra={"session_id": event.room})
    return Response(status_code=200)


async def _apply(event: RoomEvent, services: Services) -> None:
    lifecycle = services.lifecycle
    if event.event == "room_finished":
        await lifecycle.change(
            event.room,
            lambda s: decisions.ask_end(s, EndReason.ROOM_GONE, services.clock(), lifecycle.policy),
        )
    elif event.event == "room_started":
        await lifecycle.change(event.room, decisions.on_room_started)
    elif event.event in _DEPARTURES:
        await lifecycle.change(
            event.room,
            lambda s: decisions.on_departure(
                s, identity=event.identity, visit=event.visit, at=services.clock()
            ),
        )
