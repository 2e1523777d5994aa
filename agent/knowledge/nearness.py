"""How near two stems are: the same root, or many of the same letters in the same order.

It lets a misheard or misspelt word, or another form of one, find its passage. `letters` are the
keys under which an index files a stem, so that the near ones are looked up and not searched for.
"""

import math
from collections.abc import Iterable

from agent.knowledge.stopwords import STOPWORDS
from agent.knowledge.words import roots, trigrams

ROOT_NEARNESS = 0.65
"""Of two stems that have a root in common and nothing else."""
ROOT_CLOSEST = 0.9
"""The same where they are spelt nearly alike."""
_ALIKE = 0.75
"""Share of trigrams from which two stems can be one word."""
_ALIKE_FROM_THE_START = 0.5
"""The same where the first two letters agree: words change at their end."""
_SHORTEST = 4
"""Letters from which a stem is compared by its letters: shorter ones are alike by chance."""
_MOST = 6
"""Near stems that are kept: more would match half the collection."""


def root_letters(stem: str) -> list[str]:
    """Keys of the stems that may share a root with `stem`."""
    return [f"√{root}" for root in sorted(roots(stem))]


def letters(stem: str) -> list[str]:
    """All keys of `stem`."""
    if stem.isdigit():
        return []
    return root_letters(stem) + sorted(trigrams(stem))


def fewest_shared(trigrams_of_stem: int) -> int:
    """How many trigrams a stem must share at least with one that has so many, to be near to it.

    From Dice's 2s / (a + b) >= d and b >= s follows s >= a d / (2 - d).
    """
    return math.ceil(trigrams_of_stem * _ALIKE_FROM_THE_START / (2 - _ALIKE_FROM_THE_START))


def nearest(stem: str, others: Iterable[str]) -> dict[str, float]:
    """The few of `others` that are near to `stem`, each with how near: more than 0, up to 1."""
    near = ((_nearness(stem, other), other) for other in others if other not in STOPWORDS)
    best = sorted((entry for entry in near if entry[0] > 0), reverse=True)
    return {other: value for value, other in best[:_MOST]}


def _nearness(stem: str, other: str) -> float:
    if stem == other:
        return 1.0
    ours, theirs = trigrams(stem), trigrams(other)
    dice = 2 * len(ours & theirs) / (len(ours) + len(theirs))
    if not roots(stem).isdisjoint(roots(other)):
        return ROOT_NEARNESS + (ROOT_CLOSEST - ROOT_NEARNESS) * dice
    if len(stem) < _SHORTEST or len(other) < _SHORTEST:
        return 0.0
    enough = _ALIKE_FROM_THE_START if stem[:2] == other[:2] else _ALIKE
    return dice if dice >= enough else 0.0
