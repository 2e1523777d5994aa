"""What is sent again to a recogniser after a lost connection."""

from agent.stages.services.unsettled import Flush, Unsettled


def samples(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "little") for value in values)


def kept(unsettled: Unsettled) -> bytes:
    """The audio that would be sent again."""
    return b"".join(part for part in unsettled if isinstance(part, bytes))


def test_what_is_settled_is_not_sent_again() -> None:
    """Catches words that are heard twice, and some that are lost."""
    unsettled = Unsettled(longest=100)
    unsettled.hear(samples(1, 2, 3))
    unsettled.hear(samples(4, 5, 6))
    unsettled.settle(4)
    assert (unsettled.start, unsettled.end) == (4, 6)
    assert kept(unsettled) == samples(5, 6)
    unsettled.settle(6)
    assert (unsettled.start, unsettled.end) == (6, 6)
    assert not kept(unsettled)


def test_a_flush_stays_until_it_is_answered() -> None:
    """Catches whoever committed a turn and waits in vain."""
    unsettled = Unsettled(longest=100)
    unsettled.hear(samples(1, 2))
    unsettled.flush_now(7.0)
    unsettled.hear(samples(3))
    unsettled.settle(3)
    assert list(unsettled) == [Flush(7.0)]
    unsettled.answered()
    assert unsettled.flush is None
    unsettled.answered()
    assert list(unsettled) == []


def test_no_more_than_the_latest_audio_is_kept() -> None:
    """Catches memory that grows with a silence."""
    unsettled = Unsettled(longest=4)
    for value in range(10):
        unsettled.hear(samples(value))
    assert kept(unsettled) == samples(6, 7, 8, 9)
    assert unsettled.start == 6
