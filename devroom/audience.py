"""Who may hear a participant's tracks, as the participant itself says. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from livekit.protocol.rtc import SubscriptionPermission, TrackPermission

_MAX_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class Audience:
    """Everyone, or those listed. Listeners are named by identity or by sid.

    `whole` may hear all tracks; `single` are pairs of a listener and a track sid.
    """

    everyone: bool = True
    whole: frozenset[str] = frozenset()
    single: frozenset[tuple[str, str]] = frozenset()

    def may_hear(self, identity: str, sid: str, track_sid: str) -> bool:
        return self.everyone or any(
            listener in self.whole or (listener, track_sid) in self.single
            for listener in (identity, sid)
        )


def from_request(request: SubscriptionPermission) -> Audience:
    entries = list(request.track_permissions)[:_MAX_ENTRIES]
    return Audience(
        everyone=request.all_participants,
        whole=frozenset(name for entry in entries if entry.all_tracks for name in _names(entry)),
        single=frozenset(
            (name, track_sid)
            for entry in entries
            for name in _names(entry)
            for track_sid in entry.track_sids
        ),
    )


def _names(entry: TrackPermission) -> Iterable[str]:
    return (name for name in (entry.participant_identity, entry.participant_sid) if name)
