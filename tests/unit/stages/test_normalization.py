"""What is written, in the words in which it is spoken."""

import random
import time

import pytest

from agent.stages.normalization import base_language, beginning, readings, runs
from agent.stages.normalization.arabic_numbers import cardinal, counted, noun, ordinal
from agent.stages.normalization.english_numbers import cardinal as english

ENGLISH = [
    # numbers
    ("It has 3 doors.", "It has three doors."),
    ("1,250 lamps", "one thousand two hundred and fifty lamps"),
    ("Wait 0 s", "Wait zero s"),
    ("It is 2.50 m", "It is two point five zero m"),
    ("about -5 now", "about minus five now"),
    ("agent 007", "agent zero zero seven"),
    ("1,000,000", "one million"),
    ("order 1234567890", "order one two three four five six seven eight nine zero"),
    ("the 21st and the 2nd", "the twenty-first and the second"),
    ("3-5 days", "three to five days"),
    ("3 – 5 days", "three to five days"),
    ("1/2 or 3/4", "one half or three quarters"),
    ("version 3.11.7", "version three point eleven point seven"),
    ("order #5", "order number five"),
    ("open 24/7", "open twenty-four seven"),
    ("A & B", "A and B"),
    # years
    ("since 1999", "since nineteen ninety-nine"),
    ("in 2005", "in two thousand and five"),
    ("in 2024 people", "in two thousand and twenty-four people"),
    ("2024 lamps", "two thousand and twenty-four lamps"),
    # percentages and units
    ("12.5% off", "twelve point five percent off"),
    ("5 km or 1 km", "five kilometers or one kilometer"),
    ("-5°C", "minus five degrees Celsius"),
    ("20GB", "twenty gigabytes"),
    ("90 km/h", "ninety kilometers per hour"),
    # money
    ("$1,234.50", "one thousand two hundred and thirty-four dollars and fifty cents"),
    ("£0.99", "ninety-nine pence"),
    ("€1", "one euro"),
    ("AED 45", "forty-five dirhams"),
    ("45 AED", "forty-five dirhams"),
    ("$3.5M", "three point five million dollars"),
    ("$2 million", "two million dollars"),
    ("KWD 1.250", "one dinar and two hundred and fifty fils"),
    # dates
    ("on 2025-03-15", "on March fifteenth, twenty twenty-five"),
    ("on 3/15/2025", "on March fifteenth, twenty twenty-five"),
    ("on 15/3/2025", "on March fifteenth, twenty twenty-five"),
    ("on 3/4/2025", "on March fourth, twenty twenty-five"),
    ("March 15, 2025", "March fifteenth, twenty twenty-five"),
    ("the 15 March", "the fifteenth of March"),
    ("5 May 2006", "May fifth, two thousand and six"),
    ("12 may come", "twelve may come"),
    ("45/45/2025", "45/45/2025"),
    # times
    ("at 10:30 PM", "at ten thirty p.m."),
    ("at 14:05", "at two oh five p.m."),
    ("at 10:00", "at ten o'clock"),
    ("at 9 a.m.", "at nine a.m."),
    ("at 5pm", "at five p.m."),
    ("at 00:15", "at twelve fifteen a.m."),
    # telephones and addresses
    ("+971 4 555 0142", "plus nine seven one, four, five five five, zero one four two"),
    ("800 5426", "eight zero zero, five four two six"),
    ("555-0142", "five five five, zero one four two"),
    ("call 555 0199", "call five five five, zero one nine nine"),
    ("(212) 555-0142", "two one two, five five five, zero one four two"),
    ("0501234567", "zero five zero one two three four five six seven"),
    ("a.b-c@shop.example.com.", "a dot b dash c at shop dot example dot com."),
    ("see https://www.example.com/returns/4.", "see example dot com slash returns slash four."),
    ("example.com", "example dot com"),
    # names stay
    ("E27, IP44 and GPT-4", "E27, IP44 and GPT-4"),
    ("iPhone 15 Pro", "iPhone fifteen Pro"),
    ("C3PO 2go", "C3PO 2go"),
]

