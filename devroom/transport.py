"""One encrypted association with a client: DTLS, SRTP and SCTP over an `IceSession`.

This is the one module that touches aiortc, and it uses parts of it that are not its public API:
`RTCPeerConnection` has no ICE-lite and no ICE restart, takes a socket each, and decodes media.
The version is pinned for that reason. What is relied on: `RTCDtlsTransport(pipe, [certificate])`
needs only `_recv` and `_send` of the pipe; `_set_role`; `_rx_srtp` and `_tx_srtp` after
`start()`; `RTCSctpTransport.start`, `stop`, `_send_chunk`, `_handle_data` and `_set_state`, and
its "datachannel" event.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Protocol, cast

import pylibsrtp
from aiortc.rtcdatachannel import RTCDataChannel, RTCDataChannelParameters
from aiortc.rtcdtlstransport import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)
from aiortc.rtcicetransport import RTCIceTransport
from aiortc.rtcsctptransport import RTCSctpCapabilities, RTCSctpTransport
from OpenSSL import SSL

from devroom import sdp
from devroom.ice import IceRegistry, IceSession

_LOGGER = logging.getLogger(__name__)
RELIABLE = "_reliable"
LOSSY = "_lossy"
_SCTP_PORT = 5000
_MAX_QUEUED_DATAGRAMS = 256
_MAX_CHANNELS = 16
_MAX_REASSEMBLY_DEBT = -(1 << 20)


class Certificate:
    """The process's DTLS certificate, made at the start."""

    def __init__(self) -> None:
        self.rtc = RTCCertificate.generateCertificate()
        digest = next(f for f in self.rtc.getFingerprints() if f.algorithm == "sha-256")
        self.fingerprint = sdp.Fingerprint("sha-256", digest.value)


class Listener(Protocol):
    """Who owns a transport and hears from it. Called on the event loop; must not block."""

    def rtp_received(self, packet: bytes) -> None: ...
    def rtcp_received(self, packet: bytes) -> None: ...
    def data_received(self, label: str, message: bytes) -> None: ...
    def channel_opened(self, label: str) -> None: ...
    def connected(self, transport: "PeerTransport") -> None: ...


class _Pipe:
    """The part of an ICE transport that RTCDtlsTransport uses."""

    role = "controlled"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send_now = send
        self.received: asyncio.Queue[bytes | None] = asyncio.Queue(_MAX_QUEUED_DATAGRAMS)

    async def _recv(self) -> bytes:
        data = await self.received.get()
        if data is None:
            raise ConnectionError
        return data

    async def _send(self, data: bytes) -> None:
        self._send_now(data)


class _Sctp(RTCSctpTransport):
    """SCTP that outlives neither its DTLS nor hostile input.

    aiortc's timers send from tasks nobody awaits: once DTLS is closed each would be a "Task
    exception was never retrieved". Its reassembly is unbounded, and its assertions are
    reachable from the wire.
    """

    async def _send_chunk(self, chunk: Any) -> None:
        with contextlib.suppress(ConnectionError, SSL.Error):
            await super()._send_chunk(chunk)

    async def _handle_data(self, data: bytes) -> None:
        try:
            await super()._handle_data(data)
        except Exception:  # noqa: BLE001  # the edge to a parser fed by strangers
            _LOGGER.warning("data association closed after a malformed packet")
            self.abandon()
        if self._advertised_rwnd < _MAX_REASSEMBLY_DEBT or len(self._data_channels) > _MAX_CHANNELS:
            _LOGGER.warning("data association closed: the client holds too much of it")
            self.abandon()

    def abandon(self) -> None:
        """Stops every timer and closes the channels, without a word to the client."""
        self.transport._unregister_data_receiver(self)  # noqa: SLF001
        self._set_state(self.State.CLOSED)


