"""Finds the tokens of a text, by one regular expression. Pure; time grows with the text only."""

import re
from collections.abc import Callable, Iterable, Iterator

from agent.stages.normalization.arabic_nouns import CURRENCY_WORDS, NOUNS
from agent.stages.normalization.tokens import (
    Address,
    AsWritten,
    Counted,
    Date,
    Dotted,
    Found,
    Fraction,
    HalfDay,
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

_FOLDED = {
    **{ord(digit): str(value) for value, digit in enumerate("٠١٢٣٤٥٦٧٨٩")},
    **{ord(digit): str(value) for value, digit in enumerate("۰۱۲۳۴۵۶۷۸۹")},
    ord("٫"): ".",
    ord("٬"): ",",
    ord("٪"): "%",
    ord("‐"): "-",
    ord("‑"): "-",
    ord("\u00a0"): " ",
    ord("\u202f"): " ",
}


CURRENCIES = {
    "$": "USD", "US$": "USD", "USD": "USD", "€": "EUR", "EUR": "EUR", "£": "GBP", "GBP": "GBP",
    "AED": "AED", "د.إ": "AED", "SAR": "SAR", "ر.س": "SAR", "﷼": "SAR", "EGP": "EGP",
    "ج.م": "EGP", "KWD": "KWD", "د.ك": "KWD", "QAR": "QAR", "ر.ق": "QAR", "JOD": "JOD",
    "د.أ": "JOD", "OMR": "OMR", "ر.ع": "OMR", "BHD": "BHD", "د.ب": "BHD",
}  # fmt: skip
UNITS = {
    "km": "km", "كم": "km", "cm": "cm", "سم": "cm", "mm": "mm", "مم": "mm", "kg": "kg",
    "كجم": "kg", "كغ": "kg", "كغم": "kg", "mg": "mg", "ml": "ml", "مل": "ml", "km/h": "km/h",
    "كم/س": "km/h", "°C": "°C", "° C": "°C", "°م": "°C", "℃": "°C", "°F": "°F", "°": "°",
    "KB": "KB", "MB": "MB", "GB": "GB", "TB": "TB", "ms": "ms", "kWh": "kWh", "kW": "kW",
    "MHz": "MHz", "GHz": "GHz", "m²": "m²", "م²": "m²", "m2": "m²", "م2": "m²", "Hz": "Hz",
}  # fmt: skip
_MONTHS = (
    ("january", "jan", "يناير", "كانون الثاني"),
    ("february", "feb", "فبراير", "شباط"),
    ("march", "mar", "مارس", "آذار"),
    ("april", "apr", "أبريل", "إبريل", "ابريل", "نيسان"),
    ("may", "مايو", "أيار"),
    ("june", "jun", "يونيو", "يونيه", "حزيران"),
    ("july", "jul", "يوليو", "يوليه", "تموز"),
    ("august", "aug", "أغسطس", "اغسطس", "آب"),
    ("september", "sept", "sep", "سبتمبر", "أيلول"),
    ("october", "oct", "أكتوبر", "اكتوبر", "تشرين الأول"),
    ("november", "nov", "نوفمبر", "تشرين الثاني"),
    ("december", "dec", "ديسمبر", "كانون الأول"),
)
MONTHS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}
_SCALES = {
    "one": 1, "thousand": 10**3, "k": 10**3, "ألف": 10**3, "million": 10**6, "m": 10**6,
    "مليون": 10**6, "billion": 10**9, "bn": 10**9, "b": 10**9, "مليار": 10**9,
}  # fmt: skip
_LARGE = ("thousand", "million", "billion", "ألف", "مليون", "مليار")
_MORNING = ("am", "a.m.", "a.m", "ص", "صباحًا", "صباحاً", "صباحا")
_EVENING = ("pm", "p.m.", "p.m", "م", "مساءً", "مساء")


_CODE = 10
"""Digits."""