ARABIC = [
    # counted nouns: gender, dual, 3 to 10, 11 and more, hundreds
    ("1 يوم", "يوم واحد"),
    ("2 يوم", "يومان"),
    ("خلال 2 يوم", "خلال يومين"),
    ("3 أيام", "ثلاثة أيام"),
    ("٣ أيام", "ثلاثة أيام"),
    ("۳ أيام", "ثلاثة أيام"),
    ("3 سنوات", "ثلاث سنوات"),
    ("8 ساعات", "ثماني ساعات"),
    ("8 أيام", "ثمانية أيام"),
    ("11 يوم", "أحد عشر يومًا"),
    ("11 ساعة", "إحدى عشرة ساعة"),
    ("12 شهرًا", "اثنا عشر شهرًا"),
    ("خلال 14 يوم", "خلال أربعة عشر يومًا"),
    ("25 دقيقة", "خمس وعشرون دقيقة"),
    ("بعد 25 دقيقة", "بعد خمس وعشرين دقيقة"),
    ("25 سيارة", "خمس وعشرون سيارة"),
    ("100 كتاب", "مئة كتاب"),
    ("200 كتاب", "مئتا كتاب"),
    ("103 أيام", "مئة وثلاثة أيام"),
    ("10-12 يومًا", "عشرة إلى اثني عشر يومًا"),
    # numbers
    ("رقم 7", "رقم سبعة"),
    ("من 20 إلى 25", "من عشرين إلى خمسة وعشرين"),
    ("1,234,567", "مليون ومئتان وأربعة وثلاثون ألفًا وخمسمئة وسبعة وستون"),
    ("١٬٢٥٠", "ألف ومئتان وخمسون"),
    ("2.5", "اثنان ونصف"),
    ("3.25", "ثلاثة فاصلة خمسة وعشرون"),
    ("٣٫٠٥", "ثلاثة فاصلة صفر خمسة"),
    ("3/4", "ثلاثة أرباع"),
    ("-5", "سالب خمسة"),
    ("#8", "رقم ثمانية"),
    # percentages, units, money
    ("12.5%", "اثنا عشر ونصف بالمئة"),
    ("خصم ٢٠٪", "خصم عشرون بالمئة"),
    ("خصم ٪٢٠", "خصم عشرون بالمئة"),
    ("5 كم", "خمسة كيلومترات"),
    ("5°C", "خمس درجات مئوية"),
    ("500 GB", "خمسمئة غيغابايت"),
    ("45 درهم", "خمسة وأربعون درهمًا"),
    ("بـ45 درهمًا", "بـخمسة وأربعين درهمًا"),
    ("200 درهم", "مئتا درهم"),
    ("2 دينار", "ديناران"),
    ("45.50 د.إ", "خمسة وأربعون درهمًا وخمسون فلسًا"),
    ("$5M", "خمسة ملايين دولار"),
    ("3,999 جنيه", "ثلاثة آلاف وتسعمئة وتسعة وتسعون جنيهًا"),
    ("£3", "ثلاثة جنيهات إسترليني"),
    # dates: day and month by name; Hijri ones are left alone
    ("15 مارس", "الخامس عشر من مارس"),
    ("١٥ مارس ٢٠٢٥", "الخامس عشر من مارس عام ألفين وخمسة وعشرين"),
    ("15/03/2025", "الخامس عشر من مارس عام ألفين وخمسة وعشرين"),
    ("3/4/2025م", "الثالث من أبريل عام ألفين وخمسة وعشرين"),
    ("2025-03-01", "الأول من مارس عام ألفين وخمسة وعشرين"),
    ("في 25 يناير", "في الخامس والعشرين من يناير"),
    ("سنة 2025م", "سنة ألفين وخمسة وعشرين"),
    ("15/9/1446 هـ", "15/9/1446 هـ"),
    # times
    ("الساعة 9", "الساعة التاسعة"),
    ("الساعة ٩:٣٠ ص", "الساعة التاسعة والنصف صباحًا"),
    ("من 9 ص إلى 5 م", "من التاسعة صباحًا إلى الخامسة مساءً"),
    ("9 صباحًا", "التاسعة صباحًا"),
    ("10:15", "العاشرة والربع"),
    ("10:20", "العاشرة والثلث"),
    ("10:45 PM", "الحادية عشرة إلا الربع مساءً"),
    ("10:05", "العاشرة وخمس دقائق"),
    ("14:30", "الثانية والنصف بعد الظهر"),
    ("00:30", "الثانية عشرة والنصف بعد منتصف الليل"),
    ("12:45", "الواحدة إلا الربع"),
    # telephones
    ("800 5426", "ثمانية صفر صفر، خمسة أربعة اثنان ستة"),
    (
        "\u200e+971 4 555 0142",
        "\u200eزائد تسعة سبعة واحد، أربعة، خمسة خمسة خمسة، صفر واحد أربعة اثنان",
    ),
    ("0501", "صفر خمسة صفر واحد"),
]

MIXED = [
    ("ar-EG", "متوفر iPhone 15 Pro الآن", ["ar متوفر", "en iPhone fifteen Pro", "ar الآن"]),
    ("ar-EG", "مع LED 9 واط", ["ar مع", "en LED", "ar تسعة واط"]),
    ("ar-EG", "رمز IP44.", ["ar رمز", "en IP44."]),
    (
        "ar-EG",
        "راسلونا على help@example.com الآن",
        ["ar راسلونا على", "en help at example dot com", "ar الآن"],
    ),
    ("en-US", "Say مرحبا بكم twice", ["en Say", "ar مرحبا بكم", "en twice"]),
    ("en-US", "سعره 45 درهم today", ["ar سعره خمسة وأربعون درهمًا", "en today"]),
    ("en-GB", "on 3/4/2025", ["en on April third, twenty twenty-five"]),
    ("fr-FR", "Le 3 mai, مرحبا", ["fr Le 3 mai,", "ar مرحبا"]),
]


