"""One query against one index: stems first, letters where those find too little.

BM25 over the stems proposes candidates; `query.coverage` judges them. A second pass, with every
stem that is near to a word of the query, runs only when the first finds no good passage.
"""

import sqlite3
from dataclasses import dataclass
from itertools import accumulate

from agent.knowledge.passages import Passage
from agent.knowledge.query import QueryWord, WeighedQuery, idf
from agent.knowledge.store import SENTENCE_MARK
from agent.knowledge.vocabulary import Vocabulary
from agent.knowledge.words import Stemmer, is_arabic, is_content, words

ANSWERABLE_SCORE = 0.48
"""From this score of the best passage on, the documents are taken to hold the answer."""

_CANDIDATES = 30
_MAX_MATCHED = 2000
"""Passages that the words of a query may match: it bounds the time that ranking them takes."""
_MAX_QUERY_WORDS = 32
_SENTENCE_SHARE = 0.35
"""How much of the coverage is that of the passage's best sentence: words that stand far apart
may have nothing to do with one another."""
_RANK_SHARE = 0.1
"""How much of a score is BM25's opinion; the rest is coverage."""
_FIT_SHARE = 0.05
"""How much of a score is whether the section is named as the query puts it."""
_HEADING_WEIGHT = 2.0

_PASSAGES = """
SELECT filename, chunk_index, title, passages.heading, passages.text, stems.heading, stems.text,
       candidates.rank
FROM (
    SELECT rowid, bm25(stems, ?, 1.0) AS rank FROM stems WHERE stems MATCH ?
    ORDER BY rank LIMIT ?
) AS candidates
JOIN stems ON stems.rowid = candidates.rowid
JOIN passages ON passages.id = candidates.rowid
JOIN documents ON documents.id = passages.document
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to."""

    words: tuple[QueryWord, ...]
    passages: tuple[tuple[Passage, float], ...]
    """With their scores 0..1, best first."""

    @property
    def best(self) -> float:
        """Score of the best passage; 0 without one."""
        return self.passages[0][1] if self.passages else 0.0


@dataclass(frozen=True, slots=True)
class _Candidate:
    passage: Passage
    headings: tuple[frozenset[str], ...]
    """Stems of the document's title, and of the section's heading."""
    sentences: tuple[frozenset[str], ...]
    """Stems of each."""
    bm25: float
    """Larger is better."""


class Search:
    """Searches through the connection of one thread. Raises `sqlite3.Error`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._stemmer = Stemmer()
        self._vocabulary = Vocabulary(db, self._stemmer)

    def __call__(self, query: str, limit: int) -> Found:
        """What the index has on `query`: up to `limit` passages."""
        self._db.execute("BEGIN")  # both passes see the same index
        try:
            found = self._pass(query, limit, by_letters=False)
            if found.best < ANSWERABLE_SCORE:
                wider = self._pass(query, limit, by_letters=True)
                found = wider if wider.best > found.best else found
        finally:
            self._db.execute("COMMIT")
        return found

    def _pass(self, query: str, limit: int, *, by_letters: bool) -> Found:
        weighed = WeighedQuery(self._weigh(query, by_letters=by_letters))
        candidates = self._candidates(weighed)
        best = max((candidate.bm25 for candidate in candidates), default=0.0)
        stems = weighed.stems
        scored = [(c.passage, _score(weighed, stems, c, best)) for c in candidates]
        scored.sort(key=lambda entry: -entry[1])
        return Found(weighed.words, tuple(scored[:limit]))

    def _weigh(self, query: str, *, by_letters: bool) -> tuple[QueryWord, ...]:
        (passages,) = self._db.execute("SELECT passages FROM collection").fetchone()
        return tuple(
            self._word(stem, narrowed_by, passages, by_letters=by_letters)
            for stem, narrowed_by in _narrowing(query, self._stemmer)
        )

    def _word(
        self, stem: str, narrowed_by: int | None, passages: int, *, by_letters: bool
    ) -> QueryWord:
        matches = self._vocabulary.matches(stem, by_letters=by_letters)
        holding = self._vocabulary.holding(stem) or max(
            (self._vocabulary.holding(other) for other in matches), default=0
        )
        return QueryWord(stem, idf(passages, holding), matches, narrowed_by)

    def _telling(self, stems: frozenset[str]) -> list[str]:
        """The rarer of `stems`: enough of them to propose candidates, and not half the index."""
        holding = {stem: self._vocabulary.holding(stem) for stem in stems}
        rarest_first = sorted(stems, key=lambda stem: (holding[stem], stem))
        matched = accumulate(holding[stem] for stem in rarest_first)
        few = [s for s, n in zip(rarest_first, matched, strict=True) if n <= _MAX_MATCHED]
        return few or rarest_first[:1]

    def _candidates(self, query: WeighedQuery) -> list[_Candidate]:
        if not query.stems:
            return []
        match = " OR ".join(f'"{stem}"' for stem in self._telling(query.stems))
        rows = self._db.execute(_PASSAGES, (_HEADING_WEIGHT, match, _CANDIDATES))
        return [
            _Candidate(
                Passage(filename, chunk_index, title, heading, text),
                _stem_sets(heading_stems),
                _stem_sets(text_stems),
                -rank,
            )
            for filename, chunk_index, title, heading, text, heading_stems, text_stems, rank in rows
        ]


def _score(
    query: WeighedQuery, stems: frozenset[str], candidate: _Candidate, best_bm25: float
) -> float:
    headings, sentences = frozenset().union(*candidate.headings), candidate.sentences
    coverage = (1 - _SENTENCE_SHARE) * query.coverage(frozenset().union(*sentences), headings)
    coverage += _SENTENCE_SHARE * max(query.coverage(s, headings) for s in sentences)
    rank = candidate.bm25 / best_bm25 if best_bm25 > 0 else 1.0
    fit = _share(stems, candidate.headings[-1])
    return coverage * (1 - _RANK_SHARE - _FIT_SHARE + _RANK_SHARE * rank + _FIT_SHARE * fit)


def _share(stems: frozenset[str], heading: frozenset[str]) -> float:
    """Share of a heading's words that are among `stems`."""
    telling = frozenset(stem for stem in heading if is_content(stem))
    return len(telling & stems) / len(telling) if telling else 0.0


def _stem_sets(marked: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(stems.split()) for stems in marked.split(SENTENCE_MARK))


def _narrowing(query: str, stemmer: Stemmer) -> list[tuple[str, int | None]]:
    """Stems of the content words, each with the index of the one beside it that narrows it."""
    runs: list[list[str]] = [[]]
    for word in words(query):
        if is_content(word):
            runs[-1].append(stemmer.stem(word))
        elif runs[-1]:
            runs.append([])
    stems = list(dict.fromkeys(stem for run in runs for stem in run))[:_MAX_QUERY_WORDS]
    place = {stem: index for index, stem in enumerate(stems)}
    beside: dict[str, int | None] = {}
    step = 1 if is_arabic(query) else -1
    for run in runs:
        for index, stem in enumerate(run):
            other = index + step
            if 0 <= other < len(run) and run[other] != stem:
                beside.setdefault(stem, place.get(run[other]))
    return [(stem, beside.get(stem)) for stem in stems]
