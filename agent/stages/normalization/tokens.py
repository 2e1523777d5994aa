"""What in a text is not read as it is written: numbers, dates, times, money, addresses. Pure."""

from dataclasses import dataclass
from typing import Literal

HalfDay = Literal["am", "pm"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is none of the others; `digits` as written, without separators."""

    digits: str


@dataclass(frozen=True, slots=True)
class Counted:
    """A number and the Arabic noun that it counts, in any of its forms."""

    digits: str
    noun: str


@dataclass(frozen=True, slots=True)
class Range:
    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Ordinal:
    number: int


@dataclass(frozen=True, slots=True)
class Percent:
    digits: str


@dataclass(frozen=True, slots=True)
class Fraction:
    above: int
    below: int


@dataclass(frozen=True, slots=True)
class Money:
    digits: str
    currency: str
    """ISO 4217."""
    scale: int = 1


@dataclass(frozen=True, slots=True)
class Quantity:
    digits: str
    unit: str
    """As `patterns.UNITS` calls it."""


@dataclass(frozen=True, slots=True)
class Date:
    """Gregorian."""

    day: int
    month: int
    year: int | None


@dataclass(frozen=True, slots=True)
class Time:
    hour: int
    minute: int
    second: int | None
    half: HalfDay | None
    """None: of 24 hours, or not said."""
    said_hour: bool = False
    """`الساعة` stands before it."""


@dataclass(frozen=True, slots=True)
class Phone:
    """Read digit by digit."""

    groups: tuple[str, ...]
    international: bool = False


@dataclass(frozen=True, slots=True)
class Dotted:
    """A version, or an address of the internet: `3.11.7`."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """An e-mail address or a link."""

    text: str


@dataclass(frozen=True, slots=True)
class Sign:
    """`#`, `№`, `&`, a minus, `24/7`."""

    sign: str


@dataclass(frozen=True, slots=True)
class AsWritten:
    """Looks like one of the others and is none: a Hijri date."""


Amount = Number | Counted | Range | Ordinal | Percent | Fraction | Money | Quantity
Token = Amount | Date | Time | Phone | Dotted | Address | Sign | AsWritten


@dataclass(frozen=True, slots=True)
class Found:
    """A token and where it stands."""

    token: Token
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Context:
    """What stands beside a token."""

    before: str = ""
    """The word before it."""
    after: str = ""
    """The word after it, where only a space is between."""

    @property
    def after_is_noun(self) -> bool:
        """Whether it may be what is counted: a word that is no link between others."""
        return self.after.isalpha() and self.after.lower() not in _LINKS


_LINKS = frozenset(
    {
        "and",
        "or",
        "to",
        "until",
        "till",
        "by",
        "in",
        "on",
        "at",
        "for",
        "with",
        "we",
        "you",
        "it",
        "the",
        "is",
        "was",
        "were",
        "had",
    }
)
