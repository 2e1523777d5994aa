"""Starting, ending and looking at sessions."""

import time
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Request

from orchestrator.api.schemas import (
    EndAnswer,
    EndRequest,
    ErrorAnswer,
    SessionAnswer,
    StartAnswer,
    StartRequest,
    TokenAnswer,
    TokenRequest,
)
from orchestrator.api.services import Provided, Services
from orchestrator.errors import BooksUnchecked, RoomsUnavailable, SessionNotFound
from orchestrator.rooms import user_token
from orchestrator.security.api_keys import check_api_key
from orchestrator.sessions.opening import Wishes, open_session
from orchestrator.sessions.session import Session, is_session_id

BOOKS_WAIT_S = 2.5
"""Just after a restart of Redis: longer than hosts take to tell of themselves."""


def _authorized(request: Request, services: Provided) -> None:
    check_api_key(request.headers, services.settings.api_keys)


router = APIRouter(
    prefix="/api",
    tags=["sessions"],
    dependencies=[Depends(_authorized)],
    responses={code: {"model": ErrorAnswer} for code in (400, 401, 403, 404, 413, 422, 429, 503)},
)


@router.post("/session/start", response_model_exclude_none=True)
async def start_session(
    request: Request,
    services: Provided,
    body: Annotated[StartRequest | None, Body()] = None,
) -> StartAnswer:
    """Start a session. The answer does not wait for the agent."""
    wishes = (body or StartRequest()).wishes()
    session, token, warning = await _start(request, services, wishes)
    return StartAnswer(
        session_id=session.session_id,
        token=token,
        server_url=services.settings.livekit_client_url,
        room_name=session.session_id,
        warning=warning,
    )


@router.post("/session/end")
async def end_session(services: Provided, body: EndRequest) -> EndAnswer:
    """End a session: the agent's process, the room, the live state. Ending it twice is fine."""
    if not is_session_id(body.session_id):
        raise SessionNotFound
    session = await services.lifecycle.end(
        body.session_id, timeout_s=services.settings.end_timeout_seconds
    )
    return EndAnswer(message="Session ended." if session.is_over else "Session is ending.")


@router.get("/session/{session_id}")
async def get_session(services: Provided, session_id: str) -> SessionAnswer:
    """The state of a session, for a client that polls for readiness."""
    if not is_session_id(session_id):
        raise SessionNotFound
    session = await services.lifecycle.store.get(session_id)
    return SessionAnswer.of(session, with_transcript=services.settings.keep_transcripts)


@router.post("/token")
async def token_for_starter_apps(
    request: Request,
    services: Provided,
    body: Annotated[TokenRequest | None, Body()] = None,
) -> TokenAnswer:
    """Start a session for a client that speaks LiveKit's token endpoint."""
    asked = body or TokenRequest()
    wishes = Wishes(
        user_name=asked.participant_name,
        assistant=asked.assistant_among(services.assistants.by_name),
    )
    session, token, _ = await _start(request, services, wishes)
    url = services.settings.livekit_client_url
    return TokenAnswer(
        serverUrl=url,
        roomName=session.session_id,
        participantName=session.user_name,
        participantToken=token,
        server_url=url,
        room_name=session.session_id,
        participant_name=session.user_name,
        participant_token=token,
    )


async def _admit(session: Session, services: Services) -> None:
    limit = services.settings.max_concurrent_sessions
    try:
        await services.lifecycle.start(session, limit=limit)
    except BooksUnchecked:
        if not await services.books.wait(BOOKS_WAIT_S):
            raise
        await services.lifecycle.start(session, limit=limit)


async def _start(
    request: Request, services: Services, wishes: Wishes
) -> tuple[Session, str, str | None]:
    began = time.perf_counter()
    settings = services.settings
    if not settings.livekit_is_configured:
        raise RoomsUnavailable("No room server is configured.")
    if services.probes.vitals.livekit is False:
        raise RoomsUnavailable
    await services.start_limit.count(request.client.host if request.client else "unknown")
    deployment = await services.deployment.name()
    session, warning = open_session(
        wishes, settings, services.assistants, at=services.clock(), deployment=deployment
    )
    token = user_token(
        settings,
        room=session.session_id,
        identity=session.user_identity,
        name=session.user_name,
        deployment=deployment,
    )
    await _admit(session, services)
    services.metrics.start.observe(time.perf_counter() - began)
    return session, token, warning
