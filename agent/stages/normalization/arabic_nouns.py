"""Nouns that are often counted, in the forms that Arabic numbers ask for. Pure tables."""

from agent.stages.normalization.arabic_numbers import Noun, noun

_COUNTED = (
    noun("يوم", "أيام"),
    noun("أسبوع", "أسابيع"),
    noun("شهر", "أشهر"),
    noun("عام", "أعوام"),
    noun("سنة", "سنوات"),
    noun("ساعة", "ساعات"),
    noun("دقيقة", "دقائق"),
    Noun("ثانية", "ثانيت", "ثوانٍ", "ثانية", "f"),
    Noun("ليلة", "ليلت", "ليالٍ", "ليلة", "f"),
    noun("مرة", "مرات"),
    noun("صفحة", "صفحات"),
    noun("كلمة", "كلمات"),
    noun("رسالة", "رسائل"),
    noun("خطوة", "خطوات"),
    noun("قطعة", "قطع"),
    noun("نقطة", "نقاط"),
    noun("درجة", "درجات"),
    noun("خانة", "خانات"),
    noun("محاولة", "محاولات"),
    noun("بطاقة", "بطاقات"),
    noun("نسخة", "نسخ"),
    noun("غرفة", "غرف"),
    noun("شخص", "أشخاص"),
    noun("طفل", "أطفال"),
    noun("رجل", "رجال"),
    noun("امرأة", "نساء"),
    noun("كتاب", "كتب"),
    noun("مصباح", "مصابيح"),
    noun("طلب", "طلبات", "m"),
    noun("منتج", "منتجات", "m"),
    noun("موعد", "مواعيد"),
    noun("فرع", "فروع"),
    noun("رقم", "أرقام"),
    noun("متر", "أمتار"),
    noun("كيلومتر", "كيلومترات", "m"),
    noun("سنتيمتر", "سنتيمترات", "m"),
    noun("مليمتر", "مليمترات", "m"),
    noun("كيلوغرام", "كيلوغرامات", "m"),
    noun("غرام", "غرامات", "m"),
    noun("لتر", "لترات", "m"),
    noun("واط", "واط"),
    noun("كيلو", "كيلوغرامات", "m"),
    noun("حرف", "أحرف"),
    noun("باب", "أبواب"),
    noun("مقعد", "مقاعد"),
    noun("بند", "بنود"),
    noun("سؤال", "أسئلة"),
)


def _forms(what: Noun) -> tuple[str, ...]:
    bare = what.singular
    return (
        bare, f"{bare}ا", f"{bare}اً", what.accusative, what.plural, f"{what.plural}ًا",
        f"{what.dual}ان", f"{what.dual}ين",
    )  # fmt: skip


NOUNS: dict[str, Noun] = {form: what for what in _COUNTED for form in _forms(what)}
"""By each form in which they are written."""

CURRENCIES: dict[str, tuple[Noun, Noun, int]] = {
    "AED": (noun("درهم", "دراهم"), noun("فلس", "فلوس"), 100),
    "SAR": (noun("ريال", "ريالات", "m"), noun("هللة", "هللات"), 100),
    "QAR": (noun("ريال", "ريالات", "m"), noun("درهم", "دراهم"), 100),
    "OMR": (noun("ريال", "ريالات", "m"), noun("بيسة", "بيسات"), 1000),
    "EGP": (noun("جنيه", "جنيهات", "m"), noun("قرش", "قروش"), 100),
    "KWD": (noun("دينار", "دنانير"), noun("فلس", "فلوس"), 1000),
    "BHD": (noun("دينار", "دنانير"), noun("فلس", "فلوس"), 1000),
    "JOD": (noun("دينار", "دنانير"), noun("قرش", "قروش"), 100),
    "USD": (noun("دولار", "دولارات", "m"), noun("سنت", "سنتات", "m"), 100),
    "EUR": (Noun("يورو", "يورو", "يورو", "يورو", "m"), noun("سنت", "سنتات", "m"), 100),
    "GBP": (noun("جنيه", "جنيهات", "m"), noun("بنس", "بنسات", "m"), 100),
}
"""The coin, the small coin, and how many of the small ones make one."""

CURRENCY_WORDS: dict[str, str] = {
    form: code
    for code in ("AED", "SAR", "EGP", "KWD", "USD", "EUR")
    for form in _forms(CURRENCIES[code][0])
}
"""ISO 4217 by the word that is written; of what several countries call so, the one spoken alike."""

UNITS: dict[str, tuple[Noun, str]] = {
    "km": (NOUNS["كيلومتر"], ""),
    "cm": (NOUNS["سنتيمتر"], ""),
    "mm": (NOUNS["مليمتر"], ""),
    "kg": (NOUNS["كيلوغرام"], ""),
    "mg": (noun("مليغرام", "مليغرامات", "m"), ""),
    "ml": (noun("مليلتر", "مليلترات", "m"), ""),
    "km/h": (NOUNS["كيلومتر"], " في الساعة"),
    "°C": (NOUNS["درجة"], " مئوية"),
    "°F": (NOUNS["درجة"], " فهرنهايت"),
    "°": (NOUNS["درجة"], ""),
    "KB": (noun("كيلوبايت", "كيلوبايت"), ""),
    "MB": (noun("ميغابايت", "ميغابايت"), ""),
    "GB": (noun("غيغابايت", "غيغابايت"), ""),
    "TB": (noun("تيرابايت", "تيرابايت"), ""),
    "ms": (noun("مليثانية", "مليثوانٍ"), ""),
    "kWh": (noun("كيلوواط", "كيلوواط"), " ساعة"),
    "kW": (noun("كيلوواط", "كيلوواط"), ""),
    "Hz": (noun("هرتز", "هرتز"), ""),
    "MHz": (noun("ميغاهرتز", "ميغاهرتز"), ""),
    "GHz": (noun("غيغاهرتز", "غيغاهرتز"), ""),
    "m²": (NOUNS["متر"], " مربع"),
}
"""By their sign: the noun that agrees, and what follows it."""
