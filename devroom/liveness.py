"""Whether a participant is still there, from when it was last heard of. Pure."""

from dataclasses import dataclass
from enum import Enum, auto

from devroom.settings import Timing


class Verdict(Enum):
    """`LINK_DEAD` and `MEDIA_SILENT` are mended by a new link; the two `GONE` end the stay."""

    PRESENT = auto()
    LINK_DEAD = auto()
    MEDIA_SILENT = auto()
    JOIN_GONE = auto()
    SIGNAL_GONE = auto()


@dataclass(frozen=True, slots=True)
class Contact:
    """Times on one clock, in seconds; None means still connected, or never."""

    joined_at_s: float
    signal_at_s: float
    signal_lost_at_s: float | None
    media_connected: bool
    media_checked_at_s: float


def judge(contact: Contact, timing: Timing, now_s: float) -> Verdict:
    """What the clock says of a participant.

    A broken signalling link is forgiven for `resume_s`, and longer while connectivity checks
    still arrive. Silence of the media alone is mended over the signalling link: the client is
    asked to resume, which starts ICE anew.
    """
    media_silent_s = now_s - contact.media_checked_at_s
    if contact.signal_lost_at_s is not None:
        lost_s = now_s - contact.signal_lost_at_s
        media_there = contact.media_connected and media_silent_s <= timing.media_silent_s
        patience_s = timing.resume_with_media_s if media_there else timing.resume_s
        return Verdict.SIGNAL_GONE if lost_s > patience_s else Verdict.PRESENT
    if now_s - contact.signal_at_s > timing.ping_timeout_s:
        return Verdict.LINK_DEAD
    if not contact.media_connected:
        waited_s = now_s - contact.joined_at_s
        return Verdict.JOIN_GONE if waited_s > timing.join_s else Verdict.PRESENT
    return Verdict.MEDIA_SILENT if media_silent_s > timing.media_lost_s else Verdict.PRESENT