def spoken(text: str, language: str) -> str:
    return "".join(reading.spoken for reading in readings(text, language))


@pytest.mark.parametrize(("written", "words"), ENGLISH)
def test_english(written: str, words: str) -> None:
    """Catches numbers, dates, times, money and addresses that are read as they are written."""
    assert spoken(written, "en-US") == words


@pytest.mark.parametrize(("written", "words"), ARABIC)
def test_arabic(written: str, words: str) -> None:
    """Catches numbers that do not agree with what they count, and Western readings."""
    assert spoken(written, "ar-EG") == words


@pytest.mark.parametrize(("language", "written", "said"), MIXED)
def test_each_run_is_read_in_its_language(language: str, written: str, said: list[str]) -> None:
    """Catches names that are taken apart, and words given to a voice that cannot say them."""
    found = [f"{run.language} {run.spoken.strip()}" for run in runs(written, language)]
    assert found == said


def test_numbers_agree_with_gender_and_case() -> None:
    """Catches a rule that holds for the numbers of the tables above only."""
    year, day = noun("سنة", "سنوات"), noun("يوم", "أيام")
    for number in range(3, 11):
        assert not counted(number, year).split()[0].endswith("ة")
        assert counted(number, day).split()[0].endswith("ة")
    for number in range(20, 100):
        assert cardinal(number).endswith("ون")
        assert cardinal(number, "m", "oblique").endswith("ين")
    assert len({cardinal(number) for number in range(3_000)}) == 3_000
    assert len({english(number) for number in range(3_000)}) == 3_000
    assert len({ordinal(number) for number in range(1, 100)}) == 99


_ALPHABET = "0123456789٠٣٩ .,:/-+()@#%$&صمدابـوه\u064b\u200f abcXYZ\n°C<>€هـ"
_HOSTILE = [
    "1" * 8_000, "1," * 4_000, "1,234" * 1_600, "a." * 4_000, "+1 " * 2_600, "(" * 8_000,
    "1 " * 4_000, "1-" * 4_000, "a@" * 4_000, "1/" * 4_000, "$" * 8_000, "www." * 2_000,
    "http://" + "a" * 8_000, "الساعة " * 1_000, "1.1" * 2_600, "-1" * 4_000, "1 يوم " * 1_300,
    "12:30 " * 1_300, "ب" * 8_000, "+1234567 " * 800, "999,999,999,999,999 " * 400, "", "\x00",
    "\ud7ff", "９９", "²³", "١" * 8_000,
]  # fmt: skip


@pytest.mark.parametrize("language", ["en-US", "ar-EG", "fr-FR"])
def test_hostile_text_neither_crashes_nor_explodes(language: str) -> None:
    """Catches errors, lost text, sizes and times out of proportion."""
    chance = random.Random(5)  # noqa: S311 - the same texts every time
    random_texts = ["".join(chance.choices(_ALPHABET, k=600)) for _ in range(60)]
    began = time.process_time()
    for text in [*_HOSTILE, *random_texts]:
        found = readings(text, language)
        assert "".join(reading.written for reading in found) == text
        assert sum(len(reading.spoken) for reading in found) <= 40 * len(text) + 100
    assert time.process_time() - began < 20  # about 1 s; one pattern that backtracks takes minutes


@pytest.mark.parametrize(
    ("part", "heard"),
    [
        (0.0, ""),
        (0.2, "It costs"),
        (0.5, "It costs"),
        (0.95, "It costs $1,234.50"),
        (1.0, "It costs $1,234.50 today."),
    ],
)
def test_a_number_is_heard_as_long_as_it_is_spoken(part: float, heard: str) -> None:
    """Catches a history that has words after a number which was interrupted."""
    assert beginning("It costs $1,234.50 today.", part) == heard


def test_heard_words_are_those_written() -> None:
    """Catches a history in words that nobody wrote, and words that are lost or doubled."""
    for text in ("بـ٤٥ درهمًا، أو $5.", "Call +971 4 555 0142 at 9:30 PM; or not.", "", " "):
        assert beginning(text, 1.0) == " ".join(text.split())
        lengths = [len(beginning(text, part / 20)) for part in range(21)]
        assert lengths == sorted(lengths)


def test_the_language_of_a_text() -> None:
    """Catches Arabic numbers reckoned as English ones."""
    assert base_language("iPhone متوفر") == "ar"
    assert base_language("In 1999") == "en"
