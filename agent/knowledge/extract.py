"""Which sentences of the passages answer the question: an answer without a language model.

A sentence is judged like a passage, by the share of the question it meets, with its headings for
context; one that holds what such a question asks for (`expected`) is preferred. The answer is a
run of up to three sentences, so that it reads as its author wrote it.
"""

import re
from dataclasses import dataclass

from agent.knowledge.expected import Kind, asked_for, fit
from agent.knowledge.passages import Passage
from agent.knowledge.query import WeighedQuery
from agent.knowledge.retrieval import Hit, Retrieval
from agent.knowledge.sentences import sentences
from agent.knowledge.words import Stemmer, is_arabic

_MAX_SENTENCES = 3
_MAX_WORDS = 60
"""Of more than one sentence: spoken answers stay short."""
_CLOSE_SCORE = 0.8
"""Share of the best hit's score from which another passage may hold the better sentence."""
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
    """The answer in the documents' own words; None where they do not hold one.

    Among passages about as good, those in the script of the question come first.
    """
    if not retrieval.answerable:
        return None
    query = WeighedQuery(retrieval.words)
    kind = asked_for(retrieval.query)
    close = [hit for hit in retrieval.hits if hit.score >= _CLOSE_SCORE * retrieval.hits[0].score]
    arabic = is_arabic(retrieval.query)
    close = [hit for hit in close if is_arabic(hit.passage.text) == arabic] or close
    judged = [(hit, _judge(query, stemmer, hit, kind)) for hit in close]
    best, scored = max(judged, key=lambda entry: entry[0].score * max(s for s, _ in entry[1]))
    return Extract(best.passage, _pick(scored))


def _judge(
    query: WeighedQuery, stemmer: Stemmer, hit: Hit, kind: Kind | None
) -> list[tuple[float, str]]:
    passage = hit.passage
    headings = frozenset(stemmer.stems(f"{passage.title} {passage.heading}"))
    return [
        (
            query.coverage(frozenset(stemmer.stems(sentence)), headings) + fit(kind, sentence),
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
