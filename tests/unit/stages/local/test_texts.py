"""Texts for the synthesiser."""

import pytest

from agent.stages.local.sentences import SentenceSplitter
from agent.stages.local.speakable import MAX_PIECE_CHARS, pieces
from agent.stages.normalization import Run


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One. ", "Two! ", "Three?"]),
        ("It costs 2.50 today. Yes.", ["It costs 2.50 today. ", "Yes."]),
        ("Ask Dr. Smith. He knows.", ["Ask Dr. Smith. ", "He knows."]),
        ("هل تسمعني؟ نعم. شكرا", ["هل تسمعني؟ ", "نعم. ", "شكرا"]),
        ('He said "Go." Then left.', ['He said "Go." ', "Then left."]),
        ("First line\nsecond line", ["First line\n", "second line"]),
        ("   ", []),
        ("نرسل اليوم؛ ونصل غدا. شكرا", ["نرسل اليوم؛ ", "ونصل غدا. ", "شكرا"]),
        ("د. أحمد هنا. نعم", ["د. أحمد هنا. ", "نعم"]),
        ("السعر ٢٫٥ درهم. نعم", ["السعر ٢٫٥ درهم. ", "نعم"]),
        ("قال «نعم.» ثم ذهب", ["قال «نعم.» ", "ثم ذهب"]),
        (
            "نستقبل الطلبات من السبت إلى الخميس في كل الإمارات بلا استثناء، ونرد في يوم، أو اثنين",
            [
                "نستقبل الطلبات من السبت إلى الخميس في كل الإمارات بلا استثناء، ",
                "ونرد في يوم، أو اثنين",
            ],
        ),
    ],
)
def test_sentences_whatever_the_pieces(text: str, sentences: list[str]) -> None:
    """Catches cuts within numbers and after titles, and text that is lost between pieces."""
    for step in (1, 5, len(text)):
        splitter = SentenceSplitter()
        found = [s for at in range(0, len(text), step) for s in splitter.push(text[at:][:step])]
        found += splitter.flush()
        if step == 1:
            assert "".join(found).split() == text.split()
        else:
            assert [sentence.strip() for sentence in found] == [s.strip() for s in sentences]


def test_a_sentence_is_known_as_soon_as_the_next_begins() -> None:
    """Catches speech that starts only when the answer is complete."""
    splitter = SentenceSplitter()
    assert splitter.push("One is over. Two") == ["One is over. "]


def test_a_clause_stands_for_a_sentence_that_does_not_end() -> None:
    """Catches silence while a list of a page is written."""
    splitter = SentenceSplitter()
    found = splitter.push("a few words, " * 40)
    assert found
    assert "".join([*found, *splitter.flush()]) == "a few words, " * 40


def test_pieces_are_bounded_and_lose_no_word() -> None:
    """Catches text of a length that the engine was not tried with."""
    text = "A sentence of some words. " * 100 + "x" * 2_000
    found = [piece.spoken for piece in pieces(text, "en-us")]
    assert max(map(len, found)) <= MAX_PIECE_CHARS
    assert "".join(found).replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("text", ["", " \n", "\x00\x1b\u202e", "***", "🙂"])
def test_nothing_to_say_is_no_piece(text: str) -> None:
    """Catches control characters, mark-up and pictures that are read out."""
    assert pieces(text, "en-us") == []


def test_markup_and_control_characters_go() -> None:
    """Catches "asterisk asterisk" in an answer."""
    assert pieces("**Bold**\x07 and `code`\ttoo", "en-us") == [Run("Bold and code too", "en")]


def test_numbers_are_words_before_signs_are_taken_for_markup() -> None:
    """Catches "#5", "5°C" and an underscore in an address that are dropped as mark-up."""
    [piece] = pieces("**Lamp #5**, 5°C, a_b@example.com", "en-us")
    assert piece.spoken == (
        "Lamp number five , five degrees Celsius, a underscore b at example dot com"
    )


def test_pieces_change_with_the_language() -> None:
    """Catches Arabic words in an English voice, letters in their printed shapes, and strokes."""
    assert pieces("Say ﻣﺮﺣﺒﺎ بـ5 دراهم", "en-us") == [
        Run("Say", "en"),
        Run("مرحبا بخمسة دراهم", "ar"),
    ]
