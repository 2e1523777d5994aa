"""The stems in use in one index: how many passages hold each, and which are near to a word."""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from functools import cache

from agent.knowledge.nearness import fewest_shared, nearest, root_letters
from agent.knowledge.synonyms import GROUPS, RIVAL_NEARNESS, SYNONYM_NEARNESS
from agent.knowledge.words import Stemmer, trigrams


@cache
def synonyms() -> Mapping[str, frozenset[str]]:
    """The stems that mean much the same, by each of them. Made once a process, in 20 ms."""
    stemmer = Stemmer()
    found: defaultdict[str, set[str]] = defaultdict(set)
    for group in GROUPS:
        stems = {stemmer.stem(word) for word in group}
        for stem in stems:
            found[stem] |= stems
    return {stem: frozenset(others) for stem, others in found.items()}


class Vocabulary:
    """Reads through the connection of one thread. Raises `sqlite3.Error`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._synonyms = synonyms()

    def holding(self, stem: str) -> int:
        """Number of passages that hold `stem`."""
        row = self._db.execute(
            "SELECT passages FROM stem_counts WHERE stem = ?", (stem,)
        ).fetchone()
        return int(row[0]) if row else 0

    def share(self, stem: str) -> float:
        """Share of all words of its language that `stem` has; 0 where it is rare."""
        row = self._db.execute("SELECT share FROM common_stems WHERE stem = ?", (stem,)).fetchone()
        return float(row[0]) if row else 0.0

    def matches(self, stem: str, *, by_letters: bool) -> dict[str, float]:
        """Stems in use that meet `stem`, each with how near it is, 1 for its own.

        Synonyms and stems of the same root always; those of like letters when asked for, or when
        there is nothing else.
        """
        held = bool(self.holding(stem))
        known = {other for other in self._synonyms.get(stem, ()) if self.holding(other)}
        found = dict.fromkeys(known, RIVAL_NEARNESS if held else SYNONYM_NEARNESS)
        found.update(self._near(stem, root_letters(stem), at_least=1))
        if held:
            found[stem] = 1.0
        if by_letters or not found:
            alike = sorted(trigrams(stem))
            found = {**self._near(stem, alike, at_least=fewest_shared(len(alike))), **found}
        return found

    def _near(self, stem: str, keys: list[str], *, at_least: int) -> dict[str, float]:
        """Stems in use that share `at_least` so many `keys`, and are near to `stem`."""
        marks = ", ".join("?" * len(keys))
        rows = self._db.execute(
            f"SELECT stem FROM letters WHERE letters IN ({marks})"  # noqa: S608 — question marks
            " GROUP BY stem HAVING count(*) >= ?",
            (*keys, at_least),
        )
        return nearest(stem, (other for (other,) in rows))
