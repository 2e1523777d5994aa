"""One participant: its signalling link, its transports, and what it publishes and receives."""

import logging
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from livekit.protocol.models import (
    ClientInfo,
    DataPacket,
    DisconnectReason,
    ParticipantInfo,
    ParticipantPermission,
)
from livekit.protocol.rtc import (
    LeaveRequest,
    ParticipantUpdate,
    SessionDescription,
    SignalResponse,
)

from devroom import data, rtcp, rtp
from devroom.audience import Audience
from devroom.errors import LimitError, MalformedError
from devroom.forwarding import UpTrack
from devroom.ice import IceRegistry
from devroom.ids import new_sid
from devroom.liveness import Contact
from devroom.publishing import Publisher
from devroom.settings import Bounds
from devroom.shared_sections import SharedSections
from devroom.subscriber_offers import SubscriberOffers
from devroom.subscribing import Subscriptions
from devroom.tokens import Grants
from devroom.transport import RELIABLE, Certificate, PeerTransport

_LOGGER = logging.getLogger(__name__)


class Link(Protocol):
    """A signalling connection. `send` never waits; a client that does not read is dropped."""

    def send(self, response: SignalResponse) -> None: ...

    def close(self) -> None:
        """Sends what is queued, then closes."""


class Room(Protocol):
    """What a participant asks of its room."""

    def tell_changed(self, participant: "Participant") -> None: ...
    def became_active(self, participant: "Participant") -> None: ...
    def track_published(self, participant: "Participant", track: UpTrack) -> None: ...
    def track_unpublished(self, participant: "Participant", track: UpTrack) -> None: ...
    def audience_changed(self, participant: "Participant") -> None: ...
    def tracks_for(self, participant: "Participant") -> Iterable[UpTrack]: ...
    def route(
        self, packet: DataPacket, *, reliable: bool, sender: "Participant | None"
    ) -> None: ...

    def remove(
        self,
        participant: "Participant",
        reason: DisconnectReason,
        action: LeaveRequest.Action | None = None,
    ) -> None: ...


class Media:
    """What every participant's transports are made from."""

    def __init__(self, registry: IceRegistry) -> None:
        self.registry = registry
        self.clock = registry.clock
        self.certificate = Certificate()


