"""What kind of thing a question asks for, and whether a sentence holds one: a time, a price."""

import re
from enum import Enum, auto

from agent.knowledge.words import normalise

_FITS = 0.25
"""What it adds to a sentence's score, on the scale of coverage, to hold what is asked for."""
_OTHER_KIND = -0.1
"""What it adds to hold the other kind instead: a price where a time is asked for."""


class Kind(Enum):
    """What can be asked for so that its answers are known by their form."""

    TIME = auto()
    """A time of day, a date, or how long."""
    PRICE = auto()
    NUMBER = auto()
    PLACE = auto()
    PHONE = auto()
    """A telephone number."""


def _pattern(english: str, arabic: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{english})\b|(?<!\w)[وفبل]?(?:ال)?(?:{arabic})(?!\w)")


# These match normalised text: one alef, ta marbuta as ha, no diacritics.
_ASKED = (
    (
        Kind.PHONE,
        _pattern(
            "(?:phone|telephone) number|what is your number"
            "|(?:call|ring|phone|reach|contact|speak to|talk to) (?:you|a|an|some(?:one|body))",
            "رقم(?:كم)? (?:ال)?هاتف(?:كم)?|رقمكم|هاتفكم|ا?تواصل معكم|ا?تصل بكم|الاتصال بكم",
        ),
    ),
    (Kind.PLACE, _pattern("where", "اين")),
    (
        Kind.PRICE,
        _pattern(
            "how much|costs?|prices?|fees?|charges?|expensive|cheap|free",
            "كم (?:ال)?(?:سعر|ثمن|تكلفه|رسوم|يكلف|تكلف)|سعر|ثمن|تكلفه|رسوم|بكم|اسعار"
            "|مجان[اي]?[اه]?",
        ),
    ),
    (
        Kind.TIME,
        _pattern(
            "how long|when|what (?:time|day)|how (?:soon|late|early|fast|quickly)|until"
            "|how many (?:days|weeks|months|years|hours|minutes)",
            "متي|مده|مواعيد|موعد|ساعات"
            "|كم (?:من )?(?:ال)?(?:يوما?|ايام|ساعه|شهرا?|سنه|اسبوعا?|دقيقه|وقت|يستغرق|تستغرق)",
        ),
    ),
    (Kind.NUMBER, _pattern("how (?:many|old|far|often)", "كم")),
)
_HELD = {
    Kind.PRICE: _pattern(
        r"(?:dirham|dollar|euro|pound|riyal|dinar|cent|shilling|rupee)s?|free|per cent|nothing"
        r"|aed|usd|eur|gbp|sar|egp",
        r"(?:درهم|دراهم|درهما|ريال|ريالا|دولار|دولارا|يورو|دينار|دينارا|جنيه|جنيها)"
        r"|مجان|مجانا|مجاني|مجانيه|مجانيا|مقابل",
    ),
    Kind.TIME: _pattern(
        r"(?:second|minute|hour|day|week|month|year|morning|evening|noon|afternoon|midnight|night"
        r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday)s?|twice|once|\d+:\d\d",
        r"ثانيه|دقيقه|دقايق|ساعه|ساعات|ساعتين|يوم|يوما|يومين|ايام|اسبوع|اسابيع|اسبوعين|شهر|اشهر"
        r"|شهرين|سنه|سنتان|سنتين|سنوات|صباحا|مساء|ظهرا|عصرا|ليلا|منتصف الليل|غدا|فورا",
    ),
    Kind.NUMBER: re.compile(r"\d"),
    Kind.PLACE: _pattern(
        "street|road|avenue|square|next to|opposite|address|located|find us|page|website",
        "شارع|طريق|حي|بجوار|مقابل|امام|عنوان|يقع|تقع|صفحه|موقع",
    ),
    Kind.PHONE: re.compile(r"\+?\d[\d -]{5,}\d"),
}
_CURRENCY_SIGN = re.compile(r"[$€£¥%]")
_NUMBER_WORD = _pattern(
    "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty"
    "|fifty|sixty|ninety|hundred|thousand|half|several",
    "واحده?|اثنان|اثنين|ثلاثه?|اربعه?|خمسه?|سته?|سبعه?|ثمانيه?|تسعه?|عشره?|عشرين|عشرون|ثلاثين"
    "|اربعين|خمسين|خمسون|ستين|ميه|مييه|مئه|الف|نصف",
)


def asked_for(question: str) -> Kind | None:
    """The kind of thing that `question` asks for; None when its answers have no known form."""
    text = normalise(question)
    return next((kind for kind, asks in _ASKED if asks.search(text)), None)


def fit(kind: Kind | None, sentence: str) -> float:
    """What a sentence's score changes by, for holding what is asked for or something else."""
    if kind is None:
        return 0.0
    text = normalise(sentence)
    if _holds(kind, text):
        return _FITS
    return _OTHER_KIND if any(_holds(other, text) for other in Kind if other != kind) else 0.0


def holds(kind: Kind, text: str) -> bool:
    """Whether `text` has a thing of `kind` in it."""
    return _holds(kind, normalise(text))


def _holds(kind: Kind, text: str) -> bool:
    if kind is Kind.PRICE and _CURRENCY_SIGN.search(text):
        return True
    if kind is Kind.NUMBER and _NUMBER_WORD.search(text):
        return True
    return _HELD[kind].search(text) is not None
