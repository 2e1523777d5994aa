"""Calls at a later time, for the host's loop."""

import heapq
import itertools
from collections.abc import Callable


class Timers:
    """Callbacks by time, in seconds of any one monotonic clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call it once, at `when` or soon after. It cannot be cancelled: it looks first."""
        heapq.heappush(self._heap, (when, next(self._order), call))

    def wait_s(self, now: float) -> float | None:
        """How long until the next call is due; None where there is none."""
        return max(0.0, self._heap[0][0] - now) if self._heap else None

    def run(self, now: float) -> None:
        """Make the calls that are due."""
        while self._heap and self._heap[0][0] <= now:
            heapq.heappop(self._heap)[2]()
