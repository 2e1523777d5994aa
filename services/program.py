"""One service as a program: its command line, its settings, its web server."""

import argparse
import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from agent.logs import log_to_stderr, quiet_libraries
from agent.settings import AgentSettings
from agent.stages.services.messages import MAX_MESSAGE_BYTES, VERSION
from services.access import Access
from services.engine import EngineFailed

STOP_WITHIN_S = 1
"""How long running answers may go on after SIGTERM or Ctrl-C."""
PING_S = 10.0
"""How often a WebSocket peer is pinged, and how long it may take to answer."""
_QUEUED_FRAMES = 32
_BACKLOG = 128

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """One of the three."""

    name: str
    """`asr`, `rag` or `tts`."""
    port: int
    """Where it listens unless told otherwise."""
    make: Callable[[AgentSettings, Access], "Application"]


@dataclass(frozen=True, slots=True)
class Application:
    """What a service answers."""

    routes: tuple[BaseRoute, ...]
    life: Callable[[], AbstractAsyncContextManager[None]]
    """Open while the service runs: what it stands on."""
    health: Callable[[], Awaitable[dict[str, object]]]
    """What `/health` tells besides; raises nothing."""


def main(service: Service) -> int:
    """Serve until stopped. Exit codes: 0 stopped, 1 it could not start, 2 a setting is wrong."""
    options = _options(service)
    try:
        settings = AgentSettings()
    except ValidationError as error:
        for wrong in error.errors(include_input=False):
            sys.stderr.write(f"{'.'.join(map(str, wrong['loc'])).upper()}: {wrong['msg']}\n")
        return 2
    log_to_stderr(settings.log_level, settings.log_format)
    quiet_libraries()
    try:
        listener = _claim(options.host, options.port)
    except OSError as error:
        sys.stderr.write(f"port {options.port} of {options.host}: {error.strerror}\n")
        return 1
    if settings.services_token is None and options.host not in ("127.0.0.1", "localhost", "::1"):
        _log.warning("whoever reaches port %d is served: set SERVICES_TOKEN", options.port)
    access = Access(settings.services_token, most=2 * settings.max_agents_per_host)
    try:
        asyncio.run(_serve(service, service.make(settings, access), access, listener))
    except EngineFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except asyncio.CancelledError:
        """It was told to stop, and has."""
    finally:
        listener.close()
    return 0


async def _serve(
    service: Service, made: Application, access: Access, listener: socket.socket
) -> None:
    current = asyncio.current_task()
    if current is not None:
        _on_stop(lambda: current.cancel())
    server = uvicorn.Server(
        uvicorn.Config(
            application(service, made, access),
            lifespan="off",
            log_config=None,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=STOP_WITHIN_S,
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_max_queue=_QUEUED_FRAMES,
            backlog=_BACKLOG,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            ws_per_message_deflate=False,
        )
    )
    async with made.life():
        _log.info("ready")
        # the web server sees to it from now on, and tells again when it is done
        _on_stop(lambda: None)
        await server.serve(sockets=[listener])


def _claim(host: str, port: int) -> socket.socket:
    """Take the port, and refuse connections until the engine is there. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    claimed = socket.socket(family, kind, protocol)
    try:
        claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        claimed.bind(address)
    except OSError:
        claimed.close()
        raise
    return claimed


def _on_stop(then: Callable[[], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, then)


def application(service: Service, made: Application, access: Access) -> Starlette:
    """The service as an ASGI application, while its `life` is open."""

    async def health(_: Request) -> Response:
        told = {
            "status": "full" if access.is_full else "healthy",
            "service": service.name,
            "version": VERSION,
            "connections": access.inside,
            "max_connections": access.most,
            "served": access.served,
            **await made.health(),
        }
        return JSONResponse(told, status_code=503 if told["status"] == "unhealthy" else 200)

    return Starlette(routes=[Route("/health", health), *made.routes])


def _options(service: Service) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m services.{service.name}")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=service.port)
    return parser.parse_args()
