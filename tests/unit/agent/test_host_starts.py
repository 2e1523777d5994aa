"""A few agents start at a time."""

from functools import partial

from agent.host.starts import Starts


def test_no_more_than_so_many_start_at_once() -> None:
    """Catches a burst that takes the machine away from those who talk, and one out of turn."""
    begun: list[int] = []
    starts = Starts(at_once=2)
    for pid in range(5):
        starts.add(pid, partial(begun.append, pid))
    assert begun == [0, 1]
    starts.over(1)
    assert begun == [0, 1, 2]
    starts.over(2)
    starts.over(0)
    assert begun == [0, 1, 2, 3, 4]


def test_one_that_ends_before_its_turn_does_not_start() -> None:
    """Catches a job for an agent that is gone, and a turn that it takes with it."""
    begun: list[int] = []
    starts = Starts(at_once=1)
    for pid in range(3):
        starts.add(pid, partial(begun.append, pid))
    starts.over(1)
    starts.over(0)
    starts.over(0)
    assert begun == [0, 2]
