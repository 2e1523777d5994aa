"""Text as a synthesiser takes it: in words, without control characters or mark-up, bounded."""

import re
import unicodedata

from agent.stages.normalization import Run, runs

MAX_PIECE_CHARS = 500

_MARKUP = re.compile(r"[*_`#~|<>\[\]{}\\^]+")
_STROKES = re.compile("ـ+")
"""That lengthen Arabic letters, and tie a number's preposition to it."""
_SPACE = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"[.!?؟…:;؛,،]\s")
_CONTROLS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_PICTURES = "So"
_LETTERS_BY_SHAPE = re.compile(r"[\ufb50-\ufdff\ufe70-\ufeff]+")


def pieces(text: str, language: str) -> list[Run]:
    """A text in `language` (BCP-47) in words, cut where the language changes and where it is long.

    Cut at ends of sentences where there are any, else at spaces. No piece is longer than
    `MAX_PIECE_CHARS`; none is empty.
    """
    return [
        Run(piece, run.language)
        for run in runs(_without_controls(text), language)
        for piece in _bounded(_clean(run.spoken))
    ]


def _without_controls(text: str) -> str:
    shaped = _LETTERS_BY_SHAPE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    return "".join(" " if unicodedata.category(char) in _CONTROLS else char for char in shaped)


def _clean(text: str) -> str:
    kept = "".join(" " if unicodedata.category(char) == _PICTURES else char for char in text)
    return _SPACE.sub(" ", _MARKUP.sub(" ", _STROKES.sub("", kept))).strip()


def _bounded(rest: str) -> list[str]:
    found = []
    while len(rest) > MAX_PIECE_CHARS:
        cut = _cut_at(rest)
        found.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    if rest:
        found.append(rest)
    return found


def _cut_at(text: str) -> int:
    window = text[:MAX_PIECE_CHARS]
    ends = [match.end() for match in _SENTENCE_END.finditer(window)]
    if ends:
        return ends[-1]
    space = window.rfind(" ")
    return space if space > 0 else MAX_PIECE_CHARS
