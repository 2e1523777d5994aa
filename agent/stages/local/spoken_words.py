"""Written English as it is spoken: sentences of lower-case words. Pure."""

import re
from collections.abc import Iterator

_BREAK = re.compile(r"[.!?;:()\[\]{}\n\"“”|*#>•]+|,\s|\s[-–—]\s")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*")
_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_DIGITS_READ_OUT = 6
"""Numbers of more digits are read digit by digit."""


def sentences(text: str) -> Iterator[tuple[str, ...]]:
    """The clauses of `text`, numbers in words; other scripts than Latin are left out."""
    written = _THOUSANDS.sub("", text.lower().replace("’", "'"))
    for clause in _BREAK.split(written):
        spoken = _NUMBER.sub(lambda number: f" {say_number(number[0])} ", clause)
        if words := tuple(_WORD.findall(spoken)):
            yield words


def say_number(digits: str) -> str:
    """A number as it is said: `48` → `forty eight`."""
    if len(digits) > _DIGITS_READ_OUT:
        return " ".join(_ONES[int(digit)] for digit in digits)
    return _say(int(digits))


def _say(number: int) -> str:
    if number < 20:
        return _ONES[number]
    if number < 100:
        return _joined(_TENS[number // 10], number % 10, " ")
    if number < 1_000:
        return _joined(f"{_ONES[number // 100]} hundred", number % 100, " and ")
    return _joined(f"{_say(number // 1_000)} thousand", number % 1_000, " ")


def _joined(head: str, rest: int, link: str) -> str:
    return f"{head}{link}{_say(rest)}" if rest else head
