"""What a user has said that has no final transcript yet. Pure: audio and times come in."""

from collections.abc import Iterable

from agent.stages.local.speech_gate import (
    WINDOW_S,
    GateEvent,
    SpeechBegan,
    SpeechEnded,
    SpeechWent,
)

RATE_HZ = 16_000
_BYTES_S = 2 * RATE_HZ
KEPT_S = 30.0
"""So much of what was said last is kept."""
_BEFORE_SPEECH_S = 0.5
"""So much is kept while nobody speaks: a detector is sure of speech only after it began."""
_SURELY_SPEECH_S = 1.0
"""So much of what a detector takes for speech holds words; less may have been a cough."""
_FORGOTTEN_S = 10.0
"""After so much silence, sounds that no word came of were none."""


class OpenUtterance:
    """The audio (s16le, 16 kHz, mono) since the last final transcript, and when words are due."""

    def __init__(self) -> None:
        self._pcm = bytearray()
        self._speech_s = 0.0
        self._ended_at: float | None = None
        self._has_words = False

    @property
    def pcm(self) -> bytes:
        """For a recogniser that takes over."""
        return bytes(self._pcm)

    @property
    def over_since(self) -> float | None:
        """When the user ceased to say what has no final transcript; None: nothing is awaited."""
        sure = self._has_words or self._speech_s >= _SURELY_SPEECH_S
        return self._ended_at if sure else None

    def hear(self, pcm: bytes, events: Iterable[GateEvent], now: float) -> None:
        """Audio that comes next, and what a `SpeechGate` made of it; `now` in seconds."""
        for event in events:
            match event:
                case SpeechBegan(ago_s=ago_s):
                    self._speech_s += ago_s
                    self._ended_at = None
                case SpeechWent():
                    self._speech_s += WINDOW_S
                case SpeechEnded(ago_s=ago_s):
                    self._speech_s = max(0.0, self._speech_s - ago_s)
                    self._ended_at = now - ago_s
        if self._is_forgotten(now):
            self._speech_s, self._ended_at = 0.0, None
        self._pcm += pcm
        kept_s = KEPT_S if self._speech_s or self._has_words else _BEFORE_SPEECH_S
        del self._pcm[: -int(kept_s * _BYTES_S)]

    def words(self, *, final: bool) -> None:
        """A recogniser understood something of it; a final transcript ends the utterance."""
        self._has_words = not final
        if final:
            self._pcm.clear()
            self._speech_s, self._ended_at = 0.0, None

    def _is_forgotten(self, now: float) -> bool:
        if self._has_words or self._ended_at is None or self._speech_s >= _SURELY_SPEECH_S:
            return False
        return now - self._ended_at > _FORGOTTEN_S
