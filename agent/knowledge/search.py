"""One query against one index: stems first, letters where they find nothing.

BM25 over the stems proposes candidates; `query.coverage` judges them. A word that no passage
holds is looked up by its trigrams among the stems in use, so that a misheard or misspelt word,
or another form of one, still finds its passage.
"""

import sqlite3
from dataclasses import dataclass

from agent.knowledge.passages import Passage
from agent.knowledge.query import QueryWord, WeighedQuery, idf
from agent.knowledge.words import Stemmer, is_content, trigrams, words

_CANDIDATES = 40
_MAX_QUERY_WORDS = 32
_NEAREST = 4
_MIN_NEARNESS = 0.5
_MIN_LETTERS = 4
_RANK_SHARE = 0.15
"""How much of a score is BM25's opinion; the rest is coverage."""
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
class _Candidate:
    passage: Passage
    heading_stems: frozenset[str]
    text_stems: frozenset[str]
    bm25: float
    """Larger is better."""


def search(
    db: sqlite3.Connection, stemmer: Stemmer, query: str, limit: int
) -> tuple[tuple[QueryWord, ...], tuple[tuple[Passage, float], ...]]:
    """The query as weighed, and up to `limit` passages with their scores 0..1, best first."""
    weighed = WeighedQuery(_weigh(db, stemmer, query))
    candidates = _candidates(db, weighed)
    best = max((candidate.bm25 for candidate in candidates), default=0.0)
    scored = [(c.passage, _score(weighed, c, best)) for c in candidates]
    scored.sort(key=lambda entry: -entry[1])
    return weighed.words, tuple(scored[:limit])


def _score(query: WeighedQuery, candidate: _Candidate, best_bm25: float) -> float:
    coverage = query.coverage(candidate.text_stems, candidate.heading_stems)
    rank = candidate.bm25 / best_bm25 if best_bm25 > 0 else 1.0
    return coverage * (1 - _RANK_SHARE + _RANK_SHARE * rank)


def _weigh(db: sqlite3.Connection, stemmer: Stemmer, query: str) -> tuple[QueryWord, ...]:
    stems = dict.fromkeys(stemmer.stem(word) for word in words(query) if is_content(word))
    (passages,) = db.execute("SELECT count(*) FROM passages").fetchone()
    return tuple(_word(db, stem, passages) for stem in list(stems)[:_MAX_QUERY_WORDS])


def _word(db: sqlite3.Connection, stem: str, passages: int) -> QueryWord:
    holding = _count(db, stem)
    if holding:
        return QueryWord(stem, idf(passages, holding), {stem: 1.0})
    near = _nearest(db, stem)
    return QueryWord(stem, idf(passages, sum(_count(db, other) for other in near) or 1), near)


def _count(db: sqlite3.Connection, stem: str) -> int:
    row = db.execute("SELECT doc FROM stem_counts WHERE term = ?", (stem,)).fetchone()
    return row[0] if row else 0


def _nearest(db: sqlite3.Connection, stem: str) -> dict[str, float]:
    """Stems in use that share at least half of their trigrams with `stem`, and how many (Dice)."""
    if len(stem) < _MIN_LETTERS or stem.isdigit():
        return {}
    wanted = trigrams(stem)
    marks = ", ".join("?" * len(wanted))
    rows = db.execute(
        f"SELECT stem, count(*) FROM trigrams WHERE trigram IN ({marks}) GROUP BY stem",  # noqa: S608 — question marks
        tuple(wanted),
    )
    nearness = (
        (2 * shared / (len(wanted) + len(trigrams(other))), other) for other, shared in rows
    )
    near = sorted((entry for entry in nearness if entry[0] >= _MIN_NEARNESS), reverse=True)
    return {other: value for value, other in near[:_NEAREST]}


def _candidates(db: sqlite3.Connection, query: WeighedQuery) -> list[_Candidate]:
    if not query.stems:
        return []
    match = " OR ".join(f'"{stem}"' for stem in sorted(query.stems))
    rows = db.execute(_PASSAGES, (_HEADING_WEIGHT, match, _CANDIDATES))
    return [
        _Candidate(
            Passage(filename, chunk_index, title, heading, text),
            frozenset(heading_stems.split()),
            frozenset(text_stems.split()),
            -rank,
        )
        for filename, chunk_index, title, heading, text, heading_stems, text_stems, rank in rows
    ]
