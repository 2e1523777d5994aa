"""Speech in, silence out: by probabilities, in audio time."""

from agent.stages.local.speech_gate import (
    WINDOW_S,
    GateEvent,
    GateOptions,
    SpeechBegan,
    SpeechEnded,
    SpeechGate,
    SpeechWent,
)

OPTIONS = GateOptions(min_speech_s=0.064, min_silence_s=0.32, pre_roll_s=0.16, max_speech_s=3.2)


def window(number: int) -> bytes:
    return number.to_bytes(2, "big")


def run(gate: SpeechGate, probabilities: list[float]) -> list[tuple[int, GateEvent]]:
    return [
        (number, event)
        for number, probability in enumerate(probabilities)
        for event in gate.push(window(number), probability)
    ]


def test_silence_and_clicks_stay_out() -> None:
    """Catches a recogniser that is fed silence, of which it makes words."""
    assert run(SpeechGate(OPTIONS), [0.0] * 50 + [0.9] + [0.0] * 50) == []


def test_speech_comes_with_what_was_before_it() -> None:
    """Catches first syllables that are cut off, and audio that is sent twice or not at all."""
    events = run(SpeechGate(OPTIONS), [0.0] * 20 + [0.9] * 10)
    number, began = events[0]
    assert isinstance(began, SpeechBegan)
    assert number == 21
    assert began.pcm == b"".join(window(n) for n in range(15, 22))
    assert began.ago_s == 2 * WINDOW_S
    assert [event for _, event in events[1:]] == [SpeechWent(window(n)) for n in range(22, 30)]


def test_a_pause_within_speech_is_not_its_end() -> None:
    """Catches sentences cut at every breath, and hysteresis that is lost."""
    events = run(SpeechGate(OPTIONS), [0.9] * 5 + [0.1] * 9 + [0.4] + [0.1] * 9)
    assert not any(isinstance(event, SpeechEnded) for _, event in events)


def test_silence_ends_speech_once() -> None:
    """Catches an end that comes late, twice, or with the wrong time."""
    events = run(SpeechGate(OPTIONS), [0.9] * 5 + [0.1] * 40)
    ends = [(number, event) for number, event in events if isinstance(event, SpeechEnded)]
    [(number, end)] = ends
    assert number == 14
    assert abs(end.ago_s - 0.32) < 1e-9


def test_speech_begins_again_after_its_end() -> None:
    """Catches a gate that stays shut, or a second utterance that begins with the first."""
    events = run(SpeechGate(OPTIONS), [0.9] * 5 + [0.1] * 12 + [0.9] * 3)
    began = [event for _, event in events if isinstance(event, SpeechBegan)]
    assert len(began) == 2
    assert window(4) not in began[1].pcm


def test_endless_speech_is_cut() -> None:
    """Catches an utterance without bound, of music say."""
    events = run(SpeechGate(OPTIONS), [0.9] * 250)
    assert sum(isinstance(event, SpeechEnded) for _, event in events) == 2


def test_closing_ends_what_is_open_only() -> None:
    """Catches a committed turn that goes on, and an end of what never began."""
    gate = SpeechGate(OPTIONS)
    assert gate.close() == []
    run(gate, [0.9] * 5)
    assert gate.is_open
    assert gate.close() == [SpeechEnded(0.0)]
    assert gate.close() == []
