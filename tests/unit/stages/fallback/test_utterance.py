"""What is kept of what was said, and when its words are due; in audio time."""

import pytest

from agent.stages.fallback.utterance import KEPT_S, RATE_HZ, OpenUtterance
from agent.stages.local.speech_gate import (
    WINDOW_S,
    WINDOW_SAMPLES,
    GateEvent,
    SpeechBegan,
    SpeechEnded,
    SpeechWent,
)

SECOND = bytes(2 * RATE_HZ)
WINDOW = b"\x01\x00" * WINDOW_SAMPLES


class Told:
    """An utterance and the audio time of it."""

    def __init__(self) -> None:
        self.utterance = OpenUtterance()
        self.now = 50.0

    def speak(self, seconds: float) -> None:
        """So much speech, and then the silence that shows that it is over."""
        for number in range(round(seconds / WINDOW_S)):
            first: GateEvent = SpeechBegan(WINDOW, WINDOW_S)
            self.hear(WINDOW, first if number == 0 else SpeechWent(WINDOW))
        for _ in range(10):
            self.hear(bytes(len(WINDOW)), SpeechWent(WINDOW))
        self.utterance.hear(b"", [SpeechEnded(10 * WINDOW_S)], self.now)

    def silence(self, seconds: float) -> None:
        for _ in range(round(seconds / WINDOW_S)):
            self.hear(bytes(len(WINDOW)))

    def hear(self, pcm: bytes, *events: GateEvent) -> None:
        self.now += WINDOW_S
        self.utterance.hear(pcm, events, self.now)


def test_words_are_due_from_the_end_of_speech() -> None:
    """Catches a recogniser that is given up on while the user speaks, or never."""
    told = Told()
    told.speak(2.0)
    assert told.utterance.over_since == pytest.approx(told.now - 10 * WINDOW_S)
    told.hear(WINDOW, SpeechBegan(WINDOW, WINDOW_S))
    assert told.utterance.over_since is None


def test_a_cough_has_no_words() -> None:
    """Catches a recogniser that is given up on for a cough, and a cough that is kept for ever."""
    told = Told()
    told.speak(0.4)
    assert told.utterance.over_since is None
    assert told.utterance.pcm.count(WINDOW) > 0
    told.silence(11)
    assert WINDOW not in told.utterance.pcm


def test_a_short_word_that_is_said_again_and_again() -> None:
    """Catches a user whose "yes" is never heard by a recogniser that has stalled."""
    told = Told()
    for _ in range(3):
        told.speak(0.4)
        told.silence(2)
    assert told.utterance.over_since is not None


def test_interim_words_are_words() -> None:
    """Catches a short utterance whose final transcript never comes."""
    told = Told()
    told.speak(0.4)
    told.utterance.words(final=False)
    assert told.utterance.over_since is not None


def test_a_final_transcript_ends_it() -> None:
    """Catches words that are heard twice because they are played again."""
    told = Told()
    told.speak(2.0)
    told.utterance.words(final=True)
    assert told.utterance.over_since is None
    assert told.utterance.pcm == b""


def test_what_is_kept_is_bounded() -> None:
    """Catches memory that grows with a user who talks, or with silence."""
    told = Told()
    told.silence(60)
    assert len(told.utterance.pcm) <= len(SECOND)
    told.speak(2 * KEPT_S)
    assert len(told.utterance.pcm) == KEPT_S * len(SECOND)
