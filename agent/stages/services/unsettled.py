"""What was said and has no final transcript yet, kept so that it can be sent again. Pure.

Positions are in samples since the stream began, whichever connection they went over.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Flush:
    """The utterance was said to be over, here."""

    asked_at: float
    """On the monotonic clock."""


@dataclass(slots=True)
class _Piece:
    start: int
    """Position of its first sample."""
    pcm: bytes

    @property
    def end(self) -> int:
        return self.start + len(self.pcm) // _SAMPLE_BYTES


class Unsettled:
    """Audio and flushes, in order; of audio the latest `longest` samples at most."""

    def __init__(self, *, longest: int) -> None:
        self._longest = longest
        self._kept: deque[_Piece | Flush] = deque()
        self.end = 0
        """Position after the last sample."""

    @property
    def start(self) -> int:
        """Position of the first sample that is kept."""
        return next((kept.start for kept in self._kept if isinstance(kept, _Piece)), self.end)

    @property
    def flush(self) -> Flush | None:
        """The oldest one that was not answered."""
        return next((kept for kept in self._kept if isinstance(kept, Flush)), None)

    def __iter__(self) -> Iterator[bytes | Flush]:
        """All of it, to be sent again."""
        return iter([kept.pcm if isinstance(kept, _Piece) else kept for kept in self._kept])

    def hear(self, pcm: bytes) -> None:
        """More audio, mono s16le."""
        piece = _Piece(self.end, pcm)
        self._kept.append(piece)
        self.end = piece.end
        if self.end - self.start > self._longest:
            self.settle(self.end - self._longest)

    def flush_now(self, asked_at: float) -> None:
        """The utterance is said to be over."""
        self._kept.append(Flush(asked_at))

    def answered(self) -> None:
        """A final transcript came: the oldest flush, if there is any, has been answered."""
        flush = self.flush
        if flush is not None:
            self._kept.remove(flush)

    def settle(self, position: int) -> None:
        """No transcript will come any more of what was before `position`."""
        flushes = []
        while self._kept:
            first = self._kept[0]
            if isinstance(first, Flush):
                flushes.append(first)
            elif first.end > position:
                if first.start < position:
                    first.pcm = first.pcm[(position - first.start) * _SAMPLE_BYTES :]
                    first.start = position
                break
            self._kept.popleft()
        self._kept.extendleft(reversed(flushes))
