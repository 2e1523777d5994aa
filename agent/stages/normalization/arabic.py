"""How a token is read in Arabic. Pure.

Case follows the word before; gender and form follow the noun after. Hours and days are ordinals, as
people say them; months have their usual names of Egypt and the Gulf.
"""

from typing import assert_never

from agent.stages.normalization.arabic_nouns import CURRENCIES, NOUNS, UNITS
from agent.stages.normalization.arabic_numbers import (
    MAX_NUMBER,
    Case,
    Gender,
    Noun,
    cardinal,
    counted,
    hour,
    ordinal,
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
    "يناير", "فبراير", "مارس", "أبريل", "مايو", "يونيو", "يوليو", "أغسطس", "سبتمبر", "أكتوبر",
    "نوفمبر", "ديسمبر",
)  # fmt: skip
_OBLIQUE_AFTER = frozenset(
    {
        "من",
        "إلى",
        "الى",
        "في",
        "على",
        "عن",
        "حتى",
        "خلال",
        "بعد",
        "قبل",
        "منذ",
        "لمدة",
        "مدة",
        "نحو",
        "حوالي",
        "حوالى",
        "بين",
        "غضون",
        "عند",
        "مع",
        "كل",
        "قرابة",
        "زهاء",
        "سوى",
        "غير",
        "بعض",
        "ب",
        "بـ",
        "ل",
        "لـ",
        "ك",
        "كـ",
        "وب",
        "وبـ",
        "ول",
        "ولـ",
        "بنسبة",
        "بقيمة",
        "بسعر",
        "بمبلغ",
        "بمعدل",
        "عام",
        "سنة",
    }
)
_QUARTERS = {15: "والربع", 20: "والثلث", 30: "والنصف"}
_FRACTIONS = {2: "نصف", 3: "ثلث", 4: "ربع", 5: "خمس", 6: "سدس", 7: "سبع", 8: "ثمن", 9: "تسع"}
_SIGNS = {"#": "رقم ", "№": "رقم ", "&": "و", "-": "سالب ", "−": "سالب ", "24/7": "على مدار الساعة"}
_STERLING = {"GBP": " إسترليني"}


def verbalize(token: Token, context: Context) -> str | None:
    """The words; None: as it is written."""
    case: Case = "oblique" if context.before in _OBLIQUE_AFTER else "nominative"
    if isinstance(token, Amount):
        return _amount(token, case, context)
    match token:
        case Date():
            return _date(token, case)
        case Time():
            return _time(token)
        case Phone(groups, international):
            spelled = "، ".join(_digit_by_digit(group) for group in groups)
            return f"زائد {spelled}" if international else spelled
        case Dotted(parts):
            return " نقطة ".join(number(part) for part in parts)
        case Sign(sign):
            return _SIGNS[sign]
        case Address() | AsWritten():
            return None
    assert_never(token)


def _amount(token: Amount, case: Case, context: Context) -> str:
    match token:
        case Number(digits):
            gender, construct = _agreement(context.after)
            return number(digits, gender, case, construct=construct)
        case Counted(digits, form):
            return _of(digits, NOUNS[form], case)
        case Range(low, high):
            gender, construct = _agreement(context.after)
            first = number(low, gender, case)
            return f"{first} إلى {number(high, gender, 'oblique', construct=construct)}"
        case Ordinal(value):
            return ordinal(value, "m", case) if 1 <= value <= 99 else number(str(value))
        case Percent(digits):
            return f"{number(digits, 'm', case)} بالمئة"
        case Fraction(above, below):
            return _fraction(above, below)
        case Money():
            return _money(token, case)
        case Quantity(digits, unit):
            name, more = UNITS[unit]
            return _of(digits, name, case) + more
    assert_never(token)


