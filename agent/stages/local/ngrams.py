"""A trigram model of weighted sentences, as ARPA. Pure.

Interpolated Witten-Bell smoothing (Chen and Goodman 1998, section 2.5): how much a context gives
to the next shorter one grows with the number of different words seen after it.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator

Words = tuple[str, ...]

ORDER = 3
_START, _END = "<s>", "</s>"
_NEVER = -99.0
"""ARPA's log10 of zero."""


def arpa(sentences: Iterable[tuple[Words, float]], *, max_ngrams: int) -> Iterator[str]:
    """The lines of the model of at least one sentence.

    Of each order above the first the `max_ngrams` heaviest n-grams are kept.
    """
    counts = _counts(sentences)
    for order in range(1, ORDER):
        counts[order] = _heaviest(counts[order], max_ngrams)
    probabilities, backoffs = _estimate(counts)
    yield "\\data\\\n"
    for order, table in enumerate(probabilities, 1):
        yield f"ngram {order}={len(table)}\n"
    for order, table in enumerate(probabilities, 1):
        yield f"\n\\{order}-grams:\n"
        for gram in sorted(table):
            yield _line(gram, table[gram], backoffs.get(gram, 1.0), last=order == ORDER)
    yield "\n\\end\\\n"


def _line(gram: Words, probability: float, backoff: float, *, last: bool) -> str:
    log_p = math.log10(probability) if probability > 0 else _NEVER
    tail = "" if last else f" {math.log10(backoff):.4f}"
    return f"{log_p:.4f} {' '.join(gram)}{tail}\n"


def _counts(sentences: Iterable[tuple[Words, float]]) -> list[dict[Words, float]]:
    counts: list[dict[Words, float]] = [defaultdict(float) for _ in range(ORDER)]
    for words, weight in sentences:
        padded = (_START, *words, _END)
        for size in range(1, ORDER + 1):
            table = counts[size - 1]
            for start in range(len(padded) - size + 1):
                table[padded[start : start + size]] += weight
    return counts


def _heaviest(table: dict[Words, float], limit: int) -> dict[Words, float]:
    if len(table) <= limit:
        return table
    kept = sorted(table, key=table.__getitem__, reverse=True)[:limit]
    return {gram: table[gram] for gram in kept}


def _estimate(
    counts: list[dict[Words, float]],
) -> tuple[list[dict[Words, float]], dict[Words, float]]:
    probabilities = [_unigrams(counts[0])]
    backoffs: dict[Words, float] = {}
    for table in counts[1:]:
        totals: dict[Words, float] = defaultdict(float)
        kinds: dict[Words, float] = defaultdict(float)
        for gram, count in table.items():
            totals[gram[:-1]] += count
            kinds[gram[:-1]] += min(1.0, count)
        shorter = probabilities[-1]
        estimated = {}
        for gram, count in table.items():
            context = gram[:-1]
            given = kinds[context] * shorter.get(gram[1:], 0.0)
            estimated[gram] = (count + given) / (totals[context] + kinds[context])
        for context, total in totals.items():
            backoffs[context] = kinds[context] / (total + kinds[context])
        probabilities.append(estimated)
    return probabilities, backoffs


def _unigrams(counts: dict[Words, float]) -> dict[Words, float]:
    total = sum(count for gram, count in counts.items() if gram != (_START,))
    found = {gram: count / total for gram, count in counts.items()}
    found[_START,] = 0.0  # nothing comes before it
    return found
