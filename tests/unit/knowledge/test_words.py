"""Normalising, words and stems."""

import pytest

from agent.knowledge import arabic
from agent.knowledge.words import Stemmer, is_arabic, is_content, normalise, trigrams, words


@pytest.mark.parametrize(
    ("written", "as_well"),
    [
        ("الضَّمانُ", "الضمان"),
        ("أإآٱ", "اااا"),
        ("مدرسة", "مدرسه"),
        ("مستشفى", "مستشفي"),
        ("مســؤول", "مسوول"),
        ("١٢٣ ۴", "123 4"),
        ("Café", "cafe"),
        ("\u200fمرحبا\u200e", "مرحبا"),
        ("ﻻ", "لا"),
    ],
)
def test_spellings_of_one_word_are_one(written: str, as_well: str) -> None:
    """Catches a letter or mark that writers vary and that keeps a word from being found."""
    assert normalise(written) == normalise(as_well)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,500 dirhams", ["1500", "dirhams"]),
        ("١٬٥٠٠ درهم", ["1500", "درهم"]),
        ("a, b", ["a", "b"]),
        ("don't", ["dont"]),
        ("the shop’s door", ["the", "shop", "door"]),
        ('AND OR NOT "quoted" *', ["and", "or", "not", "quoted"]),
        ("", []),
        ("?!", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    """Catches splitting that loses numbers, apostrophes or words beside marks."""
    assert words(text) == expected


def test_words_are_bounded() -> None:
    """Catches a word of any length going into the index."""
    assert len(words("x" * 10_000)[0]) <= 64


@pytest.mark.parametrize(
    ("one", "other"),
    [("returned", "returns"), ("bought", "buy"), ("buses", "bus"), ("البطاقة", "بطاقتي"),
     ("الطلب", "طلبكم"), ("والنحاس", "النحاسية"), ("الإلغاء", "إلغاء")],
)  # fmt: skip
def test_forms_of_a_word_have_one_stem(one: str, other: str) -> None:
    """Catches a form that is not led back to its word, or to another stem with the article."""
    stemmer = Stemmer()
    assert stemmer.stems(one) == stemmer.stems(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("مصباح", "مصابيح"), ("تبيعون", "نبيعه"), ("الضمان", "مضمونة"), ("إرجاع", "استرجاع")],
)
def test_related_arabic_words_share_a_root(one: str, other: str) -> None:
    """Catches broken plurals and verb forms that do not meet."""
    stemmer = Stemmer()
    first, second = (arabic.roots(stemmer.stems(word)[0]) for word in (one, other))
    assert first & second


def test_short_words_keep_three_letters() -> None:
    """Catches stemming that eats a short word up."""
    assert arabic.stem("بيت") == "بيت"
    assert arabic.stem("كان") == "كان"


def test_function_words_tell_nothing() -> None:
    """Catches stop words that are listed in a form that never occurs."""
    assert not any(map(is_content, words("What is the, please? Don't you? ما هي، إلى، متى؟")))
    assert all(map(is_content, words("refund 30 ضمان")))


def test_script() -> None:
    """Catches a language judged by a borrowed word or by digits."""
    assert is_arabic("مصابيح LED جديدة")
    assert not is_arabic("The word مصباح means lamp")
    assert not is_arabic("123")


def test_trigrams_mark_the_ends() -> None:
    """Catches trigrams that forget where a word begins."""
    assert trigrams("cat") == {"^ca", "cat", "at$"}
