"""Keeps a provider that fails out of use, and lets it in again by itself. Pure: the clock is given.

    closed      every attempt is admitted; failures in a row are counted
    open        none is admitted until the pause is over
    half-open   one is admitted, the probe; how it goes decides

A probe is an attempt like any other, so it costs nothing of its own. Each failed one doubles the
pause. After Nygard, "Release It!", and what resilience libraries call a circuit breaker.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto


class State(Enum):
    """Whether a provider is used."""

    CLOSED = auto()
    OPEN = auto()
    HALF_OPEN = auto()


@dataclass(frozen=True, slots=True)
class BreakerOptions:
    """When a provider is kept out, and for how long."""

    failures: int = 2
    """So many in a row, with no success between them, open the breaker."""
    pause_s: float = 10.0
    """How long it is open the first time."""
    longest_pause_s: float = 300.0


class Breaker:
    """The breaker of one provider in one stage; starts closed."""

    def __init__(
        self, options: BreakerOptions | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options or BreakerOptions()
        self._clock = clock
        self._state = State.CLOSED
        self._failures = 0
        self._pause_s = self._options.pause_s
        self._until = 0.0
        """While open: when a probe is admitted. While half-open: when the probe is given up on."""

    @property
    def state(self) -> State:
        """As the last event left it; an open breaker stays so until somebody is admitted."""
        return self._state

    def admit(self) -> bool:
        """Whether the provider may be tried now; of a half-open breaker that is said once."""
        if self._state is State.CLOSED:
            return True
        now = self._clock()
        if now < self._until:
            return False
        self._state = State.HALF_OPEN
        self._until = now + self._pause_s
        return True

    def succeeded(self) -> None:
        """It served, whoever had admitted it."""
        self._state = State.CLOSED
        self._failures = 0
        self._pause_s = self._options.pause_s

    def failed(self, *, at_once: bool = False, pause_s: float = 0.0) -> None:
        """It did not serve. `at_once`: no second try can help; `pause_s`: it asked for so long."""
        if self._state is State.HALF_OPEN:
            self._pause_s = min(self._pause_s * 2, self._options.longest_pause_s)
            self._open(pause_s)
        elif self._state is State.OPEN:
            self._until = max(self._until, self._clock() + pause_s)
        else:
            self._failures += 1
            if at_once or pause_s or self._failures >= self._options.failures:
                self._open(pause_s)

    def let_go(self) -> None:
        """The attempt ended without telling anything; another one may probe."""
        if self._state is State.HALF_OPEN:
            self._state, self._until = State.OPEN, self._clock()

    def _open(self, pause_s: float) -> None:
        self._state = State.OPEN
        self._until = self._clock() + max(pause_s, self._pause_s)


class Breakers:
    """The breakers of one process, by stage and provider: all its conversations share them."""

    def __init__(
        self, options: BreakerOptions | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options
        self._clock = clock
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def of(self, stage: str, provider: str) -> Breaker:
        """The one breaker of this provider in this stage."""
        key = (stage, provider)
        if key not in self._breakers:
            self._breakers[key] = Breaker(self._options, self._clock)
        return self._breakers[key]
