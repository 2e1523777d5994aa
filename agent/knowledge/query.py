"""What a query asks for, weighed against one collection: the measure behind every score.

Each content word weighs as much as it is rare, see `rarity`. It is met by its own stem, or less
well by a synonym or a stem near to it in letters. `coverage` is the share of the weight that a text
meets: 0..1, 1 when it has every word, and comparable over queries.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

DOCUMENT_SHARE = 0.5
"""What a word counts that stands in another section of the document only: the page is about it,
this section may not be."""


@dataclass(frozen=True, slots=True)
class QueryWord:
    """One content word of a query."""

    stem: str
    weight: float
    """How much the word tells, > 0."""
    matches: Mapping[str, float]
    """Stems in use that meet it, each with how near it is: 1 for its own."""


@dataclass(frozen=True, slots=True)
class WeighedQuery:
    """The content words of a query, in order."""

    words: tuple[QueryWord, ...]

    @property
    def stems(self) -> frozenset[str]:
        """All stems that meet any of the words."""
        return frozenset(stem for word in self.words for stem in word.matches)

    def coverage(self, stems: Collection[str], document: Collection[str] = ()) -> float:
        """Share of the query that a text with `stems`, its headings' included, meets, 0..1, in a
        document that holds those of `document`."""
        total = sum(word.weight for word in self.words)
        if not total:
            return 0.0
        return sum(word.weight * _met(word, stems, document) for word in self.words) / total


def _met(word: QueryWord, stems: Collection[str], document: Collection[str]) -> float:
    return max(
        (
            near if stem in stems else near * DOCUMENT_SHARE if stem in document else 0.0
            for stem, near in word.matches.items()
        ),
        default=0.0,
    )