class Participant:
    """Made when its token is accepted; in a room until it is `closed`.

    `single` is whether it uses one connection both ways. `client` is what it says it is.
    """

    def __init__(
        self,
        room: Room,
        grants: Grants,
        client: ClientInfo,
        media: Media,
        bounds: Bounds,
        *,
        single: bool,
        auto_subscribe: bool,
    ) -> None:
        now_ms = int(time.time() * 1000)
        self.info = ParticipantInfo(
            sid=new_sid("PA_"),
            identity=grants.identity,
            name=grants.name,
            metadata=grants.metadata,
            attributes=grants.attributes,
            kind=grants.kind,
            permission=grants.permission,
            state=ParticipantInfo.JOINED,
            joined_at=now_ms // 1000,
            joined_at_ms=now_ms,
            version=1,
            client_protocol=client.client_protocol,
            capabilities=client.capabilities,
        )
        self.single = single
        self.closed = False
        self.last_sequence = 0
        self.audience = Audience()
        self._room = room
        self._bounds = bounds
        self._clock = media.clock
        self._link: Link | None = None
        self._joined_at_s = self._attached_at_s = self._signal_at_s = self._clock()
        self._signal_lost_at_s: float | None = None
        self._upstream = PeerTransport(media.registry, media.certificate, self)
        self._sections: SharedSections | None = None
        self._offers: SubscriberOffers | None = None
        if single:
            self._downstream = self._upstream
            self._sections = SharedSections(self._upstream, self.send)
            self.subscriptions = Subscriptions(self._sections, auto=auto_subscribe)
        else:
            self._downstream = PeerTransport(
                media.registry, media.certificate, self, opens_channels=True
            )
            self._offers = SubscriberOffers(self._downstream, self.send)
            self.subscriptions = Subscriptions(self._offers, auto=auto_subscribe)
        self.publisher = Publisher(
            self, self._upstream, self._sections, bounds.tracks_per_participant, media.clock
        )
        self._outbox = data.DataOutbox(self._downstream, bounds.data_backlog_bytes)

    # Who it is

    @property
    def identity(self) -> str:
        return self.info.identity

    @property
    def sid(self) -> str:
        return self.info.sid

    @property
    def is_agent(self) -> bool:
        return self.info.kind == ParticipantInfo.AGENT

    @property
    def is_hidden(self) -> bool:
        return self.info.permission.hidden

    @property
    def is_active(self) -> bool:
        return self.info.state == ParticipantInfo.ACTIVE

    @property
    def contact(self) -> Contact:
        sessions = {self._upstream, self._downstream}
        return Contact(
            joined_at_s=self._joined_at_s,
            signal_at_s=self._signal_at_s,
            signal_lost_at_s=self._signal_lost_at_s,
            media_connected=self.is_active,
            # A resume starts ICE anew, which takes the client some checks.
            media_checked_at_s=max(self._attached_at_s, *(s.ice.checked_at_s for s in sessions)),
        )

    def changed(self) -> None:
        """Counts the version up and tells the room."""
        del self.info.tracks[:]
        self.info.tracks.extend(track.info for track in self.publisher.tracks)
        self.info.is_publisher = bool(self.info.tracks)
        self.info.version += 1
        self._room.tell_changed(self)

    # The signalling link

    def attach(self, link: Link) -> None:
        """Takes a link, in place of an older one."""
        if self._link is not None:
            self._link.close()
        self._link = link
        self._attached_at_s = self._signal_at_s = self._clock()
        self._signal_lost_at_s = None

    def detach(self, link: Link) -> None:
        """The link broke; the client may come back with another for a while."""
        if self._link is link:
            self._link = None
            self._signal_lost_at_s = self._clock()

    def drop_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self.detach(self._link)

    def ask_to_resume(self) -> None:
        """Its media is silent: have it come back over a new link and start ICE anew."""
        self.leave(DisconnectReason.CONNECTION_TIMEOUT, LeaveRequest.RESUME)
        self.drop_link()

    def send(self, response: SignalResponse) -> None:
        if self._link is not None:
            self._link.send(response)

    def send_update(self, participants: Iterable[ParticipantInfo]) -> None:
        self.send(SignalResponse(update=ParticipantUpdate(participants=participants)))

    def start(self) -> None:
        """The join response is out: make the first offer, if offers are ours to make."""
        self.follow_tracks()

    def resumed(self) -> None:
        """The link is a new one over the same transports, whose ICE starts anew."""
        if self._offers is not None:
            self._offers.restart_ice()

    def follow_tracks(self) -> None:
        """Receives what there is to receive now."""
        if not self.closed:
            self.subscriptions.follow(self._room.tracks_for(self))

    def heard(self) -> None:
        """A message came over its link."""
        self._signal_at_s = self._clock()

    def update(
        self,
        *,
        name: str = "",
        metadata: str = "",
        attributes: Mapping[str, str] | None = None,
        permission: ParticipantPermission | None = None,
    ) -> None:
        """Changes what is given; an attribute set to nothing is removed. Raises LimitError."""
        merged = {**self.info.attributes, **(attributes or {})}
        size = sum(len(key.encode()) + len(value.encode()) for key, value in merged.items())
        bounds = self._bounds
        if len(name) > bounds.name_chars:
            raise LimitError("name length exceeds limits")
        if len(metadata.encode()) > bounds.metadata_bytes:
            raise LimitError("metadata size exceeds limits")
        if size > bounds.attributes_bytes:
            raise LimitError("attribute size exceeds limits")
        self.info.name = name or self.info.name
        self.info.metadata = metadata or self.info.metadata
        self.info.attributes.clear()
        self.info.attributes.update({key: value for key, value in merged.items() if value})
        if permission is not None:
            self.info.permission.CopyFrom(permission)
            self.publisher.unpublish_all(disallowed_only=True)
            self.follow_tracks()
        self.changed()

    def offer_received(self, offer: SessionDescription) -> None:
        """Raises MalformedError, with nothing changed."""
        self.publisher.answer(offer)

    def answer_received(self, answer: SessionDescription) -> None:
        """Raises MalformedError, with nothing changed."""
        if self._offers is not None:
            self._offers.answer_received(answer)

    def choose_tracks(self, sids: Iterable[str], wanted: bool) -> None:
        """Subscribes or unsubscribes those of the tracks that exist."""
        available = {track.sid for track in self._room.tracks_for(self)}
        for sid in available.intersection(sids):
            self.subscriptions.choose(sid, wanted)
        self.follow_tracks()

    def set_audience(self, audience: Audience) -> None:
        self.audience = audience
        self._room.audience_changed(self)

    def depart(self) -> None:
        """It says that it leaves."""
        self._room.remove(self, DisconnectReason.CLIENT_INITIATED)

    # What its transports tell (transport.Listener)

    def connected(self, transport: PeerTransport) -> None:
        if transport is not self._downstream or self.closed:
            return
        if not self.is_active:
            self.info.state = ParticipantInfo.ACTIVE
            self.changed()
            self._room.became_active(self)
        self.subscriptions.start_answered()

    def rtp_received(self, packet: bytes) -> None:
        parsed = rtp.parse(packet)
        if parsed is not None:
            self.publisher.rtp_received(parsed)

    def rtcp_received(self, packet: bytes) -> None:
        for feedback in rtcp.parse(packet):
            if isinstance(feedback, rtcp.SenderReport):
                self.publisher.clock_received(feedback)
            else:
                self.subscriptions.feedback_received(feedback)

    def channel_opened(self, label: str) -> None:
        self._outbox.channel_opened()

    def data_received(self, label: str, message: bytes) -> None:
        if self.closed or not self.info.permission.can_publish_data:
            return
        try:
            packet = data.parse(message, self.identity, self.sid, is_agent=self.is_agent)
        except MalformedError as error:
            _LOGGER.warning("data packet of %s dropped: %s", self.sid, error)
            return
        if packet is None:
            return
        reliable = label == RELIABLE
        if reliable and packet.sequence:
            if packet.sequence <= self.last_sequence:
                return  # sent again after a resume, and already passed on
            self.last_sequence = packet.sequence
        self._room.route(packet, reliable=reliable, sender=self)

    def send_data(self, message: bytes, *, reliable: bool) -> None:
        """Raises LimitError if it reads too slowly to be kept."""
        self._outbox.send(message, reliable=reliable)

    # What its publisher tells (publishing.PublisherOwner)

    def track_published(self, track: UpTrack) -> None:
        self.changed()
        self._room.track_published(self, track)

    def track_unpublished(self, track: UpTrack) -> None:
        self.changed()
        self._room.track_unpublished(self, track)

    # The end

    def leave(self, reason: DisconnectReason, action: LeaveRequest.Action) -> None:
        """Tells the client to go, and what to do next."""
        self.send(SignalResponse(leave=LeaveRequest(reason=reason, action=action)))

    def close(self, reason: DisconnectReason) -> None:
        """Out of the room from now on; `close_transports` is still to be awaited."""
        self.closed = True
        self.subscriptions.stop()
        del self.info.tracks[:]
        self.info.state = ParticipantInfo.DISCONNECTED
        self.info.disconnect_reason = reason
        self.info.version += 1
        if self._link is not None:
            self._link.close()

    async def close_transports(self) -> None:
        await self._upstream.close()
        if self._downstream is not self._upstream:
            await self._downstream.close()
