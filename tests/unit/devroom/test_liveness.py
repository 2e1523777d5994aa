"""Whether a participant is still there, by the clock."""

from dataclasses import replace

import pytest

from devroom.liveness import Contact, Verdict, judge
from devroom.settings import Timing

NOW_S = 1000.0
TIMING = Timing(
    ping_timeout_s=15,
    join_s=30.0,
    resume_s=8.0,
    resume_with_media_s=30.0,
    media_silent_s=6.0,
    media_lost_s=25.0,
)
WELL = Contact(
    joined_at_s=NOW_S - 100,
    signal_at_s=NOW_S - 1,
    signal_lost_at_s=None,
    media_connected=True,
    media_checked_at_s=NOW_S - 1,
)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, Verdict.PRESENT),
        # the signalling link is up and says nothing
        ({"signal_at_s": NOW_S - 15}, Verdict.PRESENT),
        ({"signal_at_s": NOW_S - 15.1}, Verdict.LINK_DEAD),
        # it is up, and the media are silent
        ({"media_checked_at_s": NOW_S - 25}, Verdict.PRESENT),
        ({"media_checked_at_s": NOW_S - 25.1}, Verdict.MEDIA_SILENT),
        # it is gone, and the media are there
        ({"signal_lost_at_s": NOW_S - 30}, Verdict.PRESENT),
        ({"signal_lost_at_s": NOW_S - 30.1}, Verdict.SIGNAL_GONE),
        # it is gone, and so are the media
        ({"signal_lost_at_s": NOW_S - 8, "media_checked_at_s": NOW_S - 7}, Verdict.PRESENT),
        ({"signal_lost_at_s": NOW_S - 8.1, "media_checked_at_s": NOW_S - 7}, Verdict.SIGNAL_GONE),
        ({"signal_lost_at_s": NOW_S - 8.1, "media_checked_at_s": NOW_S - 6}, Verdict.PRESENT),
        ({"signal_lost_at_s": NOW_S - 8.1, "media_connected": False}, Verdict.SIGNAL_GONE),
        # it has not been in the room yet
        ({"joined_at_s": NOW_S - 30, "media_connected": False}, Verdict.PRESENT),
        ({"joined_at_s": NOW_S - 30.1, "media_connected": False}, Verdict.JOIN_GONE),
    ],
)
def test_verdicts(changes: dict[str, float | bool], verdict: Verdict) -> None:
    """Catches someone thrown out too early, or a crashed client that stays for ever."""
    contact = replace(WELL, **changes)  # type: ignore[arg-type]  # the table's values are right
    assert judge(contact, TIMING, NOW_S) is verdict
