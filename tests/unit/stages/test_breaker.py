"""When a provider is kept out, and when it is let in again, by a clock of the test's own."""

from dataclasses import dataclass

import pytest

from agent.stages.breaker import Breaker, BreakerOptions, Breakers, State

OPTIONS = BreakerOptions(failures=2, pause_s=10, longest_pause_s=35)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(OPTIONS, clock)


def opened(breaker: Breaker) -> Breaker:
    breaker.failed()
    breaker.failed()
    assert breaker.state is State.OPEN
    return breaker


def half_open(breaker: Breaker, clock: Clock) -> Breaker:
    opened(breaker)
    clock.now += OPTIONS.pause_s
    assert breaker.admit()
    assert breaker.state is State.HALF_OPEN
    return breaker


def test_one_failure_is_forgiven(breaker: Breaker) -> None:
    """Catches a provider that is kept out for a single slip."""
    breaker.failed()
    assert breaker.admit()
    breaker.succeeded()
    breaker.failed()
    assert breaker.state is State.CLOSED


def test_failures_in_a_row_keep_it_out(breaker: Breaker, clock: Clock) -> None:
    """Catches a dead provider that every turn waits for."""
    opened(breaker)
    assert not breaker.admit()
    clock.now += OPTIONS.pause_s - 0.1
    assert not breaker.admit()
    clock.now += 0.1
    assert breaker.admit()


def test_one_that_cannot_be_mended_by_asking_is_out_at_once(breaker: Breaker) -> None:
    """Catches a refused key that is tried twice."""
    breaker.failed(at_once=True)
    assert not breaker.admit()


def test_one_that_asks_for_a_pause_has_it(breaker: Breaker, clock: Clock) -> None:
    """Catches a `Retry-After` that is not kept, or that shortens our own pause."""
    breaker.failed(pause_s=60)
    clock.now += 59
    assert not breaker.admit()
    clock.now += 1
    assert breaker.admit()
    short = Breaker(OPTIONS, clock)
    short.failed(pause_s=1)
    clock.now += 9
    assert not short.admit()


def test_only_one_probe_at_a_time(breaker: Breaker, clock: Clock) -> None:
    """Catches all conversations that try a dead provider at once."""
    half_open(breaker, clock)
    assert not breaker.admit()


def test_a_probe_that_serves_lets_it_in(breaker: Breaker, clock: Clock) -> None:
    """Catches a provider that is back and stays out; its past is forgotten."""
    half_open(breaker, clock).succeeded()
    assert breaker.state is State.CLOSED
    breaker.failed()
    assert breaker.admit()
    breaker.failed()
    clock.now += OPTIONS.pause_s
    assert breaker.admit()


def test_failed_probes_come_less_and_less_often(breaker: Breaker, clock: Clock) -> None:
    """Catches a dead provider that costs a turn every ten seconds, and one that is out for ever."""
    half_open(breaker, clock)
    for pause_s in (20, 35, 35):
        breaker.failed()
        clock.now += pause_s - 0.1
        assert not breaker.admit()
        clock.now += 0.1
        assert breaker.admit()


def test_a_probe_that_was_given_up(breaker: Breaker, clock: Clock) -> None:
    """Catches a provider that stays out because the user interrupted the probe."""
    half_open(breaker, clock).let_go()
    assert breaker.admit()
    assert not breaker.admit()


def test_a_probe_that_is_never_heard_of_again(breaker: Breaker, clock: Clock) -> None:
    """Catches a provider that stays out because a probe's end was lost."""
    half_open(breaker, clock)
    clock.now += OPTIONS.pause_s
    assert breaker.admit()


def test_events_of_attempts_that_nobody_admitted(breaker: Breaker, clock: Clock) -> None:
    """Catches a last resort that serves and is kept out, or whose failure shortens the pause."""
    opened(breaker).failed()
    clock.now += OPTIONS.pause_s - 0.1
    assert not breaker.admit()
    breaker.let_go()
    assert breaker.state is State.OPEN
    breaker.succeeded()
    assert breaker.admit()


def test_a_breaker_for_each_stage_and_provider(clock: Clock) -> None:
    """Catches conversations that do not learn from each other, and stages that do."""
    breakers = Breakers(OPTIONS, clock)
    opened(breakers.of("speech", "groq"))
    assert not breakers.of("speech", "groq").admit()
    assert breakers.of("answers", "groq").admit()
    assert breakers.of("speech", "inworld").admit()
