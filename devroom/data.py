"""Data packets between participants: stamped with their sender, addressed, and queued.

What a packet carries (text, bytes, RPC, transcription) is opaque here.
"""

import logging
from collections import deque

from google.protobuf.message import DecodeError
from livekit.protocol.models import DataPacket

from devroom import sdp
from devroom.errors import LimitError, MalformedError
from devroom.transport import LOSSY, RELIABLE, PeerTransport

_LOGGER = logging.getLogger(__name__)
_LOSSY_BACKLOG_BYTES = 256 * 1024


def parse(raw: bytes, identity: str, sid: str) -> DataPacket:
    """A client's packet as others may see it: whoever it claims to be from, it is from this one.

    Raises MalformedError.
    """
    if len(raw) > sdp.MAX_MESSAGE_BYTES:
        raise MalformedError("the data packet is too long")
    packet = DataPacket()
    try:
        packet.ParseFromString(raw)
    except DecodeError as error:
        raise MalformedError("the data packet does not parse") from error
    packet.participant_identity, packet.participant_sid = identity, sid
    if packet.WhichOneof("value") == "user":
        packet.user.participant_identity, packet.user.participant_sid = identity, sid
    return packet


def is_for(packet: DataPacket, identity: str, sid: str) -> bool:
    """Whether a packet is addressed to this participant; one without addresses is to all."""
    user = packet.user if packet.WhichOneof("value") == "user" else None
    identities = [*packet.destination_identities, *(user.destination_identities if user else ())]
    sids = list(user.destination_sids) if user else []
    return (not identities and not sids) or identity in identities or sid in sids


class DataOutbox:
    """Packets on their way to one participant; reliable ones wait for its channel to open."""

    def __init__(self, transport: PeerTransport, backlog_bytes: int) -> None:
        self._transport = transport
        self._backlog_bytes = backlog_bytes
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0

    def send(self, message: bytes, *, reliable: bool) -> None:
        """Raises LimitError if the participant reads reliable packets too slowly to keep up."""
        if not reliable:
            if self._transport.has_channel(LOSSY) and (
                self._transport.buffered_bytes(LOSSY) < _LOSSY_BACKLOG_BYTES
            ):
                self._transport.send_data(LOSSY, message)
        elif self._transport.has_channel(RELIABLE):
            if self._transport.buffered_bytes(RELIABLE) > self._backlog_bytes:
                raise LimitError("the participant does not read its data")
            self._transport.send_data(RELIABLE, message)
        elif self._waiting_bytes + len(message) <= self._backlog_bytes:
            self._waiting.append(message)
            self._waiting_bytes += len(message)
        else:
            _LOGGER.warning("data packet dropped: the participant has no data channel yet")

    def channel_opened(self) -> None:
        if self._transport.has_channel(RELIABLE):
            while self._waiting:
                self._transport.send_data(RELIABLE, self._waiting.popleft())
            self._waiting_bytes = 0
