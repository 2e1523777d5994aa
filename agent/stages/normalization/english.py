"""How a token is read in English. Pure."""

import re
from typing import assert_never

from agent.stages.normalization.english_numbers import (
    MAX_NUMBER,
    cardinal,
    digits,
    ordinal,
    year,
)
from agent.stages.normalization.tokens import (
    Address,
    Amount,
    AsWritten,
    Context,
    Counted,
    Date,
    Dotted,
    Fraction,
    Money,
    Number,
    Ordinal,
    Percent,
    Phone,
    Quantity,
    Range,
    Sign,
    Time,
    Token,
)

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_YEAR_AFTER = frozenset(
    {
        "in",
        "since",
        "until",
        "till",
        "from",
        "by",
        "year",
        "of",
        "during",
        "before",
        "after",
        "spring",
    }
)
_CURRENCIES = {
    "USD": ("dollar", "cent", 100), "EUR": ("euro", "cent", 100), "GBP": ("pound", "penny", 100),
    "AED": ("dirham", "fils", 100), "SAR": ("riyal", "halala", 100),
    "QAR": ("riyal", "dirham", 100), "OMR": ("rial", "baisa", 1000),
    "EGP": ("Egyptian pound", "piastre", 100), "KWD": ("dinar", "fils", 1000),
    "BHD": ("dinar", "fils", 1000), "JOD": ("dinar", "piastre", 100),
}  # fmt: skip
_PLURALS = {"penny": "pence", "fils": "fils", "foot": "feet"}
_UNITS = {
    "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "kg": "kilogram",
    "mg": "milligram", "ml": "milliliter", "°": "degree", "KB": "kilobyte", "MB": "megabyte",
    "GB": "gigabyte", "TB": "terabyte", "ms": "millisecond", "kWh": "kilowatt-hour",
    "kW": "kilowatt", "m²": "square meter",
}  # fmt: skip
_PHRASES = {
    "km/h": ("kilometer", "per hour"), "°C": ("degree", "Celsius"), "°F": ("degree", "Fahrenheit"),
}  # fmt: skip
_HERTZ = {"Hz": "hertz", "MHz": "megahertz", "GHz": "gigahertz"}
_SCALES = {10**3: "thousand", 10**6: "million", 10**9: "billion"}
_FRACTIONS = {2: "half", 4: "quarter"}
_SIGNS = {
    "#": "number ", "№": "number ", "&": "and", "-": "minus ", "−": "minus ",
    "24/7": "twenty-four seven",
}  # fmt: skip
_ADDRESS = {
    ".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore", "+": "plus", ":": "colon",
    "?": "question mark", "=": "equals", "&": "and", "#": "hash", "%": "percent", "~": "tilde",
}  # fmt: skip
_ADDRESS_PART = re.compile(r"\d+|[^\W\d_]+|[\W_]")


def verbalize(token: Token, context: Context) -> str | None:
    """The words; None: as it is written."""
    if isinstance(token, Amount):
        return _amount(token, context)
    match token:
        case Date():
            return _date(token, context)
        case Time():
            return _time(token)
        case Phone(groups, international):
            spelled = ", ".join(digits(group) for group in groups)
            return f"plus {spelled}" if international else spelled
        case Dotted(parts):
            return " point ".join(number(part) for part in parts)
        case Address(text):
            return address(text)
        case Sign(sign):
            return _SIGNS[sign]
        case AsWritten():
            return None
    assert_never(token)


def _amount(token: Amount, context: Context) -> str:
    match token:
        case Number(written):
            return _year_or_number(written, context)
        case Counted(written, counted):
            return f"{number(written)} {counted}"
        case Range(low, high):
            return f"{number(low)} to {number(high)}"
        case Ordinal(value):
            return ordinal(value)
        case Percent(written):
            return f"{number(written)} percent"
        case Fraction(above, below):
            return _fraction(above, below)
        case Money():
            return _money(token)
        case Quantity(written, unit):
            return _quantity(written, unit)
    assert_never(token)


def number(written: str) -> str:
    """A whole number, a decimal, or, where it is too long or begins with 0, its digits."""
    whole, _, part = written.partition(".")
    after = f" point {digits(part)}" if part else ""
    if len(whole) > 15 or (len(whole) > 1 and whole[0] == "0") or int(whole) >= MAX_NUMBER:
        return digits(whole) + after
    return cardinal(int(whole)) + after


def address(text: str) -> str:
    """An e-mail address or a link: `help at example dot com slash returns`."""
    bare = re.sub(r"^(?:https?://)?(?:www\.)?", "", text, flags=re.IGNORECASE).rstrip("/")
    parts = _ADDRESS_PART.findall(bare)
    said = (digits(part) if part.isdecimal() and part.isascii() else part for part in parts)
    return " ".join(_ADDRESS.get(part, part) for part in said)


def _year_or_number(written: str, context: Context) -> str:
    names_year = re.fullmatch(r"1[1-9]\d\d|20\d\d", written) is not None
    if names_year and context.before.lower() in _YEAR_AFTER and not context.after_is_noun:
        return year(int(written))
    return number(written)


def _fraction(above: int, below: int) -> str:
    name = _FRACTIONS.get(below, ordinal(below))
    many = "halves" if name == "half" else f"{name}s"
    return f"{cardinal(above)} {name if above == 1 else many}"


def _plural(name: str, written: str) -> str:
    return name if written == "1" else _PLURALS.get(name, f"{name}s")


def _money(money: Money) -> str:
    coin, small, parts = _CURRENCIES[money.currency]
    if money.scale > 1:
        return f"{number(money.digits)} {_SCALES[money.scale]} {_plural(coin, '')}"
    whole, _, part = money.digits.partition(".")
    if len(whole) > 15:
        return f"{number(money.digits)} {_plural(coin, '')}"
    places = len(str(parts)) - 1
    change = int(part[:places].ljust(places, "0")) if part else 0
    coins = f"{number(whole)} {_plural(coin, whole)}"
    if not change:
        return coins
    cents = f"{cardinal(change)} {_plural(small, str(change))}"
    return cents if whole == "0" else f"{coins} and {cents}"


def _quantity(written: str, unit: str) -> str:
    if unit in _HERTZ:
        return f"{number(written)} {_HERTZ[unit]}"
    if unit in _PHRASES:
        name, rest = _PHRASES[unit]
        return f"{number(written)} {_plural(name, written)} {rest}"
    return f"{number(written)} {_plural(_UNITS[unit], written)}"


def _date(date: Date, context: Context) -> str:
    day, month = ordinal(date.day), _MONTHS[date.month - 1]
    words = f"{day} of {month}" if context.before.lower() == "the" else f"{month} {day}"
    return words if date.year is None else f"{words}, {year(date.year)}"


def _time(time: Time) -> str:
    half = time.half or ("pm" if time.hour > 12 else "am" if time.hour == 0 else None)
    clock = cardinal(time.hour % 12 or 12)
    if time.minute:
        clock += f" {'oh ' if time.minute < 10 else ''}{cardinal(time.minute)}"
    elif half is None:
        clock += " o'clock"
    if half is not None:
        clock += " a.m." if half == "am" else " p.m."
    if time.second:
        clock += f" and {cardinal(time.second)} {_plural('second', str(time.second))}"
    return clock
