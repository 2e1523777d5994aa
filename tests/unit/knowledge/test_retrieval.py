"""Searching: scores, judgement, robustness of queries, threads."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.knowledge import KnowledgeBase, UnknownCollection
from agent.knowledge.index import index_directory

PAGES = {
    "returns.md": "# Returns\nReturn goods within 30 days.\n\n## Refunds\nThe refund takes a week.",
    "delivery.md": "# Delivery\nA parcel takes two days. " + "It travels by van. " * 30,
    "cards.md": "# Gift cards\nA gift card is valid for three years.",
    "garden.md": "# Terrace\nOil garden hinges in winter. Small furniture stands inside.",
    "warranty.md": "# Warranty\nThe warranty on brass lasts five years.",
    "ar.md": "# الضمان\nضمان المصابيح النحاسية خمس سنوات.",
}


@pytest.fixture(scope="module")
def index_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of `PAGES`."""
    documents = tmp_path_factory.mktemp("documents")
    for filename, text in PAGES.items():
        (documents / filename).write_text(text, encoding="utf-8")
    index_dir = tmp_path_factory.mktemp("index")
    list(index_directory(documents, index_dir))
    return index_dir


@pytest.fixture
def base(index_dir: Path) -> Iterator[KnowledgeBase]:
    """The collection, open."""
    base = KnowledgeBase.open(index_dir, "default")
    yield base
    base.close()


def best(base: KnowledgeBase, query: str) -> str:
    return base.search(query).hits[0].passage.filename


def test_a_full_match_scores_near_one(base: KnowledgeBase) -> None:
    """Catches scores outside 0..1, or without a fixed meaning."""
    retrieval = base.search("warranty brass")
    assert retrieval.hits[0].score > 0.8
    assert all(0 < hit.score <= 1 for hit in retrieval.hits)
    assert [h.score for h in retrieval.hits] == sorted(
        (h.score for h in retrieval.hits), reverse=True
    )


def test_a_word_that_nothing_holds_lowers_the_score(base: KnowledgeBase) -> None:
    """Catches an answer about brass to a question about bicycles."""
    known = base.search("brass warranty").hits[0].score
    assert base.search("brass warranty bicycle").hits[0].score < known
    assert not base.search("bicycle brass").answerable


def test_words_in_other_documents_do_not_count(base: KnowledgeBase) -> None:
    """Catches a passage with one word of two, the other being elsewhere, taken for both."""
    together = base.search("small furniture").hits[0].score
    apart = base.search("garden furniture").hits[0].score
    assert apart < together


@pytest.mark.parametrize(
    ("query", "filename"),
    [
        ("how long is the waranty on bras", "warranty.md"),
        ("giftcard validity", "cards.md"),
        ("كم مدة ضمان المصباح النحاسي", "ar.md"),
        ("الضّمَان", "ar.md"),
        ("when is the money reimbursed", "returns.md"),
        ("WARRANTY!!!", "warranty.md"),
    ],
)
def test_other_spellings_and_forms_are_found(
    base: KnowledgeBase, query: str, filename: str
) -> None:
    """Catches a misheard word, another form or a synonym that finds nothing."""
    assert best(base, query) == filename


@pytest.mark.parametrize(
    "query",
    ['"', "AND", "NEAR(a b)", "text: x", "refund* OR (", "'; DROP TABLE passages; --", "^a",
     "-refund", "\0", "x" * 100_000, "refund " * 5000, "\ud83d\ude00", "{}[]"],
)  # fmt: skip
def test_no_query_is_a_syntax_error(base: KnowledgeBase, query: str) -> None:
    """Catches query text that reaches FTS5's language, or that takes for ever."""
    assert base.search(query).query == query


@pytest.mark.parametrize("query", ["", "   ", "?!", "what is it", "ما هو"])
def test_queries_without_content_find_nothing(base: KnowledgeBase, query: str) -> None:
    """Catches a judgement on nothing."""
    retrieval = base.search(query)
    assert retrieval.hits == ()
    assert not retrieval.answerable
    assert retrieval.sources == ()


def test_limit(base: KnowledgeBase) -> None:
    """Catches more passages than were asked for."""
    assert len(base.search("year week day parcel", limit=2).hits) == 2


def test_source(base: KnowledgeBase) -> None:
    """Catches a preview over 200 characters, or torn inside a word."""
    source = base.search("parcel travels van").hits[0].source
    assert source.filename == "delivery.md"
    assert source.chunk_index == 0
    assert 0 < source.similarity_score <= 1
    assert len(source.preview) <= 200
    assert source.preview.startswith("A parcel takes two days.")
    assert source.preview.endswith((".…", "by…", "van…", "It…", "travels…"))


def test_texts_are_all_that_is_known(base: KnowledgeBase) -> None:
    """Catches text that a recogniser's language model would not learn."""
    texts = list(base.texts())
    assert texts[:2] == ["الضمان", "ضمان المصابيح النحاسية خمس سنوات."]
    assert "Refunds" in texts
    assert texts.count("Returns") == 1


def test_unknown_collection(index_dir: Path, tmp_path: Path) -> None:
    """Catches a search that creates an empty index by opening it."""
    with pytest.raises(UnknownCollection):
        KnowledgeBase.open(index_dir, "nothing")
    with pytest.raises(UnknownCollection):
        KnowledgeBase.open(tmp_path / "nowhere", "default")
    assert not (tmp_path / "nowhere").exists()


async def test_retrieve_runs_in_one_thread_of_its_own(base: KnowledgeBase) -> None:
    """Catches a search on the event loop, or threads that grow with the queries."""
    found = await asyncio.gather(*(base.retrieve("brass warranty") for _ in range(20)))
    assert {retrieval.hits[0].passage.filename for retrieval in found} == {"warranty.md"}
    own = [t for t in threading.enumerate() if t.name.startswith("knowledge")]
    assert len(own) == 1


def test_any_thread_may_search(base: KnowledgeBase) -> None:
    """Catches a connection that is bound to the thread that opened it."""
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(best(base, "brass"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["warranty.md"] * 3


async def test_closing_twice(index_dir: Path) -> None:
    """Catches a thread or connection that outlives the base."""
    base = KnowledgeBase.open(index_dir, "default")
    await base.retrieve("brass")
    base.close()
    base.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("knowledge")]


def test_a_page_named_for_what_is_asked_comes_first(tmp_path: Path) -> None:
    """Catches a page that mentions a thing in passing put before the page about it."""
    documents, index_dir = tmp_path / "documents", tmp_path / "index"
    documents.mkdir()
    (documents / "about.md").write_text("# About us\nThe loyalty of our staff is known.")
    (documents / "club.md").write_text(
        "# Loyalty club\n## Joining\nAsk at the till.\n## Points\nEach dirham is one point."
    )
    list(index_directory(documents, index_dir))
    base = KnowledgeBase.open(index_dir, "default")
    assert best(base, "loyalty") == "club.md"
    assert base.search("do loyalty points work").answerable
    base.close()
