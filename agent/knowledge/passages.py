"""Cutting a document into passages: the unit that is found, quoted and cited.

A passage never spans two sections and holds whole sentences, up to `MAX_WORDS` of them; long
sections are cut into parts of about equal length. Passages do not overlap: the heading that each
carries gives the context, and an overlap would find one fact twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from agent.knowledge.sections import Document
from agent.knowledge.sentences import sentences

MAX_WORDS = 120


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage of one document."""

    filename: str
    """Path of the document from its collection's folder, with `/`: `returns.md`, `en/faq.md`."""
    chunk_index: int
    """Counts the document's passages from 0."""
    title: str
    """Title of the document."""
    heading: str
    """Headings of the section below the title, joined by ` › `; empty before the first."""
    text: str
    """Plain text without markup; a line break between paragraphs and between list items."""


def passages(filename: str, document: Document) -> tuple[Passage, ...]:
    """All passages of `document`, in its order."""
    index = count()
    return tuple(
        Passage(filename, next(index), document.title, section.heading, text)
        for section in document.sections
        for text in _cut(section.text)
    )


def _cut(text: str) -> Iterator[str]:
    pieces = [piece for line in text.splitlines() for piece in _line_pieces(line)]
    total = sum(length for _, length in pieces)
    parts = -(-total // MAX_WORDS)
    if not parts:
        return
    target = total / parts
    part, part_words = "", 0
    for piece, length in pieces:
        too_long = part_words + length > MAX_WORDS
        if part and (too_long or part_words >= target):
            yield part.strip()
            part, part_words = "", 0
        part += piece
        part_words += length
    yield part.strip()


def _line_pieces(line: str) -> Iterator[tuple[str, int]]:
    """Sentences with what separates them from the next one, and their number of words."""
    found = [piece for sentence in sentences(line) for piece in _short_enough(sentence)]
    for position, piece in enumerate(found, start=1):
        yield piece + ("\n" if position == len(found) else " "), len(piece.split())


def _short_enough(sentence: str) -> Iterator[str]:
    parts = sentence.split()
    for start in range(0, len(parts), MAX_WORDS):
        yield " ".join(parts[start : start + MAX_WORDS])