class PeerTransport:
    """A peer connection without its description: packets in and out once DTLS is up."""

    def __init__(
        self,
        registry: IceRegistry,
        certificate: Certificate,
        listener: Listener,
        *,
        opens_channels: bool = False,
    ) -> None:
        self._registry = registry
        self._fingerprint = certificate.fingerprint
        self._listener = listener
        self._opens_channels = opens_channels
        self.ice = IceSession(registry, self._datagram_received, self._maybe_start)
        self._pipe = _Pipe(self.ice.send)
        self._dtls = RTCDtlsTransport(cast("RTCIceTransport", self._pipe), [certificate.rtc])
        self._dtls.on("statechange", self._dtls_changed)
        self._sctp = _Sctp(self._dtls)
        self._sctp.on("datachannel", self._channel_received)
        self._channels: dict[str, RTCDataChannel] = {}
        self._rx: pylibsrtp.Session | None = None
        self._tx: pylibsrtp.Session | None = None
        self._remote: tuple[sdp.Section, str, bool] | None = None
        self._remote_ufrag = ""
        self._starting: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def is_connected(self) -> bool:
        return self._tx is not None

    @property
    def local(self) -> sdp.LocalTransport:
        return sdp.LocalTransport(
            self.ice.ufrag, self.ice.password, self._fingerprint, self._registry.candidates
        )

    def follow_ice_restart(self, remote_ufrag: str) -> None:
        """New credentials if the client's changed since its last description."""
        if self._remote_ufrag and self._remote_ufrag != remote_ufrag:
            self.ice.restart()
        self._remote_ufrag = remote_ufrag

    def set_remote(self, section: sdp.Section, *, has_data: bool) -> None:
        """Who the client is; only its first description counts, as DTLS is never repeated."""
        if self._remote is None:
            role = "client" if section.setup is sdp.Setup.PASSIVE else "server"
            self._remote = (section, role, has_data)
            self._maybe_start()

    def send_rtp(self, packet: bytes) -> None:
        if self._tx is not None:
            self.ice.send(self._tx.protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        if self._tx is not None:
            self.ice.send(self._tx.protect_rtcp(packet))

    def has_channel(self, label: str) -> bool:
        channel = self._channels.get(label)
        return channel is not None and channel.readyState == "open"

    def buffered_bytes(self, label: str) -> int:
        channel = self._channels.get(label)
        return int(channel.bufferedAmount) if channel is not None else 0

    def send_data(self, label: str, message: bytes) -> None:
        """Queues one message, at most `sdp.MAX_MESSAGE_BYTES` long, on an open channel."""
        self._channels[label].send(message)

    async def close(self) -> None:
        """Timers first, then the association, then DTLS, then the addresses."""
        if self._closed:
            return
        self._closed = True
        self._rx = self._tx = None
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        try:
            await self._sctp.stop()
            await self._dtls.stop()
        finally:
            self._sctp.abandon()
            self.ice.close()

    def _maybe_start(self) -> None:
        if self._starting is None and self._remote is not None and self.ice.path is not None:
            self._starting = asyncio.get_running_loop().create_task(self._start(*self._remote))

    async def _start(self, section: sdp.Section, role: str, has_data: bool) -> None:
        fingerprints = [RTCDtlsFingerprint(f.algorithm, f.value) for f in section.fingerprints]
        try:
            self._dtls._set_role(role)  # noqa: SLF001
            await self._dtls.start(RTCDtlsParameters(fingerprints))
        except (SSL.Error, ValueError) as error:
            _LOGGER.warning("DTLS handshake failed: %s", type(error).__name__)
            return
        if self._dtls.state != "connected":
            _LOGGER.warning("DTLS handshake failed")
            return
        self._rx, self._tx = self._dtls._rx_srtp, self._dtls._tx_srtp  # noqa: SLF001
        self._listener.connected(self)
        if has_data:
            capabilities = RTCSctpCapabilities(maxMessageSize=sdp.MAX_MESSAGE_BYTES)
            await self._sctp.start(capabilities, _SCTP_PORT)
            if self._opens_channels:
                self._open_channel(RELIABLE, RTCDataChannelParameters(label=RELIABLE))
                lossy = RTCDataChannelParameters(label=LOSSY, ordered=False, maxRetransmits=0)
                self._open_channel(LOSSY, lossy)

    def _open_channel(self, label: str, parameters: RTCDataChannelParameters) -> None:
        channel = RTCDataChannel(self._sctp, parameters)
        channel.on("open", lambda: self._listener.channel_opened(label))
        self._adopt(channel)

    def _channel_received(self, channel: RTCDataChannel) -> None:
        if channel.label in (RELIABLE, LOSSY):
            self._adopt(channel)
            self._listener.channel_opened(channel.label)

    def _adopt(self, channel: RTCDataChannel) -> None:
        label = channel.label

        def received(message: bytes | str) -> None:
            if isinstance(message, bytes) and not self._closed:
                self._listener.data_received(label, message)

        channel.on("message", received)
        self._channels[label] = channel

    def _dtls_changed(self) -> None:
        if self._dtls.state in ("closed", "failed"):
            self._rx = self._tx = None
            self._sctp.abandon()

    def _datagram_received(self, data: bytes) -> None:
        first = data[0]
        if 127 < first < 192:
            self._srtp_received(data)
        elif first < 64 and not self._pipe.received.full():
            self._pipe.received.put_nowait(data)

    def _srtp_received(self, data: bytes) -> None:
        if self._rx is None or len(data) < 2:
            return
        try:
            if 191 < data[1] < 224:
                self._listener.rtcp_received(self._rx.unprotect_rtcp(data))
            else:
                self._listener.rtp_received(self._rx.unprotect(data))
        except pylibsrtp.Error:
            return  # replayed, forged or for another association
