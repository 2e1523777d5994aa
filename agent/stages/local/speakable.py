"""Text as a synthesiser takes it: no control characters, no mark-up, in bounded pieces."""

import re
import unicodedata

MAX_PIECE_CHARS = 500

_MARKUP = re.compile(r"[*_`#~|<>\[\]{}\\^]+")
_SPACE = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"[.!?؟…:;؛,،]\s")
_DROPPED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "So"})


def pieces(text: str) -> list[str]:
    """`text` cleaned and cut, at ends of sentences where there are any, else at spaces.

    No piece is longer than `MAX_PIECE_CHARS`; none is empty.
    """
    rest = _clean(text)
    found = []
    while len(rest) > MAX_PIECE_CHARS:
        cut = _cut_at(rest)
        found.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    if rest:
        found.append(rest)
    return found


def _clean(text: str) -> str:
    kept = "".join(
        char if unicodedata.category(char) not in _DROPPED_CATEGORIES else " " for char in text
    )
    return _SPACE.sub(" ", _MARKUP.sub(" ", kept)).strip()


def _cut_at(text: str) -> int:
    window = text[:MAX_PIECE_CHARS]
    ends = [match.end() for match in _SENTENCE_END.finditer(window)]
    if ends:
        return ends[-1]
    space = window.rfind(" ")
    return space if space > 0 else MAX_PIECE_CHARS
