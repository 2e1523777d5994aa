"""Who may start now: a few agents at a time, or those who talk would hear the others start."""

from collections import deque
from collections.abc import Callable


class Starts:
    """Lets so many begin at once; the others wait for their turn, in order."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._going: set[int] = set()
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()

    def add(self, pid: int, begin: Callable[[], None]) -> None:
        """Call `begin` now, or as soon as it is this one's turn."""
        self._waiting.append((pid, begin))
        self._go_on()

    def over(self, pid: int) -> None:
        """It has started, takes too long, or is gone, perhaps before its turn."""
        self._going.discard(pid)
        self._waiting = deque(each for each in self._waiting if each[0] != pid)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and len(self._going) < self._at_once:
            pid, begin = self._waiting.popleft()
            self._going.add(pid)
            begin()
