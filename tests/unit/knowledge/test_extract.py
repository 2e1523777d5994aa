"""Choosing the sentences that answer."""

from pathlib import Path

import pytest

from agent.knowledge import KnowledgeBase, Retrieval
from agent.knowledge.expected import Kind, asked_for, fit
from agent.knowledge.extract import extract
from agent.knowledge.index import index_directory
from agent.knowledge.words import Stemmer


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How long does delivery take?", Kind.TIME),
        ("How many days do I have?", Kind.TIME),
        ("how much is express delivery", Kind.PRICE),
        ("How many points do I need?", Kind.NUMBER),
        ("Can I pay in instalments?", None),
        ("متى تغلقون؟", Kind.TIME),
        ("كم يستغرق التوصيل؟", Kind.TIME),
        ("كم يومًا عندي؟", Kind.TIME),
        ("كم تكلفة التوصيل؟", Kind.PRICE),
        ("كم نقطة أحتاج؟", Kind.NUMBER),
        ("هل تقبلون الشيكات؟", None),
        ("Is shipping free?", Kind.PRICE),
        ("هل التوصيل مجاني؟", Kind.PRICE),
        ("Where is your shop?", Kind.PLACE),
        ("أين متجركم؟", Kind.PLACE),
        ("What is your phone number?", Kind.PHONE),
        ("كيف أتواصل معكم؟", Kind.PHONE),
    ],
)
def test_what_a_question_asks_for(question: str, kind: Kind | None) -> None:
    """Catches a price given where a time was asked for."""
    assert asked_for(question) is kind


@pytest.mark.parametrize(
    ("kind", "better", "worse"),
    [
        (Kind.TIME, "It takes two days.", "It costs 18 dirhams."),
        (Kind.PRICE, "It costs 18 dirhams.", "It takes two days."),
        (Kind.PRICE, "It is $5.", "It is blue."),
        (Kind.PHONE, "Ring 800 5426.", "Calls are erased after 60 days."),
        (Kind.PLACE, "You find us at 27 Palm Street.", "We open at 10 in the morning."),
        (Kind.NUMBER, "You need 500.", "You need some."),
        (Kind.TIME, "يصل خلال يومين.", "رسومه عشرون درهما."),
        (Kind.PRICE, "رسومه عشرون درهمًا.", "يصل خلال يومين."),
    ],
)
def test_what_a_sentence_holds(kind: Kind, better: str, worse: str) -> None:
    """Catches units that are not known for what they are."""
    assert fit(kind, better) > fit(kind, worse)


def ask(tmp_path: Path, page: str, question: str) -> tuple[str, ...]:
    """The sentences that answer `question` from `page`, with other pages beside it."""
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "page.md").write_text(page, encoding="utf-8")
    for number in range(10):
        (documents / f"{number}.md").write_text(f"Unrelated page {number}.", encoding="utf-8")
    list(index_directory(documents, tmp_path / "index"))
    base = KnowledgeBase.open(tmp_path / "index", "default")
    found = extract(base.search(question), Stemmer())
    base.close()
    assert found is not None
    return found.sentences


def test_the_sentence_that_answers(tmp_path: Path) -> None:
    """Catches reading out the whole passage, or the wrong sentence of it."""
    page = "# Delivery\nDelivery costs 18 dirhams. The van is blue. Delivery takes two days."
    assert ask(tmp_path, page, "how long does delivery take") == ("Delivery takes two days.",)


def test_a_sentence_that_leans_on_another_brings_it(tmp_path: Path) -> None:
    """Catches "It is valid for three years." without what it is."""
    page = "# Cards\nWe print vouchers. They can be redeemed online. Nothing else matters much."
    assert ask(tmp_path, page, "redeem online") == (
        "We print vouchers.",
        "They can be redeemed online.",
    )


def test_at_most_three_sentences_in_a_row(tmp_path: Path) -> None:
    """Catches an answer too long to listen to, or one with gaps."""
    page = "# Lamps\n" + " ".join(f"The lamp number {n} shines." for n in range(9))
    found = ask(tmp_path, page, "lamp shines")
    assert 1 <= len(found) <= 3
    assert " ".join(found) in page


def test_nothing_to_extract() -> None:
    """Catches an answer made of passages that do not hold it."""
    assert extract(Retrieval("anything", ()), Stemmer()) is None


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("how much is shipping to Oman", "Abroad a parcel is 75 dirhams."),
        ("how long does shipping to Oman take", "Parcels to Oman take six days."),
    ],
)
def test_a_price_under_another_heading_than_the_country(
    tmp_path: Path, question: str, answer: str
) -> None:
    """Catches a time read out where a price was asked for, as its section names the country."""
    page = (
        "# Shipping\n## Times\nParcels to Oman take six days.\n"
        "## Costs\nAbroad a parcel is 75 dirhams."
    )
    assert ask(tmp_path, page, question) == (answer,)
