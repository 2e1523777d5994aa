"""A network between clients and a server that can be broken.

Signalling goes through a WebSocket proxy; it rewrites the server's candidates, so that media
goes through a UDP relay. Either can be cut and mended.
"""

import asyncio
import contextlib
import re
from types import TracebackType
from typing import Self, cast

import aiohttp
from aiohttp import web
from livekit.protocol.rtc import SignalResponse

from tests.rooms.server import DevroomProcess

_CANDIDATE = re.compile(r"a=candidate:\d+ 1 (udp|tcp) \d+ (\S+) (\d+) typ host[^\r]*\r\n")


class _Upstream(asyncio.DatagramProtocol):
    """The relay's socket towards the server, one for each client address."""

    def __init__(self, relay: "_Relay", client: tuple[str, int]) -> None:
        self._relay = relay
        self._client = client

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._relay.to_client(data, self._client)


class _Relay(asyncio.DatagramProtocol):
    """Where clients think that the server is."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.cut = False
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None
        self._upstreams: dict[tuple[str, int], asyncio.DatagramTransport] = {}
        self._opening: dict[tuple[str, int], asyncio.Task[None]] = {}

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.cut:
            return
        if addr in self._upstreams:
            self._upstreams[addr].sendto(data)
        elif addr not in self._opening:
            self._opening[addr] = asyncio.create_task(self._open(addr, data))

    async def _open(self, client: tuple[str, int], first: bytes) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Upstream(self, client), remote_addr=self._server
        )
        self._upstreams[client] = transport
        transport.sendto(first)

    def to_client(self, data: bytes, client: tuple[str, int]) -> None:
        if not self.cut and self._transport is not None:
            self._transport.sendto(data, client)

    async def close(self) -> None:
        await asyncio.gather(*self._opening.values())
        for transport in (self._transport, *self._upstreams.values()):
            if transport is not None:
                transport.close()


class BadNetwork:
    """`url` is what clients connect to."""

    def __init__(self, devroom: DevroomProcess) -> None:
        self._devroom = devroom
        self._relay = _Relay(devroom.udp)
        self._runner: web.AppRunner | None = None
        self._links: set[asyncio.Transport] = set()
        self.url = ""
        self.signalling_cut = False

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self._relay, local_addr=("127.0.0.1", 0))
        app = web.Application()
        app.router.add_get("/{path:.*}", self._connect)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut_signalling()
        assert self._runner is not None
        await self._runner.cleanup()
        await self._relay.close()

    def cut_media(self) -> None:
        self._relay.cut = True

    def mend_media(self) -> None:
        self._relay.cut = False

    def cut_signalling(self) -> None:
        """Breaks every connection there is, and refuses new ones."""
        self.signalling_cut = True
        for link in list(self._links):
            link.abort()

    def mend_signalling(self) -> None:
        self.signalling_cut = False

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if self.signalling_cut:
            return web.Response(status=503)
        headers = {k: v for k, v in request.headers.items() if k == "Authorization"}
        async with aiohttp.ClientSession(headers=headers) as http:
            url = f"{self._devroom.url}{request.rel_url}"
            if request.headers.get("Upgrade", "").lower() != "websocket":
                async with http.get(url) as response:
                    return web.Response(status=response.status, text=await response.text())
            try:
                upstream = await http.ws_connect(url, max_msg_size=0)
            except aiohttp.WSServerHandshakeError as error:
                return web.Response(status=error.status)
            downstream = web.WebSocketResponse(max_msg_size=0)
            await downstream.prepare(request)
            link = request.transport
            assert link is not None
            self._links.add(link)
            try:
                await self._pump(upstream, downstream)
            finally:
                self._links.discard(link)
                await upstream.close()
            return downstream

    async def _pump(
        self, upstream: aiohttp.ClientWebSocketResponse, downstream: web.WebSocketResponse
    ) -> None:
        tasks = {
            asyncio.create_task(self._to_server(downstream, upstream)),
            asyncio.create_task(self._to_client(upstream, downstream)),
        }
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(ConnectionError):
            await downstream.close()

    async def _to_server(
        self, downstream: web.WebSocketResponse, upstream: aiohttp.ClientWebSocketResponse
    ) -> None:
        async for message in downstream:
            if message.type is aiohttp.WSMsgType.BINARY:
                await upstream.send_bytes(message.data)

    async def _to_client(
        self, upstream: aiohttp.ClientWebSocketResponse, downstream: web.WebSocketResponse
    ) -> None:
        async for message in upstream:
            if message.type is aiohttp.WSMsgType.BINARY:
                await downstream.send_bytes(self._redirect(message.data))

    def _redirect(self, message: bytes) -> bytes:
        response = SignalResponse()
        response.ParseFromString(message)
        kind = response.WhichOneof("message")
        if kind not in ("offer", "answer"):
            return message
        description = response.offer if kind == "offer" else response.answer
        description.sdp = _CANDIDATE.sub(self._candidate, description.sdp)
        return response.SerializeToString()

    def _candidate(self, match: re.Match[str]) -> str:
        if match.group(1) == "tcp":
            return ""
        return match.group(0).replace(f" {match.group(3)} typ", f" {self._relay.port} typ")
