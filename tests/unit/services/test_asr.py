"""How the recognition service reckons where things happen, and how fast it reads."""

from services.asr import BURST_S, PACE, PRE_ROLL_S, Pace, Positions


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def listened(seconds: int) -> tuple[Clock, Positions]:
    """Audio came in real time, a tenth of a second at a time."""
    clock = Clock()
    positions = Positions(clock)
    for _ in range(seconds * 10):
        clock.now += 0.1
        positions.hear(0.1)
    return clock, positions


def test_times_are_told_in_the_audio_of_the_connection() -> None:
    """Catches wall time that goes out on the wire."""
    clock, positions = listened(5)
    assert positions.started(clock.now, clock.now - 0.5).at_s == 4.5
    clock.now += 1.0
    positions.hear(1.0)
    final = positions.final("hello", 0.9, (), clock.now - 0.3)
    assert (final.start_s, final.end_s) == (4.5, 5.0)


def test_what_has_begun_since_is_not_settled() -> None:
    """Catches words that are not sent again after a lost connection."""
    clock, positions = listened(5)
    positions.started(clock.now - 3, clock.now - 3)
    positions.started(clock.now, clock.now - 1)
    final = positions.final("one", 0.9, (), clock.now - 2)
    assert final.settled_s == 4.0 - PRE_ROLL_S
    final = positions.final("two", 0.9, (), clock.now - 0.9)
    assert final.settled_s == 5.0 - PRE_ROLL_S


def test_a_burst_is_read_at_once_and_then_at_its_pace() -> None:
    """Catches memory that a fast peer fills, and a replay that is held up."""
    clock = Clock()
    pace = Pace(clock)
    assert pace.wait_s(BURST_S) == 0
    assert pace.wait_s(10) == 10 / PACE
    clock.now += 10 / PACE
    assert pace.wait_s(0) == 0
