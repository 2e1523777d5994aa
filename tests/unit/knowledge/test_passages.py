"""Sentences, and cutting documents into passages."""

import pytest

from agent.knowledge.passages import MAX_WORDS, passages
from agent.knowledge.sections import Document, Section
from agent.knowledge.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("كم السعر؟ خمسة دراهم. شكرا", ["كم السعر؟", "خمسة دراهم.", "شكرا"]),
        ("Ask Mrs. Mansour or Dr. Ali.", ["Ask Mrs. Mansour or Dr. Ali."]),
        ("It costs 2.50 dirhams. Yes.", ["It costs 2.50 dirhams.", "Yes."]),
        ("Use e.g. Brass polish.", ["Use e.g. Brass polish."]),
        ('He said "stop." Then left.', ['He said "stop."', "Then left."]),
        ("approx. five days", ["approx. five days"]),
        ("one\ntwo\n\n three ", ["one", "two", "three"]),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    """Catches sentences torn at abbreviations and decimals, or run together."""
    assert sentences(text) == expected


def test_passages_keep_to_their_section() -> None:
    """Catches a passage that mixes sections, or indexes that do not count on."""
    document = Document("Guide", (Section("", "One. Two."), Section("Prices", "Five.\nSix.")))
    found = passages("en/guide.md", document)
    assert [(p.chunk_index, p.heading, p.text) for p in found] == [
        (0, "", "One. Two."),
        (1, "Prices", "Five.\nSix."),
    ]
    assert {(p.filename, p.title) for p in found} == {("en/guide.md", "Guide")}


def test_long_sections_are_cut_evenly_between_sentences() -> None:
    """Catches passages over the limit, a tiny rest at the end, lost words, torn sentences."""
    sentence = "Ten words are in each and every sentence of this."
    text = " ".join([sentence] * 31)
    found = passages("a.md", Document("A", (Section("", text),)))
    lengths = [len(p.text.split()) for p in found]
    assert len(found) == 3
    assert max(lengths) <= MAX_WORDS
    assert min(lengths) >= 80
    assert " ".join(p.text for p in found) == text


def test_a_sentence_without_end_is_cut() -> None:
    """Catches a passage of unbounded length from text without punctuation."""
    found = passages("a.md", Document("A", (Section("", "word " * 1000),)))
    assert max(len(p.text.split()) for p in found) <= MAX_WORDS
    assert sum(len(p.text.split()) for p in found) == 1000
