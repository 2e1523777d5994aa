"""One participant: its signalling link, its transports, and what its requests do."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from google.protobuf.message import DecodeError
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
    Pong,
    RequestResponse,
    SessionDescription,
    SignalRequest,
    SignalResponse,
)

from devroom import data, rtcp, rtp
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
        self._room = room
        self._bounds = bounds
        self._link: Link | None = None
        now_s = time.monotonic()
        self._joined_at_s = self._signal_at_s = now_s
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
            self, self._upstream, self._sections, bounds.tracks_per_participant
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
            media_checked_at_s=max(session.ice.checked_at_s for session in sessions),
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
        self._signal_at_s = time.monotonic()
        self._signal_lost_at_s = None

    def detach(self, link: Link) -> None:
        """The link broke; the client may come back with another for a while."""
        if self._link is link:
            self._link = None
            self._signal_lost_at_s = time.monotonic()

    def drop_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self.detach(self._link)

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

    def receive(self, message: bytes) -> None:
        """One message from the client. Raises MalformedError, with nothing changed."""
        request = SignalRequest()
        try:
            request.ParseFromString(message)
        except DecodeError as error:
            raise MalformedError("the signal request does not parse") from error
        self._signal_at_s = time.monotonic()
        handler = _HANDLERS.get(request.WhichOneof("message") or "")
        if handler is not None and not self.closed:
            handler(self, request)

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

    # Requests of the client

    def _offered(self, request: SignalRequest) -> None:
        self.offer_received(request.offer)

    def offer_received(self, offer: SessionDescription) -> None:
        self.publisher.answer(offer)

    def _answered(self, request: SignalRequest) -> None:
        if self._offers is not None:
            self._offers.answer_received(request.answer)

    def _announced(self, request: SignalRequest) -> None:
        self.publisher.announce(request.add_track)

    def _muted(self, request: SignalRequest) -> None:
        if self.publisher.set_muted(request.mute.sid, request.mute.muted):
            self.changed()

    def _subscribed(self, request: SignalRequest) -> None:
        wish = request.subscription
        sids = list(wish.track_sids)
        sids += [sid for tracks in wish.participant_tracks for sid in tracks.track_sids]
        self.choose_tracks(sids, wish.subscribe)

    def choose_tracks(self, sids: Iterable[str], wanted: bool) -> None:
        """Subscribes or unsubscribes those of the tracks that exist."""
        available = {track.sid for track in self._room.tracks_for(self)}
        for sid in available.intersection(sids):
            self.subscriptions.choose(sid, wanted)
        self.follow_tracks()

    def _track_set(self, request: SignalRequest) -> None:
        for sid in request.track_setting.track_sids:
            down = self.subscriptions.get(sid)
            if down is not None:
                down.enabled = not request.track_setting.disabled

    def _audio_track_updated(self, request: SignalRequest) -> None:
        wish = request.update_audio_track
        track = self.publisher.track(wish.track_sid)
        if track is not None:
            del track.info.audio_features[:]
            track.info.audio_features.extend(wish.features)
            self.changed()

    def _left(self, request: SignalRequest) -> None:
        self._room.remove(self, DisconnectReason.CLIENT_INITIATED)

    def _pinged(self, request: SignalRequest) -> None:
        now_ms = int(time.time() * 1000)
        self.send(SignalResponse(pong=now_ms))
        if request.WhichOneof("message") == "ping_req":
            pong = Pong(last_ping_timestamp=request.ping_req.timestamp, timestamp=now_ms)
            self.send(SignalResponse(pong_resp=pong))

    def _metadata_updated(self, request: SignalRequest) -> None:
        wish = request.update_metadata
        response = RequestResponse(request_id=wish.request_id, update_metadata=wish)
        if not self.info.permission.can_update_metadata:
            response.reason = RequestResponse.NOT_ALLOWED
            response.message = "does not have permission to update own metadata"
        else:
            try:
                self.update(name=wish.name, metadata=wish.metadata, attributes=wish.attributes)
            except LimitError as error:
                response.reason = RequestResponse.LIMIT_EXCEEDED
                response.message = str(error)
        self.send(SignalResponse(request_response=response))

    def _refused_data_track(self, request: SignalRequest) -> None:
        response = RequestResponse(
            reason=RequestResponse.UNSUPPORTED_TYPE,
            message="data tracks are not supported by this server",
            publish_data_track=request.publish_data_track_request,
        )
        self.send(SignalResponse(request_response=response))

    def _refused_blob(self, request: SignalRequest) -> None:
        kind = request.WhichOneof("message")
        wish = (
            request.store_data_blob_request
            if kind == "store_data_blob_request"
            else request.get_data_blob_request
        )
        response = RequestResponse(
            request_id=wish.request_id,
            reason=RequestResponse.UNSUPPORTED_TYPE,
            message="data blobs are not supported by this server",
        )
        self.send(SignalResponse(request_response=response))

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
            packet = data.parse(message, self.identity, self.sid)
        except MalformedError as error:
            _LOGGER.warning("data packet of %s dropped: %s", self.sid, error)
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


_HANDLERS: dict[str, Callable[[Participant, SignalRequest], None]] = {
    "offer": Participant._offered,  # noqa: SLF001
    "answer": Participant._answered,  # noqa: SLF001
    "add_track": Participant._announced,  # noqa: SLF001
    "mute": Participant._muted,  # noqa: SLF001
    "subscription": Participant._subscribed,  # noqa: SLF001
    "track_setting": Participant._track_set,  # noqa: SLF001
    "update_audio_track": Participant._audio_track_updated,  # noqa: SLF001
    "leave": Participant._left,  # noqa: SLF001
    "ping": Participant._pinged,  # noqa: SLF001
    "ping_req": Participant._pinged,  # noqa: SLF001
    "update_metadata": Participant._metadata_updated,  # noqa: SLF001
    "publish_data_track_request": Participant._refused_data_track,  # noqa: SLF001
    "store_data_blob_request": Participant._refused_blob,  # noqa: SLF001
    "get_data_blob_request": Participant._refused_blob,  # noqa: SLF001
}
