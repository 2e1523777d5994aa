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


def parse(raw: bytes, identity: str, sid: str, *, is_agent: bool) -> DataPacket | None:
    """A client's packet as others may see it; None if they may not see it at all.

    Whoever it claims to be from, it is from this one. LiveKit lets agents alone speak for another:
    they send a transcription, or the header of a text stream, in the name of whom they heard.
    Raises MalformedError.
    """
    if len(raw) > sdp.MAX_MESSAGE_BYTES:
        raise MalformedError("the data packet is too long")
    packet = DataPacket()
    try:
        packet.ParseFromString(raw)
    except DecodeError as error:
        raise MalformedError("the data packet does not parse") from error
    value = packet.WhichOneof("value")
    if value == "transcription" and not is_agent:
        return None
    if is_agent and _speaks_for_another(packet, identity):
        packet.stream_header.text_header.generated = True
    else:
        packet.participant_identity, packet.participant_sid = identity, sid
    if value == "user":
        packet.user.participant_identity, packet.user.participant_sid = identity, sid
    return packet


def _speaks_for_another(packet: DataPacket, identity: str) -> bool:
    """Whether it begins a text stream in somebody else's name."""
    return (
        packet.WhichOneof("value") == "stream_header"
        and packet.stream_header.WhichOneof("content_header") == "text_header"
        and packet.participant_identity not in ("", identity)
    )


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
