"""Sentences that no provider refuses for their length."""

import asyncio

import pytest

from agent.stages.bounded_sentences import BoundedSentences, pieces

LONG = (
    "When an order is late, and the carrier has not said why, we ask the carrier ourselves, and we "
    "write to you as soon as we know where your parcel is. It is then with you within days."
)


async def streamed(text: str, max_characters: int) -> list[str]:
    """The sentences of a text that comes word by word."""
    stream = BoundedSentences(max_characters).stream()
    for word in text.split(" "):
        stream.push_text(f"{word} ")
    stream.end_input()
    return [sentence.token async for sentence in stream]


@pytest.mark.parametrize("max_characters", [30, 60, 200])
async def test_no_sentence_is_too_long_and_no_word_is_lost(max_characters: int) -> None:
    """Catches an answer that a provider refuses, and one of which a part is not spoken."""
    sentences = await asyncio.wait_for(streamed(LONG, max_characters), 5)
    assert max(map(len, sentences)) <= max_characters
    assert " ".join(sentences).split() == LONG.split()
    assert "".join(BoundedSentences(max_characters).tokenize(LONG)) == LONG


async def test_what_fits_is_spoken_sentence_by_sentence() -> None:
    """Catches a cut where none is needed."""
    sentences = await asyncio.wait_for(streamed(LONG, 200), 5)
    assert [sentence.strip()[-5:] for sentence in sentences] == ["l is.", "days."]


@pytest.mark.parametrize(
    ("sentence", "cut"),
    [
        ("one, two three four five", ["one, ", "two three ", "four five"]),
        ("one two three four", ["one two ", "three four"]),
        ("oneoneoneoneone", ["oneoneoneo", "neone"]),
        ("واحد، اثنان ثلاثة", ["واحد، ", "اثنان ", "ثلاثة"]),
        ("short", ["short"]),
        ("", []),
    ],
)
def test_where_a_sentence_is_cut(sentence: str, cut: list[str]) -> None:
    """Catches a breath in the middle of a word where there is a better place."""
    assert list(pieces(sentence, 10)) == cut


async def test_a_long_sentence_is_spoken_before_it_is_over() -> None:
    """Catches a wait for the end of a sentence that is too long to be spoken whole."""
    stream = BoundedSentences(30).stream()
    stream.push_text("one two three four five six seven eight")
    assert (await asyncio.wait_for(anext(stream), 5)).token == "one two three four five six "
    await stream.aclose()


async def test_arabic_ends_of_sentences() -> None:
    """Catches an answer in Arabic that is spoken only when all of it is written."""
    text = "هل وصلت الطلبية إليكم اليوم؟ نعم وصلت قبل ساعة؛ وهي كاملة كما طلبناها. شكرا لكم جميعا."
    sentences = BoundedSentences(200).tokenize(text)
    assert [sentence[-1] for sentence in sentences] == ["؟", "؛", ".", "."]
    assert "".join(sentences) == text