def number(
    digits: str, gender: Gender = "m", case: Case = "nominative", *, construct: bool = False
) -> str:
    """A whole number, a decimal, or, where it is too long or begins with 0, its digits."""
    whole, _, part = digits.partition(".")
    if len(whole) > 15 or (len(whole) > 1 and whole[0] == "0") or int(whole) >= MAX_NUMBER:
        return _digit_by_digit(whole) + (f" فاصلة {_digit_by_digit(part)}" if part else "")
    if part.strip("0") == "":
        return cardinal(int(whole), gender, case, construct=construct)
    words = cardinal(int(whole), "m", case)
    if part.rstrip("0") == "5" and int(whole) > 0:
        return f"{words} ونصف"
    if part[0] == "0" or len(part) > 2:
        return f"{words} فاصلة {_digit_by_digit(part)}"
    return f"{words} فاصلة {cardinal(int(part), 'm', case)}"


def _digit_by_digit(digits: str) -> str:
    return " ".join(cardinal(int(digit)) for digit in digits)


def _agreement(after: str) -> tuple[Gender, bool]:
    """The gender of the noun that follows, as far as its form tells, and whether one does."""
    known = NOUNS.get(after)
    if known is not None:
        return known.gender, True
    return ("f" if after.endswith(("ة", "ات")) else "m"), False


def _of(digits: str, what: Noun, case: Case) -> str:
    whole, _, part = digits.partition(".")
    if part.strip("0") or len(whole) > 12 or int(whole) == 0:
        return f"{number(digits, what.gender, case)} {what.singular}"
    return counted(int(whole), what, case)


def _fraction(above: int, below: int) -> str:
    name = _FRACTIONS[below]
    if above == 1:
        return name
    if above == 2:
        return f"{name}ان"
    if below == 4 and above == 3:
        return "ثلاثة أرباع"
    return f"{cardinal(above)} على {cardinal(below)}"


def _money(money: Money, case: Case) -> str:
    coin, small, parts = CURRENCIES[money.currency]
    kind = _STERLING.get(money.currency, "")
    whole, _, part = money.digits.partition(".")
    if money.scale > 1:
        return _scaled(money, coin, case) + kind
    if len(whole) > 12:
        return f"{number(money.digits)} {coin.singular}{kind}"
    places = len(str(parts)) - 1
    change = int(part[:places].ljust(places, "0")) if part else 0
    if not int(whole) and change:
        return counted(change, small, case)
    words = counted(int(whole), coin, case) if int(whole) else f"صفر {coin.singular}"
    return words + kind + (f" و{counted(change, small, case)}" if change else "")


def _scaled(money: Money, coin: Noun, case: Case) -> str:
    """`3.5 million`: exact where it is whole, else as it is written."""
    whole, _, part = money.digits.partition(".")
    value = int(whole + part) * money.scale
    exact, rest = divmod(value, 10 ** len(part))
    if rest or exact >= MAX_NUMBER or not exact:
        return f"{number(money.digits)} {coin.singular}"
    return counted(exact, coin, case)


def _date(date: Date, case: Case) -> str:
    words = f"{ordinal(date.day, 'm', case)} من {_MONTHS[date.month - 1]}"
    return words if date.year is None else f"{words} عام {cardinal(date.year, 'm', 'oblique')}"


def _time(time: Time) -> str:
    clock = time.hour % 12 or 12
    if time.minute == 45:
        words = f"{hour(clock % 12 + 1)} إلا الربع"
    else:
        words = f"{hour(clock)}{_minutes(time.minute)}"
    if time.second:
        words = f"{words} و{counted(time.second, NOUNS['ثانية'])}"
    half = _half(time)
    return ("الساعة " if time.said_hour else "") + words + (f" {half}" if half else "")


def _minutes(minute: int) -> str:
    if not minute:
        return ""
    return " " + (_QUARTERS.get(minute) or f"و{counted(minute, NOUNS['دقيقة'])}")


def _half(time: Time) -> str:
    match time.half:
        case "am":
            return "صباحًا"
        case "pm":
            return "مساءً"
        case None:
            """As the clock of 24 hours has it."""
    if time.hour == 0:
        return "بعد منتصف الليل"
    if time.hour <= 12:
        return ""
    return "مساءً" if time.hour >= 17 else "بعد الظهر"
