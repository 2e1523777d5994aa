"""What one participant publishes: announced tracks, its offers, and the streams that arrive."""

import logging
from typing import Protocol

from livekit.protocol.models import (
    ParticipantInfo,
    SimulcastCodecInfo,
    TrackInfo,
    TrackSource,
    TrackType,
)
from livekit.protocol.rtc import (
    AddTrackRequest,
    MuteTrackRequest,
    RequestResponse,
    SessionDescription,
    SignalResponse,
    TrackPublishedResponse,
    TrackSubscribed,
    TrackUnpublishedResponse,
)

from devroom import rtcp, rtp, sdp
from devroom.clock import Clock
from devroom.forwarding import UpTrack
from devroom.ids import new_sid
from devroom.sdp import Direction, Kind, Section
from devroom.shared_sections import SharedSections
from devroom.tokens import may_publish
from devroom.transport import PeerTransport

_LOGGER = logging.getLogger(__name__)
_SID_PREFIXES = {
    TrackSource.CAMERA: "TR_VC",
    TrackSource.MICROPHONE: "TR_AM",
    TrackSource.SCREEN_SHARE: "TR_VS",
    TrackSource.SCREEN_SHARE_AUDIO: "TR_AS",
}
_MIME_TYPES = {TrackType.AUDIO: "audio/opus", TrackType.VIDEO: "video/VP8"}
_TRACK_TYPES = {Kind.AUDIO: TrackType.AUDIO, Kind.VIDEO: TrackType.VIDEO}


class PublisherOwner(Protocol):
    """The participant: it signals, and tells its room."""

    info: ParticipantInfo

    def send(self, response: SignalResponse) -> None: ...
    def track_published(self, track: UpTrack) -> None: ...
    def track_unpublished(self, track: UpTrack) -> None: ...


