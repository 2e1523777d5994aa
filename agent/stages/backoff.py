"""How long to wait before a stage is asked again, as the settings have it."""

from dataclasses import dataclass

from livekit.agents import APIConnectOptions

from agent.settings import AgentSettings

LONGEST_S = 30.0


@dataclass(frozen=True)
class Backoff(APIConnectOptions):
    """livekit-agents' options, whose retries may come less and less often."""

    exponential: bool = True

    def _interval_for_retry(self, num_retries: int) -> float:
        if not self.exponential:
            return self.retry_interval
        return float(min(LONGEST_S, self.retry_interval * 2.0**num_retries))


def backoff(settings: AgentSettings, timeout_s: float) -> Backoff:
    """The settings' retries, for a stage that may take `timeout_s`."""
    return Backoff(
        max_retry=settings.max_retries,
        retry_interval=settings.retry_delay_seconds,
        timeout=timeout_s,
        exponential=settings.exponential_backoff,
    )
