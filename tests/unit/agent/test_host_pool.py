"""When idle children are forked."""

from agent.host.pool import FIRST_BACKOFF_S, LAST_BACKOFF_S, REFILL_DELAY_S, STABLE_S, Pool


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
