"""Arabic numbers in words, in agreement with what they count. Pure.

num2words (0.5.14) was tried: it drops the ending of duals, knows no gender and no case, and reads
decimals as lists. The rules are those of modern standard Arabic, written without most short vowels.
"""

from dataclasses import dataclass
from typing import Literal

Gender = Literal["m", "f"]
"""Of what is counted."""
Case = Literal["nominative", "oblique"]

MAX_NUMBER = 10**15

_UNITS: dict[Gender, tuple[str, ...]] = {
    "m": (
        "صفر",
        "واحد",
        "اثنان",
        "ثلاثة",
        "أربعة",
        "خمسة",
        "ستة",
        "سبعة",
        "ثمانية",
        "تسعة",
        "عشرة",
    ),
    "f": ("صفر", "واحدة", "اثنتان", "ثلاث", "أربع", "خمس", "ست", "سبع", "ثماني", "تسع", "عشر"),
}
_TENS = ("عشر", "ثلاث", "أربع", "خمس", "ست", "سبع", "ثمان", "تسع")
"""Twenty to ninety, without their ending."""
_HUNDREDS = ("ثلاث", "أربع", "خمس", "ست", "سبع", "ثمان", "تسع")
_ORDINALS = (
    "أول", "ثاني", "ثالث", "رابع", "خامس", "سادس", "سابع", "ثامن", "تاسع", "عاشر",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun in the forms that numbers ask for."""

    singular: str
    dual: str
    """Without its ending: `يوم` of `يومان`, `يومين`."""
    plural: str
    """After 3 to 10."""
    accusative: str
    """After 11 to 99."""
    gender: Gender


def noun(singular: str, plural: str, gender: Gender | None = None) -> Noun:
    """A noun whose other forms follow from these."""
    feminine = singular.endswith("ة")
    return Noun(
        singular,
        singular[:-1] + "ت" if feminine else singular,
        plural,
        singular if feminine or singular.endswith("اء") else singular + "ًا",
        gender or ("f" if feminine else "m"),
    )


_SCALES = (
    (10**12, noun("تريليون", "تريليونات", "m")),
    (10**9, noun("مليار", "مليارات", "m")),
    (10**6, noun("مليون", "ملايين")),
    (10**3, noun("ألف", "آلاف")),
)


def cardinal(
    number: int, gender: Gender = "m", case: Case = "nominative", *, construct: bool = False
) -> str:
    """The number as it counts something of that gender; `construct`: its noun follows at once.

    0 <= number < MAX_NUMBER.
    """
    parts: list[str] = []
    rest = number
    for scale, name in _SCALES:
        count, rest = divmod(rest, scale)
        if count:
            parts.append(counted(count, name, case, construct=construct and not rest))
    hundreds, below = divmod(rest, 100)
    if hundreds:
        parts.append(_hundred(hundreds, case, construct=construct and not below))
    if below or not parts:
        parts.append(_below_hundred(below, gender, case))
    return " و".join(parts)


def counted(number: int, what: Noun, case: Case = "nominative", *, construct: bool = False) -> str:
    """So many of them: `ثلاثة أيام`, `يومان`, `أحد عشر يومًا`, `مئة يوم ويوم واحد`."""
    last = number % 100
    if number == 1:
        return what.singular if what in _SCALE_NOUNS else f"{what.singular} {_one(what.gender)}"
    if number == 2:
        return what.dual + _dual_ending(case, construct=construct)
    if last in (1, 2):
        whole = counted(number - last, what, case)
        return f"{whole} و{counted(last, what, case, construct=construct)}"
    words = cardinal(number, what.gender, case, construct=last == 0)
    if 3 <= last <= 10:
        return f"{words} {what.plural}"
    if last > 10 and not construct:
        return f"{words} {what.accusative}"
    return f"{words} {what.singular}"


def ordinal(number: int, gender: Gender = "m", case: Case = "nominative") -> str:
    """`الأول`, `الثانية عشرة`, `الحادي والعشرون`; 1 to 99."""
    tens, unit = divmod(number, 10)
    mark = "ة" if gender == "f" else ""
    if number == 1:
        return "الأولى" if gender == "f" else "الأول"
    if number <= 10:
        return f"ال{_ORDINALS[number - 1]}{mark}"
    first = f"ال{'حادي' if unit == 1 else _ORDINALS[unit - 1]}{mark}"
    if tens == 1:
        return f"{first} عشر{mark}"
    ten = "ال" + _ten(tens, case)
    return ten if unit == 0 else f"{first} و{ten}"


def hour(number: int) -> str:
    """`الواحدة` to `الثانية عشرة`."""
    return "الواحدة" if number == 1 else ordinal(number, "f")


def _one(gender: Gender) -> str:
    return _UNITS[gender][1]


def _dual_ending(case: Case, *, construct: bool) -> str:
    ending = "ا" if case == "nominative" else "ي"
    return ending if construct else ending + "ن"


def _hundred(count: int, case: Case, *, construct: bool) -> str:
    match count:
        case 1:
            return "مئة"
        case 2:
            return "مئت" + _dual_ending(case, construct=construct)
        case _:
            return _HUNDREDS[count - 3] + "مئة"


def _ten(count: int, case: Case) -> str:
    return _TENS[count - 2] + ("ون" if case == "nominative" else "ين")


def _below_hundred(number: int, gender: Gender, case: Case) -> str:
    tens, unit = divmod(number, 10)
    if number <= 10:
        return _unit(number, gender, case)
    if tens == 1:
        return f"{_teen(unit, gender, case)} {'عشرة' if gender == 'f' else 'عشر'}"
    ten = _ten(tens, case)
    if unit == 0:
        return ten
    first = "إحدى" if (unit, gender) == (1, "f") else _unit(unit, gender, case)
    return f"{first} و{ten}"


def _unit(number: int, gender: Gender, case: Case) -> str:
    word = _UNITS[gender][number]
    return word[:-2] + "ين" if number == 2 and case == "oblique" else word


def _teen(unit: int, gender: Gender, case: Case) -> str:
    if unit == 1:
        return "إحدى" if gender == "f" else "أحد"
    if unit == 2:
        return ("اثنت" if gender == "f" else "اثن") + ("ا" if case == "nominative" else "ي")
    return _UNITS[gender][unit]


_SCALE_NOUNS = frozenset(name for _, name in _SCALES)
