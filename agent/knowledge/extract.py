"""Which sentences of the passages answer the question: an answer without a language model.

A sentence is judged like a passage, by the share of the question it meets, with its headings for
context; one that holds what such a question asks for (`expected`) is preferred. The answer is a
run of up to three sentences, so that it reads as its author wrote it.
"""

import re
from dataclasses import dataclass

from agent.knowledge.expected import Kind, asked_for, fit, holds
from agent.knowledge.passages import Passage
from agent.knowledge.query import WeighedQuery
from agent.knowledge.retrieval import Hit, Retrieval
from agent.knowledge.sentences import sentences
from agent.knowledge.words import Stemmer, is_arabic

_MAX_SENTENCES = 3
_MAX_WORDS = 60
"""Of more than one sentence: spoken answers stay short."""
_CLOSE_SCORE = 0.8
"""Share of the best hit's score from which one in the script of the question is as good."""
_SAME_PAGE_SCORE = 0.5
"""The same for a passage of the same document that holds the kind of thing asked for: where the
price is under "Costs" and the country under "Times", each has half of the evidence."""
_WORTH_ADDING = 0.75
"""Share of the best sentence's score from which another one is added."""

_LEANS_BACK = re.compile(
    r"^(it|its|this|these|that|those|they|them|their|he|she|such|after that|in that case|then)\b"
    r"|\bthe same\b|^(و|ف)?(هو|هي|هم|هذا|هذه|ذلك|تلك|عندها|بعدها|بعد ذلك)\s|\sنفسها?\s",
    re.IGNORECASE,
)
"""A sentence that cannot be understood without the one before it."""


@dataclass(frozen=True, slots=True)
class Extract:
    """Sentences that answer a question, in the order of their document."""

    passage: Passage
    sentences: tuple[str, ...]
    """One to three."""


def extract(retrieval: Retrieval, stemmer: Stemmer) -> Extract | None:
    """The answer in the documents' own words, sure or guessed; None where they do not hold one.

    Among passages about as good, those in the script of the question come first.
    """
    if not (retrieval.answerable or retrieval.guess):
        return None
    query = WeighedQuery(retrieval.words)
    kind = asked_for(retrieval.query) or asked_for(retrieval.context)
    hit = _section(retrieval, kind)
    return Extract(hit.passage, _pick(_judge(query, stemmer, hit, kind)))


def _section(retrieval: Retrieval, kind: Kind | None) -> Hit:
    """The hit to answer from: the best in the script of the question, or, where that one does not
    hold the kind of thing asked for, a further one of its document that does."""
    best = retrieval.hits[0]
    arabic = is_arabic(retrieval.query)
    close = [hit for hit in retrieval.hits if hit.score >= _CLOSE_SCORE * best.score]
    best = next((hit for hit in close if is_arabic(hit.passage.text) == arabic), best)
    if kind is None or holds(kind, best.passage.text):
        return best
    others = (
        hit
        for hit in retrieval.hits
        if hit.passage.filename == best.passage.filename
        and hit.score >= _SAME_PAGE_SCORE * best.score
        and holds(kind, hit.passage.text)
    )
    return next(others, best)


def _judge(
    query: WeighedQuery, stemmer: Stemmer, hit: Hit, kind: Kind | None
) -> list[tuple[float, str]]:
    passage = hit.passage
    around = frozenset(stemmer.stems(f"{passage.title} {passage.heading} {passage.text}"))
    return [
        (
            query.coverage(frozenset(stemmer.stems(sentence)), around) + fit(kind, sentence),
            sentence,
        )
        for sentence in sentences(passage.text)
    ]


def _pick(scored: list[tuple[float, str]]) -> tuple[str, ...]:
    """The best sentence, and others that are nearly as good and near enough to read on."""
    order = sorted(range(len(scored)), key=lambda i: -scored[i][0])
    first = last = order[0]
    if first and _LEANS_BACK.search(scored[first][1]):
        first -= 1
    for index in order[1:]:
        if scored[index][0] < _WORTH_ADDING * scored[order[0]][0]:
            break
        wider = scored[min(first, index) : max(last, index) + 1]
        words = sum(len(sentence.split()) for _, sentence in wider)
        if len(wider) <= _MAX_SENTENCES and words <= _MAX_WORDS:
            first, last = min(first, index), max(last, index)
    return tuple(sentence for _, sentence in scored[first : last + 1])