def _any(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_NUM = r"(?:\d{1,3}(?:,\d{3}){1,8}|\d{1,40})(?:\.\d{1,12})?"
_FREE = r"(?:(?<![A-Za-z0-9_.,/:@-])|(?<=\A[-−])|(?<=[\s(][-−]))"
"""Not within a word or another number; a minus or an Arabic prefix may stand before it."""
_END = r"(?![A-Za-z0-9_@]|[.,:/-]\d)"
_LETTER = r"[A-Za-z\u0621-\u0652]"
_HALF = rf"(?i:{_any(_MORNING + _EVENING)})(?!{_LETTER})"
_MONTH = rf"(?:{_any(name.title() for name in MONTHS)})\.?(?!{_LETTER})"
_YEAR = r"[12]\d{3}"
_CURRENCY = _any(CURRENCIES)
_WORD_SCALE = rf"(?:{_any(_LARGE)})(?!{_LETTER})"
_TOP = "com|org|net|io|ai|dev|edu|gov|ae|eg|sa|co|uk|info"
_LABEL = r"[A-Za-z0-9-]{1,63}"
_PATH = r"[^\s<>\"']"

_PATTERNS = {
    "email": rf"(?<![\w.+-])[A-Za-z0-9][\w.+-]{{0,63}}@{_LABEL}(?:\.{_LABEL}){{1,5}}",
    "link": rf"(?<![\w@.-])(?:https?://{_PATH}{{1,500}}|www\.{_PATH}{{1,500}}"
    rf"|(?:{_LABEL}\.){{1,4}}(?:{_TOP})(?![A-Za-z0-9-])(?:/{_PATH}{{0,500}})?)",
    "hijri": rf"{_FREE}\d{{1,4}}[/.-]\d{{1,2}}[/.-]\d{{1,4}}[ ]?(?:هـ?|AH(?!\w))",
    "year_first": rf"{_FREE}(?P<yf_y>{_YEAR})(?:-(?P<yf_m>\d\d?)-|/(?P<yf_n>\d\d?)/)"
    rf"(?P<yf_d>\d\d?){_END}",
    "year_last": rf"{_FREE}(?P<yl_a>\d\d?)[/.-](?P<yl_b>\d\d?)[/.-](?P<yl_y>{_YEAR}){_END}"
    rf"(?:[ ]?م(?!{_LETTER}))?",
    "day_month": rf"{_FREE}(?P<dm_d>\d\d?)(?:st|nd|rd|th)?[ ](?:of[ ]|من[ ])?(?P<dm_m>{_MONTH})"
    rf"(?:,?[ ](?:عام[ ]|سنة[ ])?(?P<dm_y>{_YEAR}){_END})?",
    "month_day": rf"(?<![A-Za-z])(?P<md_m>{_MONTH})[ ](?P<md_d>\d\d?)(?:st|nd|rd|th)?"
    rf"(?![A-Za-z0-9_:%]|[.]\d)(?:,?[ ](?P<md_y>{_YEAR}){_END})?",
    "time": rf"(?P<t_said>الساعة[ ])?{_FREE}(?P<t_h>[01]?\d|2[0-3]):(?P<t_m>[0-5]\d)"
    rf"(?::(?P<t_s>[0-5]\d))?(?!\d|:\d)(?:[ ]?(?P<t_x>{_HALF}))?(?![A-Za-z0-9_@])",
    "hour": rf"(?P<h_said>الساعة[ ])?{_FREE}(?P<h_h>1[0-2]|0?[1-9])[ ]?(?P<h_x>{_HALF})",
    "said_hour": rf"الساعة[ ](?P<sh_h>1[0-2]|0?[1-9]){_END}(?!%)",
    "always": rf"{_FREE}24/7{_END}",
    "phone": rf"(?<![A-Za-z0-9_.,/:@#+-])\+\d[\d ()-]{{5,24}}\d{_END}"
    rf"|{_FREE}\(\d{{2,4}}\)[ ]?\d{{3,4}}[ -]\d{{3,4}}{_END}"
    rf"|{_FREE}\d{{2,4}}(?:[ -]\d{{3,4}}){{2,3}}{_END}"
    rf"|{_FREE}(?:800[ -]\d{{3,4}}|0\d{{6,14}}|\d{{3}}(?:-\d|[ ]0)\d{{3}}){_END}",
    "money_before": rf"(?<![A-Za-z])(?P<mb_c>{_CURRENCY})[ ]?(?P<mb_n>{_NUM})"
    rf"(?:(?P<mb_s>[kKmMbB]|bn)(?![A-Za-z])|[ ](?P<mb_w>{_WORD_SCALE}))?",
    "money_after": rf"{_FREE}(?P<ma_n>{_NUM})(?:[ ](?P<ma_w>{_WORD_SCALE}))?"
    rf"[ ]?(?P<ma_c>{_CURRENCY}|{_any(CURRENCY_WORDS)})(?!{_LETTER})",
    "percent": rf"{_FREE}(?P<pc_n>{_NUM})[ ]?%|%[ ]?(?P<pc_b>{_NUM}){_END}",
    "dotted": rf"{_FREE}\d{{1,5}}(?:\.\d{{1,5}}){{2,6}}{_END}",
    "quantity": rf"{_FREE}(?P<q_n>{_NUM})[ ]?(?P<q_u>{_any(UNITS)})(?!{_LETTER}|\d)",
    "counted": rf"{_FREE}(?P<c_n>{_NUM})[ ](?P<c_w>{_any(NOUNS)})(?!{_LETTER})",
    "ordinal": rf"{_FREE}(?P<o_n>\d{{1,6}})(?:st|nd|rd|th)(?!{_LETTER})",
    "fraction": rf"{_FREE}(?P<f_a>\d)/(?P<f_b>[2-9]){_END}",
    "range": rf"{_FREE}(?P<r_a>{_NUM})(?:-|[ ]?[–—][ ]?)(?P<r_b>{_NUM}){_END}",
    "year_of_era": rf"{_FREE}(?P<ye_n>{_YEAR})[ ]?م(?!{_LETTER})",
    "number": rf"{_FREE}(?P<n_n>{_NUM})(?![A-Za-z0-9_]|[.,:/-]\d)",
    "sign": r"[#№](?=[ ]?\d)|(?<!\S)&(?!\S)|(?<![^\s(])[-−](?=\d)",
}
_TOKENS = re.compile("|".join(f"(?P<{name}>{source})" for name, source in _PATTERNS.items()))


def folded(text: str) -> str:
    """The text with ASCII digits and separators, character by character."""
    return text.translate(_FOLDED)


def tokens(text: str, *, month_first: bool) -> Iterator[Found]:
    """The tokens of a `folded` text, in order. `month_first`: 3/4/2025 is of March."""
    for match in _TOKENS.finditer(text):
        name = str(match.lastgroup)
        token = _MAKERS[name](match, month_first)
        end = match.end()
        if isinstance(token, Address):
            end = match.start() + len(token.text)
        yield Found(token or AsWritten(), match.start(), end)


def _plain(digits: str) -> str:
    return digits.replace(",", "")


def _date(day: str, month: int, year: str | None) -> Date | None:
    fits = 1 <= int(day) <= 31 and 1 <= month <= 12
    return Date(int(day), month, int(year) if year else None) if fits else None


def _year_first(match: re.Match[str], _month_first: bool) -> Token | None:
    month = match["yf_m"] or match["yf_n"]
    return _date(match["yf_d"], int(month), match["yf_y"])


def _year_last(match: re.Match[str], month_first: bool) -> Token | None:
    first, second = match["yl_a"], match["yl_b"]
    if int(second) > 12 or (month_first and int(first) <= 12):
        first, second = second, first
    return _date(first, int(second), match["yl_y"])


def _month(name: str) -> int:
    return MONTHS[name.rstrip(".").lower()]


def _half(marker: str | None) -> HalfDay | None:
    if marker is None:
        return None
    return "am" if marker.lower() in _MORNING else "pm"


def _time(match: re.Match[str], _month_first: bool) -> Token | None:
    second = match["t_s"]
    return Time(
        int(match["t_h"]),
        int(match["t_m"]),
        int(second) if second else None,
        _half(match["t_x"]),
        said_hour=bool(match["t_said"]),
    )


def _money_before(match: re.Match[str], _month_first: bool) -> Token | None:
    scale = _SCALES[(match["mb_s"] or match["mb_w"] or "one").lower()]
    return Money(_plain(match["mb_n"]), CURRENCIES[match["mb_c"]], scale)


def _money_after(match: re.Match[str], _month_first: bool) -> Token | None:
    scale = _SCALES[(match["ma_w"] or "one").lower()]
    currency = match["ma_c"]
    code = CURRENCIES.get(currency) or CURRENCY_WORDS[currency]
    return Money(_plain(match["ma_n"]), code, scale)


def _number(match: re.Match[str], _month_first: bool) -> Token | None:
    """So many digits without a separator are a code and no amount."""
    written = match["n_n"]
    return (
        Phone((written,))
        if written.isdecimal() and len(written) >= _CODE
        else Number(_plain(written))
    )


_MAKERS: dict[str, Callable[[re.Match[str], bool], Token | None]] = {
    "email": lambda match, _: Address(match[0].rstrip(".")),
    "link": lambda match, _: Address(match[0].rstrip(".,;:!?)]}»”’،؛؟")),
    "hijri": lambda _match, _: AsWritten(),
    "year_first": _year_first,
    "year_last": _year_last,
    "day_month": lambda match, _: _date(match["dm_d"], _month(match["dm_m"]), match["dm_y"]),
    "month_day": lambda match, _: _date(match["md_d"], _month(match["md_m"]), match["md_y"]),
    "time": _time,
    "hour": lambda match, _: Time(
        int(match["h_h"]), 0, None, _half(match["h_x"]), said_hour=bool(match["h_said"])
    ),
    "said_hour": lambda match, _: Time(int(match["sh_h"]), 0, None, None, said_hour=True),
    "always": lambda _match, _: Sign("24/7"),
    "phone": lambda match, _: Phone(
        tuple(re.findall(r"\d+", match[0])), international=match[0].startswith("+")
    ),
    "money_before": _money_before,
    "money_after": _money_after,
    "percent": lambda match, _: Percent(_plain(match["pc_n"] or match["pc_b"])),
    "dotted": lambda match, _: Dotted(tuple(match[0].split("."))),
    "quantity": lambda match, _: Quantity(_plain(match["q_n"]), UNITS[match["q_u"]]),
    "counted": lambda match, _: Counted(_plain(match["c_n"]), match["c_w"]),
    "ordinal": lambda match, _: Ordinal(int(match["o_n"])),
    "fraction": lambda match, _: Fraction(int(match["f_a"]), int(match["f_b"])),
    "range": lambda match, _: Range(_plain(match["r_a"]), _plain(match["r_b"])),
    "year_of_era": lambda match, _: Number(match["ye_n"]),
    "number": _number,
    "sign": lambda match, _: Sign(match[0]),
}