class Publisher:
    """Tracks by their life: announced (`add_track`), offered (published), gone (unpublished).

    `sections` is where a participant with a single connection receives; its offers carry both.
    """

    def __init__(
        self,
        owner: PublisherOwner,
        transport: PeerTransport,
        sections: SharedSections | None,
        max_tracks: int,
        clock: Clock,
    ) -> None:
        self._owner = owner
        self._transport = transport
        self._sections = sections
        self._max_tracks = max_tracks
        self._clock = clock
        self._announced: dict[str, TrackInfo] = {}
        self._by_mid: dict[str, UpTrack] = {}
        self._by_ssrc: dict[int, UpTrack] = {}
        self._mid_extension: int | None = None
        self._version = 1

    @property
    def tracks(self) -> tuple[UpTrack, ...]:
        return tuple(self._by_mid.values())

    def track(self, sid: str) -> UpTrack | None:
        return next((track for track in self._by_mid.values() if track.sid == sid), None)

    def announce(self, request: AddTrackRequest) -> None:
        """Answers with `track_published`, or refuses as LiveKit does."""
        refusal = self._refusal(request)
        if refusal is not None:
            self._owner.send(
                SignalResponse(
                    request_response=RequestResponse(
                        reason=refusal[0], message=refusal[1], add_track=request
                    )
                )
            )
            return
        info = self._announced.get(request.cid)
        if info is None:
            info = self._announced[request.cid] = _track_info(request)
        self._owner.send(
            SignalResponse(track_published=TrackPublishedResponse(cid=request.cid, track=info))
        )

    def _refusal(self, request: AddTrackRequest) -> tuple[RequestResponse.Reason, str] | None:
        if not may_publish(self._owner.info.permission, request.source):
            return RequestResponse.NOT_ALLOWED, "does not have permission to publish this track"
        if request.type not in _MIME_TYPES:
            return RequestResponse.UNSUPPORTED_TYPE, "only audio and video tracks are known"
        if len(self._announced) + len(self._by_mid) >= self._max_tracks:
            return RequestResponse.LIMIT_EXCEEDED, "too many tracks"
        return None

    def answer(self, offer: SessionDescription) -> None:
        """Answers an offer, then tells of the tracks that came and went with it.

        Raises MalformedError, with nothing changed.
        """
        sections = sdp.parse(offer.sdp)
        transport = self._transport
        transport.follow_ice_restart(sections[0].ufrag)
        before = dict(self._by_mid)
        self._drop_unsent(sections)
        if self._sections is not None:
            self._sections.begin(sections)
        lines = [self._line(section) for section in sections]
        self._version += 1
        self._owner.send(
            SignalResponse(
                answer=SessionDescription(
                    type="answer",
                    id=offer.id,
                    sdp=sdp.write(transport.local, sdp.Setup.PASSIVE, self._version, lines),
                    mid_to_track_id=self._sections.track_ids if self._sections else {},
                )
            )
        )
        has_data = any(section.kind is Kind.APPLICATION for section in sections)
        transport.set_remote(sections[0], has_data=has_data)
        if self._sections is not None:
            self._sections.finish()
        self._tell_changes(before)

    def _drop_unsent(self, sections: tuple[Section, ...]) -> None:
        """Forgets the tracks whose section no longer sends, or sends an announced other one."""
        sending = {
            section.mid: section
            for section in sections
            if section.direction.sends and not section.rejected
        }
        for mid in list(self._by_mid):
            if mid not in sending or sending[mid].track_id in self._announced:
                self._forget(mid)

    def _tell_changes(self, before: dict[str, UpTrack]) -> None:
        kept = {track.sid for track in self._by_mid.values()}
        for track in before.values():
            if track.sid not in kept:
                self._tell_unpublished(track)
        known = {track.sid for track in before.values()}
        for track in self.tracks:
            if track.sid not in known:
                self._owner.track_published(track)

    def _line(self, section: Section) -> sdp.Line:
        if section.kind is Kind.APPLICATION and not section.rejected:
            return sdp.DataChannels(section.mid)
        if section.rejected or section.payload_type is None:
            return sdp.Rejected(section.kind, section.mid)
        if not section.direction.sends and self._sections is not None:
            return self._sections.line(section, section.payload_type)
        track = self._sent_track(section) if section.direction.sends else None
        parameters = sdp.opus_parameters() if section.kind is Kind.AUDIO else ""
        if track is not None and section.kind is Kind.AUDIO:
            info = track.info
            parameters = sdp.opus_parameters(dtx=not info.disable_dtx, stereo=info.stereo)
        return sdp.Media(
            section.kind,
            section.mid,
            Direction.RECVONLY if track is not None else Direction.INACTIVE,
            section.payload_type,
            parameters,
            section.accepted_extensions,
        )

    def _sent_track(self, section: Section) -> UpTrack | None:
        track = self._by_mid.get(section.mid)
        if track is None:
            info = self._take_announced(section)
            if info is None:
                return None
            info.mid = section.mid
            self._mid_extension = section.extensions.get(sdp.MID_EXTENSION, self._mid_extension)
            track = UpTrack(
                info,
                self._owner.info.sid,
                section.kind,
                self._transport,
                section.extensions.get(sdp.LEVEL_EXTENSION),
                self._tell_subscribed,
                self._clock,
            )
            self._by_mid[section.mid] = track
        if section.ssrc is not None and section.ssrc != track.ssrc:
            self._learn_ssrc(track, section.ssrc)
        return track

    def _take_announced(self, section: Section) -> TrackInfo | None:
        """The announced track of this section: by its id, else by kind, as browsers rename."""
        info = self._announced.pop(section.track_id, None)
        if info is not None:
            return info
        wanted = _TRACK_TYPES[section.kind]
        cid = next((cid for cid, info in self._announced.items() if info.type == wanted), None)
        return self._announced.pop(cid) if cid is not None else None

    def _learn_ssrc(self, track: UpTrack, ssrc: int) -> None:
        if track.ssrc is not None:
            self._by_ssrc.pop(track.ssrc, None)
        track.ssrc = ssrc
        self._by_ssrc[ssrc] = track

    def _forget(self, mid: str) -> UpTrack:
        track = self._by_mid.pop(mid)
        if track.ssrc is not None:
            self._by_ssrc.pop(track.ssrc, None)
        return track

    def unpublish_all(self, *, disallowed_only: bool = False) -> None:
        """Takes tracks away, all or those the permissions no longer allow."""
        permission = self._owner.info.permission
        for mid, track in list(self._by_mid.items()):
            if not (disallowed_only and may_publish(permission, track.info.source)):
                self._forget(mid)
                self._tell_unpublished(track)

    def _tell_unpublished(self, track: UpTrack) -> None:
        self._owner.send(
            SignalResponse(track_unpublished=TrackUnpublishedResponse(track_sid=track.sid))
        )
        self._owner.track_unpublished(track)

    def _tell_subscribed(self, track: UpTrack) -> None:
        self._owner.send(SignalResponse(track_subscribed=TrackSubscribed(track_sid=track.sid)))

    def set_muted(self, sid: str, muted: bool, *, tell: bool = False) -> bool:
        """Whether there is such a published track; `tell` asks the client to follow."""
        for info in self._announced.values():
            if info.sid == sid:
                info.muted = muted
        track = self.track(sid)
        if track is None:
            return False
        track.info.muted = muted
        if tell:
            self._owner.send(SignalResponse(mute=MuteTrackRequest(sid=sid, muted=muted)))
        return True

    def rtp_received(self, packet: rtp.Packet) -> None:
        track = self._by_ssrc.get(packet.ssrc) or self._track_by_mid_extension(packet)
        if track is not None:
            track.rtp_received(packet)

    def _track_by_mid_extension(self, packet: rtp.Packet) -> UpTrack | None:
        if self._mid_extension is None or not packet.extension:
            return None
        mid = rtp.extension_value(packet.extension, self._mid_extension)
        track = self._by_mid.get(mid.decode("ascii", "replace")) if mid else None
        if track is None or track.has_arrived:
            return None
        self._learn_ssrc(track, packet.ssrc)
        return track

    def clock_received(self, report: rtcp.SenderReport) -> None:
        track = self._by_ssrc.get(report.ssrc)
        if track is not None:
            track.clock_received(report)


def _track_info(request: AddTrackRequest) -> TrackInfo:
    mime_type = _MIME_TYPES[request.type]
    info = TrackInfo(
        sid=new_sid(_SID_PREFIXES.get(request.source, "TR_")),
        type=request.type,
        name=request.name,
        muted=request.muted,
        width=request.width,
        height=request.height,
        source=request.source,
        disable_dtx=request.disable_dtx,
        stereo=request.stereo,
        disable_red=True,
        stream=request.stream,
        encryption=request.encryption,
        mime_type=mime_type,
        layers=request.layers,
        audio_features=request.audio_features,
    )
    if request.simulcast_codecs:
        info.codecs.append(SimulcastCodecInfo(mime_type=mime_type, cid=request.cid))
    return info
