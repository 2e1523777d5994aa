"""How many idle children to fork, and when: a refill never races a job, nor does it spin."""

from dataclasses import dataclass

REFILL_DELAY_S = 0.3
"""A new child's start would take processor time from the agent that has just been given a job."""
FIRST_BACKOFF_S = 0.1
LAST_BACKOFF_S = 30.0
STABLE_S = 10.0
"""An idle child that lived so long did not die of its configuration."""


@dataclass(slots=True)
class Pool:
    """Decides about idle children. Times are in seconds of any one monotonic clock."""

    size: int
    _not_before: float = 0.0
    _failures: int = 0

    def missing(self, idle: int, now: float) -> int:
        """How many to fork now, when there are `idle` of them."""
        return max(0, self.size - idle) if now >= self._not_before else 0

    def due_at(self, idle: int) -> float | None:
        """When to ask `missing` again; None while nothing is missing."""
        return self._not_before if idle < self.size else None

    def used(self, now: float) -> None:
        """A child was given a job."""
        self._failures = 0
        self._not_before = now + REFILL_DELAY_S

    def died(self, lived_s: float, now: float) -> None:
        """An idle child ended by itself."""
        if lived_s >= STABLE_S:
            self._failures = 0
        backoff = min(FIRST_BACKOFF_S * 2**self._failures, LAST_BACKOFF_S)
        self._failures = min(self._failures + 1, 20)
        self._not_before = max(self._not_before, now + backoff)
