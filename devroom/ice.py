"""ICE-lite: the sockets, and which of a client's addresses its transport talks to (RFC 8445).

The server never checks connectivity itself; clients do. Each check names a transport by our
ufrag in its USERNAME; from then on datagrams are told apart by their source address. Each
advertised address has a socket of its own, or answers would leave from the wrong one. The same
code serves ICE over TCP (RFC 6544), where one connection is one path.
"""

import asyncio
import logging
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol, cast

from devroom import stun
from devroom.clock import Clock
from devroom.errors import StartError
from devroom.ids import random_text

_LOGGER = logging.getLogger(__name__)
_SOCKET_BUFFER_BYTES = 4 << 20
_MAX_PATHS = 16
_MAX_TCP_BACKLOG_BYTES = 200_000
_MAX_TCP_CONNECTIONS = 1000
_TCP_FIRST_CHECK_S = 10.0
_KEPT_CREDENTIALS = 4
_UDP_PRIORITY = 126 << 24
_TCP_PRIORITY = 90 << 24


class Path(Protocol):
    """One way to reach a client: a socket of ours and an address of theirs."""

    def send(self, data: bytes) -> None: ...

    def forget(self, session: "IceSession") -> None:
        """Hand the session no more datagrams that arrive this way."""


class IceSession:
    """One transport's credentials, and the path its client chose.

    `on_datagram` gets everything that is not STUN; `on_path` is called when there is a way to
    send for the first time.
    """

    def __init__(
        self,
        registry: "IceRegistry",
        on_datagram: Callable[[bytes], None],
        on_path: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._paths: OrderedDict[Path, None] = OrderedDict()
        self._on_path = on_path
        self._issued: list[str] = []
        self.on_datagram = on_datagram
        self.path: Path | None = None
        self.checked_at_s = self._registry.clock()
        self.ufrag, self.password = self._issue()

    def restart(self) -> None:
        """New credentials for the next description; checks with the old ones still count."""
        self.ufrag, self.password = self._issue()
        while len(self._issued) > _KEPT_CREDENTIALS:
            self._registry.unregister(self._issued.pop(0))

    def checked(self, path: Path, nominated: bool) -> None:
        """A genuine connectivity check arrived on this path."""
        self.checked_at_s = self._registry.clock()
        if path not in self._paths and len(self._paths) >= _MAX_PATHS:
            self._paths.popitem(last=False)[0].forget(self)
        self._paths[path] = None
        if self.path is None or (nominated and self.path is not path):
            self.path = path
            self._on_path()

    def lose(self, path: Path) -> None:
        """The path broke, as TCP connections do; the client will check another one."""
        self._paths.pop(path, None)
        if self.path is path:
            self.path = None

    def send(self, data: bytes) -> None:
        if self.path is not None:
            self.path.send(data)

    def close(self) -> None:
        for ufrag in self._issued:
            self._registry.unregister(ufrag)
        self._issued.clear()
        for path in self._paths:
            path.forget(self)
        self._paths.clear()
        self.path = None

    def _issue(self) -> tuple[str, str]:
        ufrag, password = random_text(8), random_text(24)
        self._registry.register(ufrag, password, self)
        self._issued.append(ufrag)
        return ufrag, password


class IceRegistry:
    """Which transport a ufrag of ours belongs to, our candidates, and the transports' clock."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self.clock = clock
        self._sessions: dict[str, tuple[bytes, IceSession]] = {}
        self.candidates: tuple[str, ...] = ()

    def register(self, ufrag: str, password: str, session: IceSession) -> None:
        self._sessions[ufrag] = (password.encode(), session)

    def unregister(self, ufrag: str) -> None:
        self._sessions.pop(ufrag, None)

    def answer(self, data: bytes, source: stun.Address) -> "tuple[bytes, IceSession, bool] | None":
        """The answer to a genuine check, whose it is, and whether it nominates the path."""
        request = stun.parse_binding_request(data)
        if request is None:
            return None
        password, session = self._sessions.get(request.local_ufrag, (b"", None))
        if session is None or not request.is_signed_with(password):
            return None
        answer = stun.binding_success(request.transaction_id, source, password)
        return answer, session, request.use_candidate

    def __len__(self) -> int:
        return len(self._sessions)


class _UdpPath:
    __slots__ = ("_address", "_owner", "_transport")

    def __init__(
        self, owner: "_UdpSocket", transport: asyncio.DatagramTransport, address: stun.Address
    ) -> None:
        self._owner, self._transport, self._address = owner, transport, address

    def send(self, data: bytes) -> None:
        self._transport.sendto(data, self._address)

    def forget(self, session: IceSession) -> None:
        self._owner.forget(self._address, session)


class _UdpSocket(asyncio.DatagramProtocol):
    def __init__(self, registry: IceRegistry) -> None:
        self._registry = registry
        self._transport: asyncio.DatagramTransport | None = None
        self._by_address: dict[stun.Address, tuple[IceSession, _UdpPath]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: stun.Address) -> None:
        if not data:
            return
        if data[0] > 3:
            known = self._by_address.get(addr)
            if known is not None:
                known[0].on_datagram(data)
            return
        answered = self._registry.answer(data, addr)
        if answered is None or self._transport is None:
            return
        answer, session, nominated = answered
        self._transport.sendto(answer, addr)
        known = self._by_address.get(addr)
        if known is None or known[0] is not session:
            known = (session, _UdpPath(self, self._transport, addr))
            self._by_address[addr] = known
        session.checked(known[1], nominated)

    def forget(self, address: stun.Address, session: IceSession) -> None:
        known = self._by_address.get(address)
        if known is not None and known[0] is session:
            del self._by_address[address]


class _TcpConnection(asyncio.Protocol):
    """A client's TCP connection: frames of a 16-bit length and a datagram (RFC 4571)."""

    def __init__(self, registry: IceRegistry, connections: "set[_TcpConnection]") -> None:
        self._registry = registry
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._peer: stun.Address = ("", 0)
        self._buffer = b""
        self._session: IceSession | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if len(self._connections) >= _MAX_TCP_CONNECTIONS:
            self._transport.abort()
            return
        self._connections.add(self)
        self._peer = transport.get_extra_info("peername")[:2]
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(_TCP_FIRST_CHECK_S, self.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
        if self._session is not None:
            self._session.lose(self)

    def data_received(self, data: bytes) -> None:
        buffer, position = self._buffer + data, 0
        while len(buffer) - position >= 2:
            end = position + 2 + int.from_bytes(buffer[position : position + 2])
            if end > len(buffer):
                break
            self._frame_received(buffer[position + 2 : end])
            position = end
        self._buffer = buffer[position:]

    def _frame_received(self, frame: bytes) -> None:
        if not frame:
            return
        if frame[0] > 3:
            if self._session is not None:
                self._session.on_datagram(frame)
            return
        answered = self._registry.answer(frame, self._peer)
        if answered is None:
            return
        answer, session, nominated = answered
        if self._deadline is not None:
            self._deadline.cancel()
        if self._session is not session:
            if self._session is not None:
                self._session.lose(self)
            self._session = session
        self.send(answer)
        session.checked(self, nominated)

    def send(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() < _MAX_TCP_BACKLOG_BYTES:
            transport.write(len(data).to_bytes(2) + data)

    def forget(self, session: IceSession) -> None:
        if self._session is session:
            self._session = None
            self.abort()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class IceSockets:
    """The bound sockets of every advertised address; bound first, served once a loop runs."""

    def __init__(
        self, addresses: Sequence[str], udp_port: int | None, tcp_port: int | None
    ) -> None:
        """Raises StartError if an address or port cannot be had."""
        self.registry = IceRegistry()
        self._udp: list[socket.socket] = []
        self._tcp: list[socket.socket] = []
        self._transports: list[asyncio.DatagramTransport] = []
        self._servers: list[asyncio.Server] = []
        self._connections: set[_TcpConnection] = set()
        for address in addresses:
            if udp_port is not None:
                self._udp.append(_bound(address, udp_port, socket.SOCK_DGRAM))
            if tcp_port is not None:
                self._tcp.append(_bound(address, tcp_port, socket.SOCK_STREAM))
        self.registry.candidates = tuple(
            _candidate(index, bound) for index, bound in enumerate(self._udp + self._tcp)
        )

    def __str__(self) -> str:
        def listing(sockets: list[socket.socket]) -> str:
            names = (bound.getsockname() for bound in sockets)
            return ", ".join(f"{name[0]}:{name[1]}" for name in names) or "off"

        return f"udp {listing(self._udp)}; tcp {listing(self._tcp)}"

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        for bound in self._udp:
            transport, _ = await loop.create_datagram_endpoint(
                lambda: _UdpSocket(self.registry), sock=bound
            )
            self._transports.append(transport)
        for bound in self._tcp:
            server = await loop.create_server(
                lambda: _TcpConnection(self.registry, self._connections), sock=bound
            )
            self._servers.append(server)

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.abort()


def _bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    name = "UDP" if kind is socket.SOCK_DGRAM else "TCP"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, kind)
    try:
        if kind is socket.SOCK_DGRAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SOCKET_BUFFER_BYTES)
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER_BYTES)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        raise StartError(
            f"cannot use {name} {address} port {port} for media: {error.strerror}"
        ) from error
    bound.setblocking(False)
    return bound


def _candidate(index: int, bound: socket.socket) -> str:
    address, port = bound.getsockname()[:2]
    local = (65535 - index) << 8 | 255
    if bound.type is socket.SOCK_DGRAM:
        return f"candidate:{index + 1} 1 udp {_UDP_PRIORITY | local} {address} {port} typ host"
    priority = _TCP_PRIORITY | local
    return f"candidate:{index + 1} 1 tcp {priority} {address} {port} typ host tcptype passive"
