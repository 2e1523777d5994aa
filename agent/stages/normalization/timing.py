"""How far into a text a voice is, as numbers take longer to say than to write. Pure."""

import re

from agent.stages.normalization.readings import Reading, base_language, readings

_WORD = re.compile(r"\S+")


def beginning(text: str, part: float) -> str:
    """The written words that are spoken whole in the first `part` (0..1) of a text's audio.

    Every spoken word is taken to last as long as any other.
    """
    spans = [match.span() for match in _WORD.finditer(text)]
    lasting = [0.0] * len(spans)
    at = word = 0
    for reading in readings(text, base_language(text)):
        end = at + len(reading.written)
        while word < len(spans) and spans[word][1] <= at:
            word += 1
        reached = word
        while reached < len(spans) and spans[reached][0] < end:
            lasting[reached] += _lasts(reading, at, spans[reached])
            reached += 1
        at = end
    due, heard = sum(lasting) * part, 0
    for length in lasting:
        due -= length
        if due < -1e-9:
            break
        heard += 1
    return " ".join(text[start:end] for start, end in spans[:heard])


def _lasts(reading: Reading, at: int, span: tuple[int, int]) -> float:
    """How many words are spoken for what a written word has of a reading, which begins at `at`."""
    start, end = span
    if reading.spoken == reading.written:
        return 1.0 if start >= at else 0.0
    overlap = min(end, at + len(reading.written)) - max(start, at)
    return len(reading.spoken.split()) * overlap / len(reading.written)
