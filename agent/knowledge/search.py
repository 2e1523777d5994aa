"""One query against one index: stems first, letters where those find too little.

BM25 over the stems proposes candidates; `query.coverage` judges them. A second pass, with every
stem that is near to a word of the query, runs only when the first finds no good passage.
"""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from itertools import accumulate

from agent.knowledge.expected import Kind, asked_for, fit
from agent.knowledge.passages import Passage
from agent.knowledge.query import QueryWord, WeighedQuery
from agent.knowledge.rarity import weight
from agent.knowledge.store import SENTENCE_MARK
from agent.knowledge.vocabulary import Vocabulary
from agent.knowledge.words import Stemmer, is_content, words

ANSWERABLE_SCORE = 0.44
"""From this score of the best passage on, the documents are taken to hold the answer."""

GUESS_SCORE = 0.28
"""The same of a query that may have been misheard: below, the best passage is no more likely than
any other to be what was asked for."""

_CANDIDATES = 30
"""Passages that are judged: several times as many as are returned, as judging may turn them."""
_MAX_MATCHED = 2000
"""Passages that the words of a query may match: it bounds the time that ranking them takes."""
_MAX_QUERY_WORDS = 32
"""More than a spoken question has; it bounds the time that a pasted text takes."""
_SENTENCE_SHARE = 0.35
"""How much of the coverage is that of the passage's best sentence: words that stand far apart
may have nothing to do with one another."""
_RANK_SHARE = 0.1
"""How much of a score is BM25's opinion; the rest is coverage."""
_TOPIC_SHARE = 0.3
"""How much of a score is whether title and heading name what the query asks for: they say what a
section is about, and its text what it mentions besides."""
_KIND_SHARE = 0.2
"""How much of `expected.fit` is added to the score: enough to choose among sections alike."""
_CONTEXT_SHARE = 0.4
"""What a word of the context weighs, where one of the question itself weighs 1."""
_HEADING_WEIGHT = 2.0
"""Of a word in title or heading, for BM25, where one in the text counts 1."""

_PASSAGES = """
SELECT documents.id, filename, chunk_index, title, passages.heading, passages.text,
       stems.heading, stems.text, candidates.rank
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
    """A passage, and those of the query's stems that stand in it."""

    passage: Passage
    headings: tuple[frozenset[str], ...]
    """In the document's title, and in the section's heading."""
    sentences: tuple[frozenset[str], ...]
    """In each of them."""
    document: frozenset[str]
    """Anywhere in its document."""
    bm25: float
    """Larger is better."""


