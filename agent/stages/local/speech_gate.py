"""Lets speech through and keeps silence out. Pure: probabilities and audio in, events out.

Recognisers make words of silence ("please"), so only speech reaches them, with a little of what
came before it, as a detector is sure of speech only some time after it began. All times are
audio time.
"""

from collections import deque
from dataclasses import dataclass

WINDOW_SAMPLES = 512
WINDOW_S = WINDOW_SAMPLES / 16_000
"""What one probability is about: the detector's window, 32 ms at 16 kHz."""


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Speech has begun; `pcm` is the audio from a little before it to now."""

    pcm: bytes
    ago_s: float
    """How long ago it began, in audio time."""


@dataclass(frozen=True, slots=True)
class SpeechWent:
    """Speech goes on."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """Speech is over."""

    ago_s: float
    """How long ago it ended, in audio time."""


GateEvent = SpeechBegan | SpeechWent | SpeechEnded


@dataclass(frozen=True, slots=True)
class GateOptions:
    """When speech begins and ends."""

    activation: float = 0.5
    """Probability from which a window is speech."""
    deactivation: float = 0.35
    """Probability below which it is not, while speech goes on."""
    min_speech_s: float = 0.064
    min_silence_s: float = 0.35
    pre_roll_s: float = 0.4
    max_speech_s: float = 55.0
    """An utterance longer than this is cut in two."""


class SpeechGate:
    """The gate of one stream; starts closed."""

    def __init__(self, options: GateOptions | None = None) -> None:
        self._options = options or GateOptions()
        self._pre_roll: deque[bytes] = deque(
            maxlen=round((self._options.pre_roll_s + self._options.min_speech_s) / WINDOW_S)
        )
        self._open = False
        self._speech_s = 0.0
        self._silence_s = 0.0
        self._open_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether speech goes on."""
        return self._open

    def push(self, window: bytes, probability: float) -> list[GateEvent]:
        """What a window of audio (s16le) with this probability of speech means."""
        if self._open:
            return self._push_open(window, probability)
        self._pre_roll.append(window)
        self._speech_s = self._speech_s + WINDOW_S if probability >= self._options.activation else 0
        if self._speech_s + 1e-9 < self._options.min_speech_s:
            return []
        self._open, self._silence_s, self._open_s = True, 0.0, 0.0
        pcm = b"".join(self._pre_roll)
        self._pre_roll.clear()
        return [SpeechBegan(pcm, self._speech_s)]

    def close(self) -> list[GateEvent]:
        """End the speech that goes on, if any does, as if silence had followed."""
        if not self._open:
            return []
        self._open, self._speech_s = False, 0.0
        return [SpeechEnded(self._silence_s)]

    def _push_open(self, window: bytes, probability: float) -> list[GateEvent]:
        self._open_s += WINDOW_S
        spoken = probability > self._options.deactivation
        self._silence_s = 0.0 if spoken else self._silence_s + WINDOW_S
        events: list[GateEvent] = [SpeechWent(window)]
        silent = self._silence_s + 1e-9 >= self._options.min_silence_s
        if silent or self._open_s >= self._options.max_speech_s:
            events += self.close()
        return events
