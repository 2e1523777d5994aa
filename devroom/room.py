"""One room: who is in it, what they tell each other, and when it is over."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable

from livekit.protocol.models import (
    Codec,
    ConnectionQuality,
    DataPacket,
    DisconnectReason,
    ParticipantInfo,
    SpeakerInfo,
)
from livekit.protocol.models import Room as RoomInfo
from livekit.protocol.room import RoomConfiguration
from livekit.protocol.rtc import (
    ConnectionQualityInfo,
    ConnectionQualityUpdate,
    LeaveRequest,
    RoomUpdate,
    SignalResponse,
    SpeakersChanged,
    SubscriptionPermissionUpdate,
)

from devroom.background import Background
from devroom.clock import Clock
from devroom.data import is_for
from devroom.errors import LimitError, NotFoundError
from devroom.forwarding import UpTrack
from devroom.ids import new_sid, random_text
from devroom.liveness import Verdict, judge
from devroom.participant import Participant
from devroom.settings import Bounds, Timing
from devroom.webhooks import Notifier

_LOGGER = logging.getLogger(__name__)
_CODECS = ("audio/opus", "video/VP8")
_AUDIBLE_LEVEL = 35
_SCORES = {
    ConnectionQuality.EXCELLENT: 4.5,
    ConnectionQuality.GOOD: 3.5,
    ConnectionQuality.POOR: 2.0,
}
_KEPT_DEPARTED = 64
# Long enough for the leave message to arrive before DTLS closes under it.
_LEAVE_FIRST_S = 0.1


class EmptyTimer:
    """When a room without participants is over.

    `empty_s` holds until someone has come, `departure_s` after the last one has left.
    """

    def __init__(self, empty_s: float, departure_s: float, now_s: float) -> None:
        self._departure_s = departure_s
        self._over_at_s: float | None = now_s + empty_s

    def occupied(self) -> None:
        self._over_at_s = None

    def emptied(self, now_s: float) -> None:
        self._over_at_s = now_s + self._departure_s

    def is_over(self, now_s: float) -> bool:
        return self._over_at_s is not None and now_s >= self._over_at_s


class Room:
    """One room. Participants are told of a track before any description names it."""

    def __init__(
        self,
        name: str,
        config: RoomConfiguration,
        bounds: Bounds,
        timing: Timing,
        notifier: Notifier,
        background: Background,
        clock: Clock,
    ) -> None:
        now_ms = int(time.time() * 1000)
        self._info = RoomInfo(
            sid=new_sid("RM_"),
            name=name,
            creation_time=now_ms // 1000,
            creation_time_ms=now_ms,
            empty_timeout=config.empty_timeout or timing.empty_room_s,
            departure_timeout=config.departure_timeout or timing.departed_room_s,
            max_participants=config.max_participants,
            metadata=config.metadata,
            turn_password=random_text(16),
            enabled_codecs=[Codec(mime=mime) for mime in _CODECS],
        )
        self._bounds = bounds
        self._timing = timing
        self._notifier = notifier
        self._background = background
        self._clock = clock
        self._timer = EmptyTimer(self._info.empty_timeout, self._info.departure_timeout, clock())
        self._participants: dict[str, Participant] = {}
        self._departed: deque[ParticipantInfo] = deque(maxlen=_KEPT_DEPARTED)
        self._speaking: dict[str, float] = {}
        self._quality: dict[str, ConnectionQuality] = {}

    @property
    def name(self) -> str:
        return self._info.name

    @property
    def participants(self) -> tuple[Participant, ...]:
        return tuple(self._participants.values())

    @property
    def is_over(self) -> bool:
        return self._timer.is_over(self._clock())

    def snapshot(self) -> RoomInfo:
        visible = [p for p in self.participants if not p.is_hidden]
        self._info.num_participants = len(visible)
        self._info.num_publishers = sum(p.info.is_publisher for p in visible)
        info = RoomInfo()
        info.CopyFrom(self._info)
        return info

    def find(self, identity: str) -> Participant | None:
        return self._participants.get(identity)

    def get(self, identity: str) -> Participant:
        """Raises NotFoundError."""
        participant = self._participants.get(identity)
        if participant is None:
            raise NotFoundError("participant does not exist")
        return participant

    def others(self, participant: Participant | None) -> list[Participant]:
        return [other for other in self._participants.values() if other is not participant]

    def visible_to(self, participant: Participant) -> list[ParticipantInfo]:
        return [other.info for other in self.others(participant) if not other.is_hidden]

    def check_space(self, identity: str) -> None:
        """Raises LimitError if there is no place for one more with this identity."""
        if identity in self._participants:
            return
        most = self._bounds.participants_per_room
        if len(self._participants) >= min(self._info.max_participants or most, most):
            raise LimitError("room is full")

    def add(self, participant: Participant) -> None:
        """Throws out an older participant with the same identity."""
        older = self._participants.get(participant.identity)
        if older is not None:
            self.remove(older, DisconnectReason.DUPLICATE_IDENTITY, LeaveRequest.DISCONNECT)
        self._participants[participant.identity] = participant
        self._timer.occupied()

    # What participants ask (participant.Room)

    def tell_changed(self, participant: Participant) -> None:
        for other in self._participants.values():
            if other is participant or not participant.is_hidden:
                other.send_update([participant.info])

    def became_active(self, participant: Participant) -> None:
        self._notifier.participant_joined(self.snapshot(), participant.info)

    def track_published(self, participant: Participant, track: UpTrack) -> None:
        self._notifier.track_published(self.snapshot(), participant.info, track.info)
        for other in self.others(participant):
            other.follow_tracks()

    def track_unpublished(self, participant: Participant, track: UpTrack) -> None:
        self._notifier.track_unpublished(self.snapshot(), participant.info, track.info)
        for other in self.others(participant):
            other.subscriptions.forget(track.sid)
            other.follow_tracks()

    def tracks_for(self, participant: Participant) -> list[UpTrack]:
        if not participant.info.permission.can_subscribe:
            return []
        return [
            track
            for other in self.others(participant)
            for track in other.publisher.tracks
            if other.audience.may_hear(participant.identity, participant.sid, track.sid)
        ]

    def audience_changed(self, participant: Participant) -> None:
        """Tells every other which of its tracks it may hear now, and has it follow."""
        for other in self.others(participant):
            for track in participant.publisher.tracks:
                allowed = participant.audience.may_hear(other.identity, other.sid, track.sid)
                update = SubscriptionPermissionUpdate(
                    participant_sid=participant.sid, track_sid=track.sid, allowed=allowed
                )
                other.send(SignalResponse(subscription_permission_update=update))
            other.follow_tracks()

    def route(
        self, packet: DataPacket, *, reliable: bool, sender: Participant | None = None
    ) -> None:
        message = packet.SerializeToString()
        for other in self.others(sender):
            if not is_for(packet, other.identity, other.sid):
                continue
            try:
                other.send_data(message, reliable=reliable)
            except LimitError:
                _LOGGER.warning("participant %s does not read its data: removed", other.sid)
                self.remove(other, DisconnectReason.CONNECTION_TIMEOUT, LeaveRequest.RECONNECT)

    def remove(
        self,
        participant: Participant,
        reason: DisconnectReason,
        action: LeaveRequest.Action | None = None,
    ) -> None:
        """Takes a participant out; with an action, it is told to leave and what to do next."""
        if participant.closed:
            return
        if action is not None:
            participant.leave(reason, action)
        for track in participant.publisher.tracks:
            self._notifier.track_unpublished(self.snapshot(), participant.info, track.info)
        was_active = participant.is_active
        participant.close(reason)
        del self._participants[participant.identity]
        self._departed.append(participant.info)
        if not self._participants:
            self._timer.emptied(self._clock())
        for other in self._participants.values():
            if not participant.is_hidden:
                other.send_update([participant.info])
            other.follow_tracks()
        self._notifier.participant_left(self.snapshot(), participant.info, was_active=was_active)
        self._background.start(_close_later(participant))
        _LOGGER.info(
            "participant %s left room %s: %s",
            participant.sid,
            self._info.sid,
            DisconnectReason.Name(reason),
        )

    # What the API and the clock ask

    def resume_updates(self, participant: Participant) -> Iterable[ParticipantInfo]:
        """Everyone, and who left lately: a client may have missed it without its link."""
        present = {other.identity for other in self._participants.values()}
        gone = [info for info in self._departed if info.identity not in present]
        return [participant.info, *self.visible_to(participant), *gone]

    def set_metadata(self, metadata: str) -> None:
        """Raises LimitError."""
        if len(metadata.encode()) > self._bounds.metadata_bytes:
            raise LimitError("metadata size exceeds limits")
        self._info.metadata = metadata
        update = SignalResponse(room_update=RoomUpdate(room=self.snapshot()))
        for participant in self._participants.values():
            participant.send(update)

    def tick(self) -> None:
        """Looks who is still there, and who speaks."""
        for participant in self.participants:
            match judge(participant.contact, self._timing, self._clock()):
                case Verdict.LINK_DEAD:
                    participant.drop_link()
                case Verdict.MEDIA_SILENT:
                    participant.ask_to_resume()
                case Verdict.SIGNAL_GONE:
                    self.remove(participant, DisconnectReason.SIGNAL_CLOSE)
                case Verdict.JOIN_GONE:
                    reason = DisconnectReason.JOIN_FAILURE
                    self.remove(participant, reason, LeaveRequest.DISCONNECT)
        self._tell_speakers()

    def report(self) -> None:
        """Tells publishers how their media arrives, and everyone whose connection is how good.

        To be called about once a second.
        """
        quality: dict[str, ConnectionQuality] = {}
        for participant in self.participants:
            tracks = participant.publisher.tracks
            for track in tracks:
                track.report()
            lost = max((track.fraction_lost for track in tracks), default=0)
            quality[participant.sid] = _quality(lost)
        if quality != self._quality:
            self._quality = quality
            update = ConnectionQualityUpdate(
                updates=[
                    ConnectionQualityInfo(participant_sid=sid, quality=value, score=_SCORES[value])
                    for sid, value in quality.items()
                ]
            )
            for participant in self.participants:
                participant.send(SignalResponse(connection_quality=update))

    def _tell_speakers(self) -> None:
        now_s = self._clock()
        speaking: dict[str, float] = {}
        for participant in self._participants.values():
            level = min((t.level(now_s) for t in participant.publisher.tracks), default=127)
            if level < _AUDIBLE_LEVEL:
                speaking[participant.sid] = 10.0 ** (-level / 20)
        if speaking.keys() == self._speaking.keys():
            return
        speakers = [SpeakerInfo(sid=s, level=level, active=True) for s, level in speaking.items()]
        speakers += [SpeakerInfo(sid=sid) for sid in self._speaking if sid not in speaking]
        self._speaking = speaking
        change = SignalResponse(speakers_changed=SpeakersChanged(speakers=speakers))
        for participant in self._participants.values():
            participant.send(change)

    def close(self, reason: DisconnectReason) -> None:
        for participant in self.participants:
            self.remove(participant, reason, LeaveRequest.DISCONNECT)


def _quality(fraction_lost: int) -> ConnectionQuality:
    """By how much of the uplink is lost, in 256ths: over 2 % is heard, over 8 % hurts."""
    if fraction_lost > 20:
        return ConnectionQuality.POOR
    return ConnectionQuality.GOOD if fraction_lost > 5 else ConnectionQuality.EXCELLENT


async def _close_later(participant: Participant) -> None:
    await asyncio.sleep(_LEAVE_FIRST_S)
    await participant.close_transports()
