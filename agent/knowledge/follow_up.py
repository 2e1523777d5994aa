"""Questions that refer to the one before: "and how long does that take?"

By their form alone: such a question points back with a pronoun or begins with "and", and says
little itself. What was asked before is then searched for as well, as its context.
"""

import re
from collections.abc import Sequence

from agent.knowledge.small_talk import small_talk_in
from agent.knowledge.words import is_content, normalise, words

MAX_CONTENT_WORDS = 5
"""A question with more of them says itself what it is about."""
MAX_WORDS_BEFORE = 2
"""Of content: after more of them a pronoun means one of them, as in "I do not like the lamp that I
bought, can I send it back?"."""
MAX_QUESTIONS = 3
"""So far back: each refers to the one before it."""

# These match normalised text.
_BEGINS = re.compile(
    r"(?:and|but|or|so|then|also|what about|how about|what if|what else|why not)\b"
    r"|(?:to|for|in|on|at|by|with|without|from|until|after|before|only|even)\b"
    r"|[وف](?:كم|متي|هل|ماذا|كيف|اين|من|لماذا|ما|لو|اذا|اي|باي|في|الي|عن|علي|عند|بعد|قبل)\b"
)
_POINTS = re.compile(
    r"\b(?:it|its|that|this|these|those|they|them|their|theirs|there|one|ones|same|he|she|him|her"
    r"|either|neither|both|else|again|then)\b"
    r"|\b[وفبلك]?(?:ذلك|هذا|هذه|تلك|هولاء|هو|هي|هم|هناك|نفسه|نفسها)\b"
    r"|\b[وف]?(?:عليه|عليها|منه|منها|فيه|فيها|به|بها|له|لها|عنه|عنها|اليه|اليها|معه|معها)\b"
)


def leans_back(question: str) -> bool:
    """Whether `question` may need the one before it to be understood."""
    content = _content(question)
    if len(content) > MAX_CONTENT_WORDS or small_talk_in(question) is not None:
        return False
    text = normalise(question).strip()
    if not content or _BEGINS.match(text):
        return True
    points = _POINTS.search(text)
    return points is not None and len(_content(text[: points.start()])) <= MAX_WORDS_BEFORE


def _content(text: str) -> list[str]:
    return [word for word in words(text) if is_content(word)]


def context_of(question: str, before: Sequence[str]) -> str:
    """What else `question` is about, in words: of those `before` it, oldest first, the ones that
    it refers to. Empty where it stands alone."""
    context: list[str] = []
    leaning = question
    for earlier in reversed(before):
        if len(context) == MAX_QUESTIONS or not leans_back(leaning):
            break
        if _content(earlier):
            context.append(earlier)
            leaning = earlier
    return " ".join(reversed(context))
