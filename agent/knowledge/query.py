"""What a query asks for, weighed against one collection: the measure behind every score.

Each content word weighs as much as it is rare in the collection (BM25's inverse document
frequency). It is met by its own stem, or less well by a synonym or a stem near to it in letters.
`coverage` is the share of the weight that a text meets: 0..1, 1 when it has every word, and
comparable over queries.

A noun that another one narrows down, as in "garden furniture", is half met by a text that knows
nothing of gardens. What narrows stands before the noun in English and after it in Arabic.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

HEADING_SHARE = 0.9
"""What a word counts that stands in the heading only: the passage may speak of something else."""
NOT_NARROWED_SHARE = 0.5
"""What a word counts when the text lacks the word that narrows it down."""


@dataclass(frozen=True, slots=True)
class QueryWord:
    """One content word of a query."""

    stem: str
    weight: float
    """How much the word tells, > 0."""
    matches: Mapping[str, float]
    """Stems in use that meet it, each with how near it is: 1 for its own."""
    narrowed_by: int | None = None
    """Index of the query's word that narrows this one down."""


@dataclass(frozen=True, slots=True)
class WeighedQuery:
    """The content words of a query, in order."""

    words: tuple[QueryWord, ...]

    @property
    def stems(self) -> frozenset[str]:
        """All stems that meet any of the words."""
        return frozenset(stem for word in self.words for stem in word.matches)

    def coverage(self, stems: Collection[str], context: Collection[str] = ()) -> float:
        """Share of the query that a text with `stems` under headings of `context` meets, 0..1."""
        total = sum(word.weight for word in self.words)
        if not total:
            return 0.0
        met = [_met(word, stems, context) for word in self.words]
        return (
            sum(
                word.weight * share * _narrowed(word, met)
                for word, share in zip(self.words, met, strict=True)
            )
            / total
        )


def idf(passages: int, holding: int) -> float:
    """BM25's inverse document frequency; > 0."""
    return math.log(1 + (passages - holding + 0.5) / (holding + 0.5))


def _met(word: QueryWord, stems: Collection[str], context: Collection[str]) -> float:
    return max(
        (
            near if stem in stems else near * HEADING_SHARE if stem in context else 0.0
            for stem, near in word.matches.items()
        ),
        default=0.0,
    )


def _narrowed(word: QueryWord, met: list[float]) -> float:
    if word.narrowed_by is None or met[word.narrowed_by]:
        return 1.0
    return NOT_NARROWED_SHARE
