"""How much a word tells: rare in the language at large, and rare in this collection.

A small collection says little about how common a word is: that no page says "work" or "accept"
makes neither of them telling, as nobody would call them rare. So the collection's own count is
taken together with what the language at large leads one to expect, as that of so many passages
more (additive smoothing with the language for a prior). The larger a collection, the more its own
count tells.
"""

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from agent.knowledge.words import Stemmer, words

RAREST = 10**-5.0
"""Share of a language's words below which one is rare, and needs no entry: one in a hundred
thousand, as "bicycles" is. To tell apart what is rarer than that would make no difference."""

_WORDS = Path(__file__).with_name("common_words.txt")
_PRIOR_PASSAGES = 100
"""So many passages the language at large counts for: twice as many or half change little."""
_PASSAGE_WORDS = 60
"""Words that one of them has: more than most (40), fewer than the longest (120)."""


@cache
def common_stems() -> Mapping[str, float]:
    """Stems that are not rare, each with its share of all words of its language.

    Read when documents are indexed, not in a call: it takes a second.
    """
    stemmer = Stemmer()
    shares: dict[str, float] = {}
    for line in _WORDS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        _, centibels, common = line.split("\t")
        share = 10 ** (int(centibels) / 100)
        for word in common.split(" "):
            (folded,) = words(word)
            stem = stemmer.stem(folded)
            shares[stem] = shares.get(stem, 0.0) + share
    return shares


def weight(share: float, holding: int, passages: int) -> float:
    """What a word tells, > 0: minus the logarithm of the chance that a passage holds it.

    `share` is its share of the language's words, and `holding` of `passages` hold it here.
    """
    expected = 1 - (1 - min(max(share, RAREST), 0.5)) ** _PASSAGE_WORDS
    chance = (holding + _PRIOR_PASSAGES * expected) / (passages + _PRIOR_PASSAGES)
    return -math.log(min(chance, 0.99))
