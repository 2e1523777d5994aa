"""Greetings, thanks and goodbyes: what people say that asks for no fact."""

import re
from enum import Enum, auto

from agent.knowledge.words import words


class SmallTalk(Enum):
    """What people say that asks for no fact."""

    GREETING = auto()
    THANKS = auto()
    GOODBYE = auto()


# These match normalised words, joined by single spaces.
_GREETING = (
    "hello|hi|hey|good (?:morning|afternoon|evening|day)|how are you(?: doing)?(?: today)?"
    "|مرحبا|اهلا(?: وسهلا)?|هلا|السلام عليكم(?: ورحمه الله(?: وبركاته)?)?|سلام"
    "|صباح (?:الخير|النور)|مساء (?:الخير|النور)|كيف (?:حالك|حالكم|الحال)"
)
_THANKS = (
    "thanks|thank you|no thanks|no thank you|(?:that was )?(?:great|perfect|helpful)"
    "|شكرا|اشكرك|اشكركم|مشكور|مشكورين|ممتاز|تسلم"
)
_GOODBYE = (
    "goodbye|good bye|bye|good night|see you(?: later| soon| tomorrow)?|have a (?:nice|good) day"
    "|مع السلامه|الي اللقاء|وداعا|في امان الله|تصبح علي خير"
)
_FILLER = (
    "there|everyone|again|so|very|much|a lot|ok|okay|well|and|then|all|that is|thats|for now"
    "|for (?:the|your) help|يا|جدا|جزيلا|لك|لكم|الان|و|كثيرا|علي المساعده"
)


def _only(phrases: str, *others: str) -> re.Pattern[str]:
    """Matches text made of these phrases, with at least one of the first."""
    part = f"(?:{'|'.join((phrases, *others, _FILLER))})"
    return re.compile(rf"(?=.*\b(?:{phrases})\b){part}(?: {part})*")


_SMALL_TALK = (
    (SmallTalk.GOODBYE, _only(_GOODBYE, _THANKS, _GREETING)),
    (SmallTalk.THANKS, _only(_THANKS, _GREETING)),
    (SmallTalk.GREETING, _only(_GREETING)),
)


def small_talk_in(said: str) -> SmallTalk | None:
    """Which kind, where it is small talk and nothing more; None for all else."""
    text = " ".join(words(said))
    found = (kind for kind, pattern in _SMALL_TALK if pattern.fullmatch(text))
    return next(found, None)
