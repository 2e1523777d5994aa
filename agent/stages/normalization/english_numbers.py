"""English numbers in words. Pure."""

MAX_NUMBER = 10**15

_SMALL = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (10**3, "thousand"))
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip


def cardinal(number: int) -> str:
    """0 <= number < MAX_NUMBER: `two thousand three hundred and five`."""
    parts: list[str] = []
    rest = number
    for scale, name in _SCALES:
        count, rest = divmod(rest, scale)
        if count:
            parts.append(f"{_below_thousand(count)} {name}")
    if rest or not parts:
        joined = "and " if parts and rest < 100 else ""
        parts.append(joined + _below_thousand(rest))
    return " ".join(parts)


def ordinal(number: int) -> str:
    """`twenty-first`."""
    words = cardinal(number)
    at = max(words.rfind(" "), words.rfind("-")) + 1
    last = words[at:]
    if last in _ORDINALS:
        return words[:at] + _ORDINALS[last]
    return words[:-1] + "ieth" if last.endswith("y") else words + "th"


def year(number: int) -> str:
    """As the name of a year: `nineteen oh five`, `twenty twenty-six`."""
    century, rest = divmod(number, 100)
    if not 1000 <= number <= 9999 or (century % 10 == 0 and rest < 10):
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def digits(text: str) -> str:
    """One by one."""
    return " ".join(_SMALL[int(digit)] for digit in text)


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    if hundreds:
        words = f"{_SMALL[hundreds]} hundred"
        return f"{words} and {_below_thousand(rest)}" if rest else words
    if rest < 20:
        return _SMALL[rest]
    tens, unit = divmod(rest, 10)
    return _TENS[tens - 2] + (f"-{_SMALL[unit]}" if unit else "")
