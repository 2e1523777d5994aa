"""What the synthesis service still has to say."""

import pytest

from agent.stages.services.messages import (
    MAX_SEGMENT_CHARACTERS,
    CancelSegment,
    ErrorCode,
    FlushText,
    SpeakText,
)
from services.channel import PeerFailed
from services.tts import MAX_SEGMENTS_AHEAD, Script


def test_sentences_are_known_as_soon_as_they_are_over() -> None:
    """Catches a service that waits for all of the text, or cuts it anywhere."""
    script = Script()
    script.take(SpeakText(0, "It is o"))
    segment = script.current
    assert segment is not None
    assert not segment.sentences
    script.take(SpeakText(0, "pen. From nine"))
    assert list(segment.sentences) == ["It is open. "]
    script.take(FlushText(0))
    assert list(segment.sentences) == ["It is open. ", "From nine"]
    assert segment.complete


def test_segments_are_spoken_in_their_order() -> None:
    """Catches a segment that takes another one's place, and one that comes back."""
    script = Script()
    for number in (0, 1):
        script.take(SpeakText(number, "Yes. "))
        script.take(FlushText(number))
    assert script.current is not None
    assert script.current.number == 0
    script.next_done()
    assert script.current.number == 1
    script.next_done()
    script.take(SpeakText(0, "No. "))
    assert script.current is None


def test_a_cancelled_segment_says_no_more() -> None:
    """Catches an answer that goes on after it was interrupted."""
    script = Script()
    script.take(SpeakText(0, "One. Two. Three. "))
    segment = script.current
    assert segment is not None
    script.take(FlushText(0))
    segment.sentences.popleft()
    script.take(CancelSegment(0))
    script.take(SpeakText(0, "Four. "))
    assert segment.cancelled
    assert segment.complete
    assert not segment.sentences


def test_too_much_text_is_refused() -> None:
    """Catches memory that a peer fills as it likes."""
    script = Script()
    for _ in range(MAX_SEGMENT_CHARACTERS // 1000):
        script.take(SpeakText(0, "x" * 1000))
    with pytest.raises(PeerFailed) as refused:
        script.take(SpeakText(0, "x"))
    assert refused.value.code is ErrorCode.TOO_LARGE
    ahead = Script()
    for number in range(MAX_SEGMENTS_AHEAD):
        ahead.take(FlushText(number))
    with pytest.raises(PeerFailed):
        ahead.take(FlushText(MAX_SEGMENTS_AHEAD))
