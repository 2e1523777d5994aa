"""The composition root: sockets, rooms, HTTP, and their order of closing."""

import asyncio
import contextlib
import logging
import signal
import socket
import ssl
import time
from collections.abc import Generator, Sequence

import uvicorn
import websockets.http11
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from devroom.errors import StartError
from devroom.ice import IceSockets
from devroom.participant import Media
from devroom.rooms import Rooms
from devroom.settings import Settings, Tls
from devroom.signalling import Signalling
from devroom.tokens import Keys
from devroom.twirp import Twirp
from devroom.webhooks import Notifier, WebhookServer, trust_only

_LOGGER = logging.getLogger(__name__)
_MAX_REQUEST_LINE = 256 * 1024
_ANY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104  # compared with, not bound to


async def _alive(request: Request) -> Response:
    return PlainTextResponse("OK")


class AccessLog:
    """One line a request: method, path, status. Never the query, where tokens are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started_s = time.monotonic()
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            took_s = time.monotonic() - started_s
            method = scope.get("method", "WEBSOCKET")
            _LOGGER.info("%s %s %d %.3fs", method, scope["path"], status, took_s)


def _is_worth_logging(record: logging.LogRecord) -> bool:
    """uvicorn takes every refused WebSocket for an application's mistake, and says so."""
    return "without completing handshake" not in record.getMessage()


class _HttpServer(uvicorn.Server):
    """uvicorn, with signals left to us: rooms close before connections do."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Devroom:
    """One server: bound when made, serving while `run` is awaited.

    Raises StartError if an address or a port cannot be had.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._socket = _bound(settings.host, settings.port)
        self._tls_socket = None
        if settings.tls is not None:
            _check(settings.tls)
            self._tls_socket = _bound(settings.host, settings.tls.port)
        self._webhook_trust = trust_only(settings.webhook_cert) if settings.webhook_cert else None
        self._ice = IceSockets(
            settings.advertised or _addresses(settings.host),
            settings.udp_port,
            settings.tcp_port,
        )
        self._stopping = asyncio.Event()

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Serves until `stop`, SIGTERM or SIGINT; then sends everyone away and closes."""
        settings = self._settings
        keys = Keys(settings.api_key, settings.api_secret)
        async with contextlib.AsyncExitStack() as stack:
            hooks = [
                await stack.enter_async_context(
                    WebhookServer(url, keys, settings.bounds.webhook_backlog, self._webhook_trust)
                )
                for url in settings.webhook_urls
            ]
            rooms = Rooms(settings.bounds, settings.timing, Notifier(hooks))
            await self._ice.serve()
            stack.callback(self._ice.close)
            self._take_signals()
            app = self._app(rooms, keys)
            servers = [(self._http_server(app), self._socket)]
            if self._tls_socket is not None:
                servers.append((self._http_server(app, settings.tls), self._tls_socket))
            clock = asyncio.create_task(rooms.run())
            serving = [
                asyncio.create_task(server.serve(sockets=[bound])) for server, bound in servers
            ]
            stopping = asyncio.create_task(self._stopping.wait())
            _LOGGER.info("devroom listens on %s (%s)", self.url, self._ice)
            if self._tls_socket is not None:
                _LOGGER.info("and by TLS on port %d", self._tls_socket.getsockname()[1])
            await asyncio.wait({*serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            clock.cancel()
            stopping.cancel()
            try:
                async with asyncio.timeout(settings.timing.shutdown_s):
                    await rooms.shut_down()
                    await asyncio.gather(*(hook.drain() for hook in hooks))
            except TimeoutError:
                _LOGGER.warning("not everything could be closed in order in time")
            for server, _ in servers:
                server.should_exit = True
            await asyncio.gather(*serving)
            await asyncio.gather(clock, stopping, return_exceptions=True)

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def _app(self, rooms: Rooms, keys: Keys) -> Starlette:
        settings = self._settings
        media = Media(self._ice.registry)
        signalling = Signalling(rooms, keys, media, settings.bounds, settings.timing)
        twirp = Twirp(rooms, keys, settings.bounds.request_body_bytes)
        return Starlette(
            routes=[Route("/", _alive), *signalling.routes(), *twirp.routes()],
            middleware=[
                Middleware(AccessLog),
                Middleware(
                    CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"]
                ),
            ],
        )

    def _http_server(self, app: Starlette, tls: Tls | None = None) -> _HttpServer:
        settings = self._settings
        # A first offer travels in the query of `/rtc/v1`: longer than a header line may be.
        websockets.http11.MAX_LINE_LENGTH = _MAX_REQUEST_LINE
        logging.getLogger("uvicorn.error").addFilter(_is_worth_logging)
        return _HttpServer(
            uvicorn.Config(
                app,
                access_log=False,
                log_config=None,
                log_level=logging.WARNING,
                lifespan="off",
                ws="websockets-sansio",
                ws_max_size=settings.bounds.signal_message_bytes,
                ws_ping_interval=settings.timing.ping_interval_s,
                ws_ping_timeout=settings.timing.ping_timeout_s,
                h11_max_incomplete_event_size=_MAX_REQUEST_LINE,
                timeout_graceful_shutdown=1,
                server_header=False,
                ssl_certfile=tls.cert_file if tls else None,
                ssl_keyfile=tls.key_file if tls else None,
            )
        )


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise StartError(f"cannot listen on {host} port {port}: {error.strerror}") from error


def _check(tls: Tls) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert_file, tls.key_file, "")
    except OSError as error:
        raise StartError(
            f"not a certificate and its key: {tls.cert_file}, {tls.key_file}"
        ) from error


def _addresses(host: str) -> Sequence[str]:
    """Where clients reach the media: the host itself, or every way to this machine."""
    if host not in _ANY_ADDRESS:
        return (socket.gethostbyname(host) if ":" not in host else host,)
    found = ["127.0.0.1"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        # Nothing is sent: connecting only asks the routing table for our own address.
        probe.connect(("192.0.2.1", 9))
        found.append(probe.getsockname()[0])
    return tuple(dict.fromkeys(found))
