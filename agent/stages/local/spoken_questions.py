"""What a caller may ask, made from what the documents say. Pure.

Documents state and callers ask, so a model of the documents alone expects the wrong words at
the beginning of every question. Here the noun and verb phrases of the documents are put into
the frames of everyday questions, and what is said to the customer (`you may return it`) is
turned round (`may i return it`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from agent.stages.local.question_frames import NOUN_FRAMES, PHRASES, VERB_FRAMES

Words = tuple[str, ...]

_TURNED = {
    "you": "i",
    "your": "my",
    "yours": "mine",
    "yourself": "myself",
    "we": "you",
    "us": "you",
    "our": "your",
    "ours": "yours",
}
_AUXILIARIES = frozenset(
    {"to", "can", "must", "may", "will", "should", "please", "would", "could", "you", "we", "not"}
)
_FUNCTION_WORDS = _AUXILIARIES | frozenset(
    (
        *("the", "a", "an", "your", "our", "my", "any", "some", "this", "that", "every", "another"),
        *("of", "in", "on", "at", "for", "from", "by", "with", "and", "or", "but", "if", "is"),
        *("are", "was", "were", "be", "been", "than", "which", "who", "what", "when", "where"),
        *("how", "why", "as", "it", "its", "these", "those", "there", "here", "no", "all", "each"),
        *("do", "does", "did", "has", "have", "had", "they", "he", "she", "us", "their", "his"),
        *("her", "so", "then", "cannot", "neither", "both", "once", "also", "only", "per", "i"),
        "me",
    )
)
_TURNED_WEIGHT = 1.0
_FRAMED_WEIGHT = 0.6
"""Of each time a phrase is said, over all its frames."""
_OTHER_NUMBER_WEIGHT = 0.3
_MAX_FRAMED = 100_000
"""Questions made at most; of more phrases, each is put into fewer frames, in turn."""
_PHRASE_WEIGHT = 3.0
_LONGEST_PHRASE = 4


def imagine(
    sentences: Iterable[Words], is_word: Callable[[str], bool]
) -> Iterator[tuple[Words, float]]:
    """Sentences of the documents and questions about them, each with its weight.

    `is_word` tells which words exist; forms of words are made up from others and checked by it.
    """
    nouns: dict[Words, float] = defaultdict(float)
    verbs: dict[Words, float] = defaultdict(float)
    for said in sentences:
        yield said, 1.0
        turned = tuple(_TURNED.get(word, word) for word in said)
        if turned != said:
            yield turned, _TURNED_WEIGHT
        for sentence in dict.fromkeys((said, turned)):
            _count(nouns, _noun_phrases(sentence))
            _count(verbs, _verb_phrases(sentence, is_word))
    both = _in_either_number(nouns, is_word)
    yield from _framed(_with_determiners(both), NOUN_FRAMES)
    yield from _framed(verbs, VERB_FRAMES)
    for phrase in PHRASES:
        yield tuple(phrase.split()), _PHRASE_WEIGHT


def _framed(phrases: dict[Words, float], frames: tuple[str, ...]) -> Iterator[tuple[Words, float]]:
    if not phrases:
        return
    each = max(1, min(len(frames), _MAX_FRAMED // len(phrases)))
    turn = 0
    for phrase, count in phrases.items():
        for _ in range(each):
            before, _, after = frames[turn % len(frames)].partition("_")
            turn += 1
            yield (*before.split(), *phrase, *after.split()), _FRAMED_WEIGHT * count / each


def _noun_phrases(sentence: Words) -> Iterator[Words]:
    """Runs of words that are no function words, without their determiners."""
    for start, word in enumerate(sentence):
        before = sentence[start - 1] if start else None
        if word not in _FUNCTION_WORDS and (before is None or before in _FUNCTION_WORDS):
            yield sentence[start : _phrase_end(sentence, start)]


def _with_determiners(phrases: dict[Words, float]) -> dict[Words, float]:
    found: dict[Words, float] = defaultdict(float)
    for phrase, count in phrases.items():
        article = "an" if phrase[0][0] in "aeiou" else "a"
        for determiner in ((), ("the",), (article,), ("my",), ("your",)):
            found[(*determiner, *phrase)] += count
    return found


def _phrase_end(sentence: Words, start: int) -> int:
    end = start
    while (
        end < len(sentence)
        and end - start < _LONGEST_PHRASE
        and sentence[end] not in _FUNCTION_WORDS
    ):
        end += 1
    return end


def _verb_phrases(sentence: Words, is_word: Callable[[str], bool]) -> Iterator[Words]:
    for start, word in enumerate(sentence):
        rest = sentence[start + 1 : start + 1 + _LONGEST_PHRASE]
        if word in _AUXILIARIES and rest and rest[0] not in _FUNCTION_WORDS:
            yield rest
        for base in _base_forms(word, is_word):
            yield (base, *rest[:-1])


def _base_forms(word: str, is_word: Callable[[str], bool]) -> list[str]:
    """`deleting` → `delete`, `ordered` → `order`, `stopped` → `stop`."""
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3:
            single = stem[:-1] if stem[-1] == stem[-2] else stem
            return [form for form in dict.fromkeys((stem, f"{stem}e", single)) if is_word(form)][:2]
    return []


def _in_either_number(
    phrases: dict[Words, float], is_word: Callable[[str], bool]
) -> dict[Words, float]:
    """The phrases, and `fridays` where they have `friday`, `lamp` where they have `lamps`."""
    found: dict[Words, float] = defaultdict(float, phrases)
    for phrase, count in phrases.items():
        last = phrase[-1]
        other = last[:-1] if last.endswith("s") else f"{last}s"
        if len(other) > 2 and is_word(other):
            found[(*phrase[:-1], other)] += _OTHER_NUMBER_WEIGHT * count
    return found


def _count(table: dict[Words, float], phrases: Iterable[Words]) -> None:
    for phrase in phrases:
        table[phrase] += 1.0
