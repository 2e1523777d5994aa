"""When idle children are forked."""

import pytest

from agent.host.pool import (
    ANSWER_WITHIN_S,
    BURST_S,
    FIRST_BACKOFF_S,
    LAST_BACKOFF_S,
    READY_WITHIN_S,
    REFILL_DELAY_S,
    REMEMBERED_S,
    STABLE_S,
    Care,
    Demand,
    Pool,
    care_for,
)


def test_fills_at_once() -> None:
    """Catches a host that has nobody ready for its first job."""
    assert Pool(2).missing(0, now=0.0) == 2


def test_forks_no_more_than_the_size() -> None:
    """Catches a pool that grows without end."""
    pool = Pool(2)
    assert pool.missing(2, now=0.0) == 0
    assert pool.missing(3, now=0.0) == 0
    assert pool.due_at(2) is None


def test_a_refill_waits_for_the_job_s_start() -> None:
    """Catches a fork that takes the processor from the agent that is joining its room."""
    pool = Pool(2)
    pool.used(now=10.0)
    assert pool.missing(1, now=10.0) == 0
    assert pool.due_at(1) == 10.0 + REFILL_DELAY_S
    assert pool.missing(1, now=10.0 + REFILL_DELAY_S) == 1


def test_children_that_die_at_once_are_forked_ever_more_rarely() -> None:
    """Catches a broken configuration that makes the host spin."""
    pool, now, waits = Pool(1), 0.0, []
    for _ in range(12):
        pool.died(0.0, now)
        due_at = pool.due_at(0)
        assert due_at is not None
        waits.append(round(due_at - now, 6))
        now = due_at
    assert waits[0] == FIRST_BACKOFF_S
    assert waits[:9] == sorted(waits[:9])
    assert waits[-1] == LAST_BACKOFF_S


def test_a_child_that_had_lived_long_is_replaced_quickly() -> None:
    """Catches a pool that stays empty for long because a few children were killed over a day."""
    pool = Pool(1)
    for _ in range(5):
        pool.died(0.0, now=0.0)
    pool.died(STABLE_S, now=100.0)
    assert pool.due_at(0) == 100.0 + FIRST_BACKOFF_S


def test_a_job_done_forgives() -> None:
    """Catches a backoff that outlives its cause."""
    pool = Pool(1)
    for _ in range(5):
        pool.died(0.0, now=0.0)
    pool.used(now=100.0)
    pool.died(0.0, now=200.0)
    assert pool.due_at(0) == 200.0 + FIRST_BACKOFF_S


@pytest.mark.parametrize(
    ("ready", "asked_at", "now", "care"),
    [
        (False, None, READY_WITHIN_S, Care.NOTHING),
        (False, None, READY_WITHIN_S + 0.1, Care.REPLACE),
        (True, None, 1.0, Care.ASK),
        (True, 1.0, 1.0 + ANSWER_WITHIN_S, Care.NOTHING),
        (True, 1.0, 1.1 + ANSWER_WITHIN_S, Care.REPLACE),
    ],
)
def test_a_child_that_does_not_answer_is_replaced(
    ready: bool, asked_at: float | None, now: float, care: Care
) -> None:
    """Catches a child that hangs and is given a job, and one that is killed for being slow."""
    assert care_for(ready=ready, since=0.0, asked_at=asked_at, now=now) is care


def test_jobs_that_come_together_are_a_burst() -> None:
    """Catches a pool that is measured by how many came in an hour, or by the last one."""
    demand = Demand()
    assert demand.burst(now=0.0) == 0
    for at in (0.0, 10.0, 10.5, 10.0 + BURST_S, 40.0):
        demand.came(at)
    assert demand.burst(now=41.0) == 3


def test_a_burst_is_forgotten() -> None:
    """Catches a pool that stays large for ever after one busy minute."""
    demand = Demand()
    for _ in range(5000):
        demand.came(0.0)
    assert demand.burst(now=REMEMBERED_S) == 1000
    assert demand.burst(now=REMEMBERED_S + 1) == 0
