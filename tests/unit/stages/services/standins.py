"""Services that do what a test tells them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from agent.stages.services.messages import Message, encode

Handler = Callable[[web.WebSocketResponse], Awaitable[None]]
Answer = Callable[[web.StreamResponse], Awaitable[None]]


@asynccontextmanager
async def sockets(handler: Handler) -> AsyncIterator[str]:
    """A service that speaks WebSocket on every path; gives its address."""

    async def serve(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await handler(socket)
        return socket

    async with _served(serve) as address:
        yield address.replace("http", "ws")


@asynccontextmanager
async def answers(write: Answer, status: int = 200) -> AsyncIterator[str]:
    """A service that answers every request so; gives its address."""

    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        await write(response)
        return response

    async with _served(serve) as address:
        yield address


@asynccontextmanager
async def _served(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0.1)
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


def lines(*messages: Message, then: Callable[[], Awaitable[None]] | None = None) -> Answer:
    async def write(response: web.StreamResponse) -> None:
        for message in messages:
            await response.write(f"{encode(message)}\n".encode())
        if then is not None:
            await then()

    return write
