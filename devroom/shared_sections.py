"""Receiving on the one connection that also publishes: the client makes every offer.

Tracks go into the client's spare receive-only sections. Where there are too few, or they need
an offer to be used, the client is told how many to add. A section that lost its track is
answered inactive once before another uses it, or native clients miss the change.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from livekit.protocol.rtc import MediaSectionsRequirement, SignalResponse

from devroom import sdp
from devroom.forwarding import DownTrack
from devroom.sdp import Direction, Kind, Section
from devroom.subscriber_offers import stream_and_track
from devroom.transport import PeerTransport


class SharedSections:
    """The `Layout` of a client with a single connection."""

    def __init__(self, transport: PeerTransport, send: Callable[[SignalResponse], None]) -> None:
        self._transport = transport
        self._send = send
        self._unplaced: list[DownTrack] = []
        self._placed: dict[str, DownTrack] = {}
        self._cooling: set[str] = set()
        self._free: Counter[Kind] = Counter()
        self._asked: tuple[int, int] | None = None

    @property
    def track_ids(self) -> dict[str, str]:
        """Which track is in which section; clients with one connection need it."""
        return {mid: down.up.sid for mid, down in self._placed.items()}

    def add(self, down: DownTrack) -> None:
        self._unplaced.append(down)

    def remove(self, down: DownTrack) -> None:
        if down.mid is None:
            self._unplaced.remove(down)
        else:
            del self._placed[down.mid]
            self._cooling.add(down.mid)

    def negotiate(self) -> None:
        needed = Counter(down.up.kind for down in self._unplaced)
        missing = needed - self._free
        asked = missing[Kind.AUDIO], missing[Kind.VIDEO]
        if (needed or self._cooling) and asked != self._asked:
            self._asked = asked
            requirement = MediaSectionsRequirement(num_audios=asked[0], num_videos=asked[1])
            self._send(SignalResponse(media_sections_requirement=requirement))

    def start_answered(self) -> None:
        if self._transport.is_connected:
            for down in self._placed.values():
                down.start(self._transport)

    def begin(self, sections: Sequence[Section]) -> None:
        """An offer has come; its sections follow by `line`, in order, then `finish`."""
        self._free.clear()
        gone = self._placed.keys() - {s.mid for s in sections if not s.rejected}
        for mid in gone:
            down = self._placed.pop(mid)
            down.stop()
            down.mid = None
            self._unplaced.append(down)
        self._cooling.intersection_update(s.mid for s in sections)

    def line(self, section: Section, payload_type: int) -> sdp.Media:
        """The answer to a section the client does not send in."""
        kind, mid = section.kind, section.mid
        down = self._placed.get(mid)
        is_spare = section.direction is Direction.RECVONLY
        if down is None and is_spare and mid not in self._cooling:
            down = self._place(section, payload_type)
        self._cooling.discard(mid)
        parameters = sdp.opus_parameters() if kind is Kind.AUDIO else ""
        extensions = section.accepted_extensions
        if down is None:
            self._free[kind] += is_spare
            return sdp.Media(kind, mid, Direction.INACTIVE, payload_type, parameters, extensions)
        if kind is Kind.AUDIO:
            parameters = sdp.opus_parameters(stereo=down.up.info.stereo)
        return sdp.Media(
            kind,
            mid,
            Direction.SENDONLY,
            payload_type,
            parameters,
            extensions,
            stream_and_track(down),
            down.ssrc,
        )

    def _place(self, section: Section, payload_type: int) -> DownTrack | None:
        down = next((d for d in self._unplaced if d.up.kind is section.kind), None)
        if down is not None:
            self._unplaced.remove(down)
            down.mid, down.payload_type = section.mid, payload_type
            self._placed[section.mid] = down
        return down

    def finish(self) -> None:
        self._asked = None
        self.start_answered()
        self.negotiate()
