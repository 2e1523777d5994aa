"""What a client has heard, reckoned."""

import pytest

from orchestrator.gateway.playback import Playback


def two_sentences() -> Playback:
    playback = Playback(sentences=["One two three four. ", "Five six."])
    playback.synthesised(0, 1.5)
    playback.synthesised(0, 0.5)
    playback.synthesised(1, 1.0)
    return playback


def test_position_follows_the_clock_but_not_beyond_what_was_sent() -> None:
    """Catches an answer that counts as heard because it was sent."""
    playback = Playback()
    assert playback.position_s(5.0) == 0.0
    playback.sent(2.0, 10.0)
    assert playback.position_s(10.0) == 0.0
    assert playback.position_s(10.5) == 0.5
    playback.sent(1.0, 10.5)
    assert playback.position_s(12.5) == 2.5
    assert playback.position_s(99.0) == 3.0


def test_a_pause_between_chunks_plays_nothing() -> None:
    """Catches a slow synthesiser whose silence counts as speech."""
    playback = Playback()
    playback.sent(1.0, 0.0)
    playback.sent(1.0, 5.0)
    assert playback.position_s(5.5) == 1.5


def test_what_left_late_is_played_late() -> None:
    """Catches the next chunk sent over one that was still on its way out."""
    playback = Playback()
    playback.sent(1.0, 0.0)
    playback.written(1.0, 0.3)
    assert playback.plays_until == 1.3
    playback.written(1.0, 0.1)
    assert playback.plays_until == 1.3


@pytest.mark.parametrize(
    ("position_s", "text"),
    [
        (0.0, ""),
        (0.4, ""),
        (1.0, "One two"),
        (1.99, "One two three"),
        (2.0, "One two three four."),
        (2.5, "One two three four. Five"),
        (3.0, "One two three four. Five six."),
        (9.0, "One two three four. Five six."),
    ],
)
def test_heard_text(position_s: float, text: str) -> None:
    """Catches a history that holds what was generated, or cuts words in half."""
    assert two_sentences().heard(position_s) == text


def test_text_without_audio_is_not_heard() -> None:
    """Catches a sentence in the history that was written, but never synthesised."""
    playback = two_sentences()
    playback.sentences.append("Seven.")
    assert playback.heard(99.0) == "One two three four. Five six."


def test_a_number_in_digits_takes_its_time() -> None:
    """Catches words after a number that are taken for heard while the number is still spoken."""
    playback = Playback(sentences=["Pay $1,234.50 today."])
    playback.synthesised(0, 6.0)
    assert playback.heard(4.0) == "Pay"
    assert playback.heard(6.0) == "Pay $1,234.50 today."
