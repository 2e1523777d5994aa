"""A text as it is read aloud: piece by piece, each in one language. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from agent.stages.normalization import arabic, english
from agent.stages.normalization.patterns import folded, tokens
from agent.stages.normalization.tokens import Address, Context, Found, Sign

ENGLISH = "en"
ARABIC = "ar"

_WORDS = re.compile(
    r"(?P<ar>[\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff]+)"
    r"|(?P<latin>[A-Za-z\u00c0-\u024f][A-Za-z\u00c0-\u024f0-9'’._+-]*)|(?P<code>(?<!\d)\d{1,40}[A-Za-z])"
)
_ARABIC_LETTER = re.compile(r"[\u0621-\u064a]")
_WORD_BEFORE = re.compile(r"([\w\u064b-\u0652]{1,40})[ ]?$")
_WORD_AFTER = re.compile(r"^[ ]([\w\u064b-\u0652]{1,40})")
_NEAR = 48
"""Characters beside a token that are looked at."""


@dataclass(frozen=True, slots=True)
class _Script:
    """Whether a word of it stands right before, or right after."""

    before: re.Pattern[str]
    after: re.Pattern[str]


_LATIN = _Script(re.compile(r"[A-Za-z][^\s\u0600-\u06ff]{0,40}[ ]?$"), re.compile(r"[ ]?[A-Za-z]"))
_ARABIC_SCRIPT = _Script(re.compile(r"[\u0621-\u0652ـ][ ]?$"), re.compile(r"[ ]?[\u0621-\u064a]"))


@dataclass(frozen=True, slots=True)
class Reading:
    """A piece of a text, and how it is read."""

    written: str
    spoken: str
    language: str
    """`ar`, or what the text was said to be in; in Arabic text Latin letters are `en`."""


@dataclass(frozen=True, slots=True)
class Run:
    """Words to speak in one voice."""

    spoken: str
    language: str


def readings(text: str, language: str) -> tuple[Reading, ...]:
    """How a text in `language` (BCP-47) is read; together the written pieces are the text.

    Numbers, dates, times, money and addresses are words then, in English and Arabic text; in
    others they are left to the synthesiser.
    """
    return tuple(_readings(text, language))


def runs(text: str, language: str) -> tuple[Run, ...]:
    """The same as words to speak, those of one language together."""
    grouped = groupby(readings(text, language), key=lambda reading: reading.language)
    joined = (Run("".join(piece.spoken for piece in pieces), key) for key, pieces in grouped)
    return tuple(run for run in joined if run.spoken.strip())


def base_language(text: str) -> str:
    """The language that a text of unknown language is read in: Arabic where its letters are."""
    return ARABIC if _ARABIC_LETTER.search(text) else ENGLISH


def _readings(text: str, language: str) -> Iterator[Reading]:
    base = language.lower().partition("-")[0]
    foreign = ENGLISH if base == ARABIC else base
    plain = folded(text)
    at, last = 0, base
    if base in (ENGLISH, ARABIC):
        for found in tokens(plain, month_first=language.lower() == "en-us"):
            for reading in _words(text[at : found.start], last, foreign):
                last = reading.language
                yield reading
            reading = _token(text, plain, found, base)
            last, at = reading.language, found.end
            yield reading
    yield from _words(text[at:], last, foreign)


def _words(text: str, language: str, foreign: str) -> Iterator[Reading]:
    """Words by script; what is between them goes with what is before it, in `language` at first."""
    at = 0
    for match in _WORDS.finditer(text):
        spoken_in = ARABIC if match["ar"] is not None else foreign
        if spoken_in != language:
            if match.start() > at:
                piece = text[at : match.start()]
                yield Reading(piece, piece, language)
            at, language = match.start(), spoken_in
    if at < len(text):
        yield Reading(text[at:], text[at:], language)


def _token(text: str, plain: str, found: Found, base: str) -> Reading:
    before = plain[max(0, found.start - _NEAR) : found.start]
    after = plain[found.end : found.end + _NEAR]
    written = text[found.start : found.end]
    language = _language(found, written, before, after, base)
    word_before, word_after = _WORD_BEFORE.search(before), _WORD_AFTER.search(after)
    context = Context(word_before[1] if word_before else "", word_after[1] if word_after else "")
    grammar = arabic if language == ARABIC else english
    spoken = grammar.verbalize(found.token, context)
    return Reading(written, plain[found.start : found.end] if spoken is None else spoken, language)


def _language(found: Found, written: str, before: str, after: str, base: str) -> str:
    """A number among the words of another language is part of them: `iPhone 15 Pro`."""
    if isinstance(found.token, Address):
        return ENGLISH
    if _ARABIC_LETTER.search(written):
        return ARABIC
    if isinstance(found.token, Sign):
        return base
    other = _LATIN if base == ARABIC else _ARABIC_SCRIPT
    own = _ARABIC_SCRIPT if base == ARABIC else _LATIN
    if other.before.search(before) and not own.after.match(after):
        return ENGLISH if base == ARABIC else ARABIC
    return base
