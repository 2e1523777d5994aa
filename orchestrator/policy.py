"""The policy of sessions, as the settings have it."""

from orchestrator.sessions.decisions import Policy
from orchestrator.settings import Settings

REGAIN_FRACTION = 2 / 3
"""Of a lease's life: agents renew every third of it, and after an outage of Redis they all need
that time to take theirs up again."""


def make_policy(settings: Settings) -> Policy:
    """What the settings have on it."""
    return Policy(
        max_restarts=settings.agent_max_restarts,
        history_turns=settings.history_turns,
        keep_transcripts=settings.keep_transcripts,
        spawn_timeout_s=settings.spawn_timeout_seconds,
        leases_settle_s=REGAIN_FRACTION * settings.agent_lease_seconds,
    )