class Search:
    """Searches through the connection of one thread. Raises `sqlite3.Error`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._stemmer = Stemmer()
        self._vocabulary = Vocabulary(db)

    def __call__(self, query: str, limit: int, context: str = "") -> Found:
        """What the index has on `query`: up to `limit` passages.

        `context` is what was asked before, where the query refers to that.
        """
        self._db.execute("BEGIN")  # both passes see the same index
        try:
            found = self._pass(query, context, limit, by_letters=False)
            if found.best < ANSWERABLE_SCORE:
                wider = self._pass(query, context, limit, by_letters=True)
                found = wider if wider.best > found.best else found
        finally:
            self._db.execute("COMMIT")
        return found

    def _pass(self, query: str, context: str, limit: int, *, by_letters: bool) -> Found:
        weighed = WeighedQuery(self._weigh(query, context, by_letters=by_letters))
        candidates = self._candidates(weighed)
        best = max((candidate.bm25 for candidate in candidates), default=0.0)
        kind = asked_for(query) or asked_for(context)
        scored = [(c.passage, _score(weighed, kind, c, best)) for c in candidates]
        scored.sort(key=lambda entry: -entry[1])
        return Found(weighed.words, tuple((p, min(1.0, score)) for p, score in scored[:limit]))

    def _weigh(self, query: str, context: str, *, by_letters: bool) -> tuple[QueryWord, ...]:
        (passages,) = self._db.execute("SELECT passages FROM collection").fetchone()
        asked = dict.fromkeys(_content_stems(query, self._stemmer), 1.0)
        around = dict.fromkeys(_content_stems(context, self._stemmer), _CONTEXT_SHARE)
        return tuple(
            self._word(stem, share, passages, by_letters=by_letters)
            for stem, share in (around | asked).items()
        )

    def _word(
        self, stem: str, weight_share: float, passages: int, *, by_letters: bool
    ) -> QueryWord:
        matches = self._vocabulary.matches(stem, by_letters=by_letters)
        holding = self._vocabulary.holding(stem) or max(
            (self._vocabulary.holding(other) for other in matches), default=0
        )
        share = self._vocabulary.share(stem)
        return QueryWord(stem, weight_share * weight(share, holding, passages), matches)

    def _telling(self, stems: frozenset[str]) -> list[str]:
        """The rarer of `stems`: enough of them to propose candidates, and not half the index."""
        holding = {stem: self._vocabulary.holding(stem) for stem in stems}
        rarest_first = sorted(stems, key=lambda stem: (holding[stem], stem))
        matched = accumulate(holding[stem] for stem in rarest_first)
        few = [s for s, n in zip(rarest_first, matched, strict=True) if n <= _MAX_MATCHED]
        return few or rarest_first[:1]

    def _candidates(self, query: WeighedQuery) -> list[_Candidate]:
        wanted = query.stems
        if not wanted:
            return []
        match = " OR ".join(f'"{stem}"' for stem in self._telling(wanted))
        rows = self._db.execute(_PASSAGES, (_HEADING_WEIGHT, match, _CANDIDATES)).fetchall()
        held = self._held(frozenset(document for document, *_ in rows), wanted)
        return [
            _Candidate(
                Passage(filename, chunk_index, title, heading, text),
                _stem_sets(heading_stems, wanted),
                _stem_sets(text_stems, wanted),
                held[document],
                -rank,
            )
            for (
                document,
                filename,
                chunk_index,
                title,
                heading,
                text,
                heading_stems,
                text_stems,
                rank,
            ) in rows
        ]

    def _held(self, documents: frozenset[int], stems: frozenset[str]) -> dict[int, frozenset[str]]:
        """Which of `stems` each document holds."""
        held: dict[int, set[str]] = {document: set() for document in documents}
        rows = self._db.execute(
            f"SELECT document, stem FROM document_stems WHERE document IN ({_marks(documents)})"  # noqa: S608 — question marks
            f" AND stem IN ({_marks(stems)})",
            (*documents, *stems),
        )
        for document, stem in rows:
            held[document].add(stem)
        return {document: frozenset(its) for document, its in held.items()}


def _score(
    query: WeighedQuery, kind: Kind | None, candidate: _Candidate, best_bm25: float
) -> float:
    headings, sentences = frozenset().union(*candidate.headings), candidate.sentences
    document = candidate.document
    everything = frozenset[str]().union(*sentences)
    coverage = (1 - _SENTENCE_SHARE) * query.coverage(everything | headings, document)
    coverage += _SENTENCE_SHARE * max(query.coverage(s | headings, document) for s in sentences)
    rank = candidate.bm25 / best_bm25 if best_bm25 > 0 else 1.0
    topic = query.coverage(headings)
    score = coverage * (1 - _RANK_SHARE - _TOPIC_SHARE + _RANK_SHARE * rank) + _TOPIC_SHARE * topic
    return score * (1 + _KIND_SHARE * fit(kind, candidate.passage.text))


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


def _stem_sets(marked: str, wanted: frozenset[str]) -> tuple[frozenset[str], ...]:
    return tuple(wanted.intersection(stems.split()) for stems in marked.split(SENTENCE_MARK))


def _content_stems(query: str, stemmer: Stemmer) -> list[str]:
    stems = (stemmer.stem(word) for word in words(query) if is_content(word))
    return list(dict.fromkeys(stems))[:_MAX_QUERY_WORDS]
