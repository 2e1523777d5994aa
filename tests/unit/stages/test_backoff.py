"""The settings' retries as livekit-agents asks for them."""

from agent.settings import AgentSettings
from agent.stages.backoff import LONGEST_S, Backoff, backoff


def waits(options: Backoff, count: int) -> list[float]:
    return [options._interval_for_retry(attempt) for attempt in range(count)]


def settings(**given: object) -> AgentSettings:
    return AgentSettings.model_validate(given)


def test_each_retry_waits_twice_as_long() -> None:
    """Catches a service that is asked again and again while it starts."""
    options = backoff(settings(retry_delay_seconds=1.0), 30.0)
    assert waits(options, 4) == [1.0, 2.0, 4.0, 8.0]
    assert waits(options, 20)[-1] == LONGEST_S


def test_without_backoff_each_waits_the_same() -> None:
    """Catches a setting that does nothing."""
    options = backoff(settings(retry_delay_seconds=0.5, exponential_backoff=False), 30.0)
    assert waits(options, 3) == [0.5, 0.5, 0.5]


def test_the_other_settings_are_handed_on() -> None:
    """Catches a timeout or a number of retries that is left at the library's."""
    options = backoff(settings(max_retries=7), 12.0)
    assert (options.max_retry, options.timeout) == (7, 12.0)
