"""The API: the composition root.

    uvicorn orchestrator.main:app
    cd orchestrator && uvicorn main:app

Building the application reads settings and connects to nothing; that is done when it starts.
"""

import asyncio
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

if (_root := str(Path(__file__).resolve().parent.parent)) not in sys.path:
    sys.path.insert(0, _root)  # for `uvicorn main:app` in this folder

import logging

import httpx
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.staticfiles import StaticFiles
from redis.asyncio import Redis

from agent.assistants.files import Assistants
from agent.cancellation import cancel
from agent.knowledge.library import Library
from agent.lease import Leases
from orchestrator.api import assistants as assistants_api
from orchestrator.api import knowledge, operations, sessions, stages, system, webhook
from orchestrator.api.edge import Edge
from orchestrator.api.errors import add_error_handlers
from orchestrator.api.services import Services
from orchestrator.assistants import load_assistants, tell_problems
from orchestrator.deployment import Deployment
from orchestrator.dispatch import Dispatch, make_celery
from orchestrator.documents import Documents
from orchestrator.gateway.routes import add_doors, open_doors
from orchestrator.handovers import Handovers
from orchestrator.hosts import Hosts
from orchestrator.indexers import Indexers
from orchestrator.monitoring.logs import hide_queries
from orchestrator.monitoring.metrics import Metrics
from orchestrator.monitoring.probes import Probes, stage_conditions
from orchestrator.monitoring.services import ServiceProbe, service_urls
from orchestrator.monitoring.supervisord import Supervisord
from orchestrator.operations import Operations
from orchestrator.policy import make_policy
from orchestrator.redis_client import make_redis
from orchestrator.rooms import RoomServer, WebhookDoor
from orchestrator.security.rate_limit import RateLimit
from orchestrator.sessions.books import Books
from orchestrator.sessions.lifecycle import Lifecycle
from orchestrator.sessions.redis_store import RedisSessionStore
from orchestrator.sessions.reports import BLOCK_MS, ReportReader
from orchestrator.settings import (
    Settings,
    SettingsError,
    load_settings,
    warn_misspellings,
    warn_without_effect,
)

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 1.5


def create_app(settings: Settings) -> FastAPI:
    """The application. It connects when its lifespan begins, not before."""
    metrics = Metrics()
    assistants = load_assistants(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        hide_queries()
        warn_misspellings(os.environ, Settings, logger.warning)
        warn_without_effect(settings, logger.warning)
        if settings.session_storage_type == "memory":
            logger.warning(
                "SESSION_STORAGE_TYPE=memory: room sessions are kept in Redis all the same"
            )
        tell_problems(assistants)
        async with _services(settings, metrics, assistants) as services:
            app.state.services = services
            count_start = services.start_limit.count
            async with open_doors(settings, metrics, count_start, assistants) as gateway:
                app.state.gateway = gateway
                yield

    app = FastAPI(
        title="Majlis",
        description="Voice sessions with an assistant that knows your documents.",
        lifespan=lifespan,
        strict_content_type=False,
    )
    app.add_middleware(Edge, metrics=metrics)
    _add_cors(app, settings)
    add_error_handlers(app)
    app.include_router(sessions.router)
    app.include_router(assistants_api.router)
    app.include_router(stages.router)
    app.include_router(knowledge.router)
    app.include_router(webhook.router)
    app.include_router(operations.router)
    app.include_router(system.router)
    add_doors(app)
    assets = StaticFiles(directory=system.FRONTEND / "assets", check_dir=False)
    app.mount("/assets", assets, name="assets")
    return app


def _add_cors(app: FastAPI, settings: Settings) -> None:
    anybody = "*" in settings.cors_origins
    if anybody and settings.cors_allow_credentials:
        logger.warning("CORS_ALLOW_CREDENTIALS has no effect with CORS_ORIGINS=*")
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"] if anybody else list(settings.cors_origins),
        allow_credentials=settings.cors_allow_credentials and not anybody,
        allow_methods=["GET", "POST", "DELETE", "OPTIONS"],
        allow_headers=["*"],
        expose_headers=["Retry-After", "X-Request-Id"],
    )


@asynccontextmanager
async def _services(
    settings: Settings, metrics: Metrics, assistants: Assistants
) -> AsyncIterator[Services]:
    """Build everything, run what runs beside the requests, and close it all again."""
    async with AsyncExitStack() as stack:
        redis = make_redis(settings)
        stack.push_async_callback(redis.aclose)
        reading_redis = make_redis(settings, timeout_s=BLOCK_MS / 1000 + 2)
        stack.push_async_callback(reading_redis.aclose)
        rooms = await stack.enter_async_context(RoomServer(settings))
        dispatch = Dispatch(make_celery(settings), spawn_within_s=settings.spawn_timeout_seconds)
        stack.callback(dispatch.close)
        indexers = Indexers(make_celery(settings))
        stack.callback(indexers.close)
        store = RedisSessionStore(redis, record_ttl_s=settings.record_ttl_seconds)
        hosts = Hosts(redis)
        books = Books(redis, store, hosts, dispatch)
        leases = Leases(redis, ttl_s=settings.agent_lease_seconds)
        lifecycle = Lifecycle(
            store,
            rooms,
            dispatch,
            leases,
            make_policy(settings),
            clock=time.time,
            observer=metrics,
        )
        stack.push_async_callback(_finish, lifecycle)
        http = await stack.enter_async_context(httpx.AsyncClient())
        away = ServiceProbe(service_urls(settings), http)
        probes = Probes(redis, rooms, Supervisord(settings.run_dir), books, away)
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        reader = ReportReader(reading_redis, lifecycle.report, name=name)
        for work in (probes.run(), reader.run(), dispatch.connect()):
            stack.push_async_callback(cancel, asyncio.create_task(work))
        secret = settings.livekit_api_secret.get_secret_value()
        limit = partial(_limit, redis)
        yield Services(
            settings=settings,
            assistants=assistants,
            lifecycle=lifecycle,
            deployment=Deployment(redis),
            books=books,
            operations=Operations(hosts, leases, dispatch),
            handovers=Handovers(store, settings),
            probes=probes,
            metrics=metrics,
            start_limit=limit("starts", settings.session_starts_per_minute),
            upload_limit=limit("uploads", settings.document_uploads_per_minute),
            documents=Documents(_library(settings), redis, indexers),
            webhooks=WebhookDoor(settings.livekit_api_key, secret) if secret else None,
            stages=stage_conditions(settings),
            clock=time.time,
        )


def _limit(redis: Redis, what: str, per_minute: int) -> RateLimit:
    return RateLimit(redis, what=what, per_minute=per_minute, clock=time.time)


def _library(settings: Settings) -> Library:
    return Library(settings.knowledge_dir, settings.uploads_dir, settings.knowledge_index_dir)


async def _finish(lifecycle: Lifecycle) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await lifecycle.finish_actions()
    except TimeoutError:
        logger.warning("actions left for the tasks on the schedule")


def __getattr__(name: str) -> FastAPI:
    """`app`, made when uvicorn asks for it: importing this module reads no settings."""
    if name != "app":
        raise AttributeError(name)
    try:
        return create_app(load_settings())
    except SettingsError as error:
        raise SystemExit(str(error)) from None
