"""How many idle children to fork, and when: a refill never races a job, nor does it spin.

Also when one that waits is asked whether it is well, and how many jobs come at once.
"""

import enum
from collections import deque
from dataclasses import dataclass

REFILL_DELAY_S = 0.3
"""A new child's start would take processor time from the agent that has just been given a job."""
FIRST_BACKOFF_S = 0.1
LAST_BACKOFF_S = 30.0
STABLE_S = 10.0
"""An idle child that lived so long did not die of its configuration."""

CHECK_EVERY_S = 2.0
ANSWER_WITHIN_S = 3.0
"""Longer than a busy machine keeps a child from running."""
READY_WITHIN_S = 30.0

BURST_S = 3.0
"""Jobs within this time meet the children that wait; those after it may meet new ones."""
REMEMBERED_S = 300.0
_MOST_REMEMBERED = 1000


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


class Care(enum.Enum):
    """What a child that waits needs now."""

    NOTHING = enum.auto()
    ASK = enum.auto()
    REPLACE = enum.auto()


def care_for(*, ready: bool, since: float, asked_at: float | None, now: float) -> Care:
    """What to do about a child that was forked at `since`.

    `asked_at`: since when it owes an answer; None: it owes none.
    """
    if not ready:
        return Care.REPLACE if now - since > READY_WITHIN_S else Care.NOTHING
    if asked_at is None:
        return Care.ASK
    return Care.REPLACE if now - asked_at > ANSWER_WITHIN_S else Care.NOTHING


class Demand:
    """How many jobs came at once, lately: so many children should wait."""

    def __init__(self) -> None:
        self._jobs: deque[float] = deque(maxlen=_MOST_REMEMBERED)

    def came(self, now: float) -> None:
        """A job came."""
        self._jobs.append(now)

    def burst(self, now: float) -> int:
        """The most jobs within `BURST_S` of each other in the last `REMEMBERED_S`."""
        while self._jobs and now - self._jobs[0] > REMEMBERED_S:
            self._jobs.popleft()
        most, window = 0, deque[float]()
        for at in self._jobs:
            window.append(at)
            while at - window[0] > BURST_S:
                window.popleft()
            most = max(most, len(window))
        return most
