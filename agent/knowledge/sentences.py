"""Splitting running text into sentences, in English and Arabic."""

import re
from collections.abc import Iterator

_END = re.compile(r"(?<=[.!?؟…])[\"'”’»)\]]*\s+(?=[^\sa-z])")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:mr|mrs|ms|dr|prof|st|no|nr|vs|etc|approx|e\.g|i\.e|[a-z])\.$", re.IGNORECASE
)

_LONGEST_ABBREVIATION = 8


def sentences(text: str) -> list[str]:
    """Sentences of `text` in order, trimmed and not empty. A line break ends one too."""
    return [s for line in text.splitlines() for s in _of_line(line.strip()) if s]


def _of_line(line: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(line):
        last_word = line[max(start, end.start() - _LONGEST_ABBREVIATION) : end.start()]
        if _ABBREVIATION.search(last_word):
            continue
        yield line[start : end.end()].rstrip()
        start = end.end()
    yield line[start:]
