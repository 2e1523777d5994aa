"""The measure behind the scores."""

import pytest

from agent.knowledge.query import (
    HEADING_SHARE,
    NOT_NARROWED_SHARE,
    QueryWord,
    WeighedQuery,
    idf,
)


def word(stem: str, weight: float = 1.0, narrowed_by: int | None = None) -> QueryWord:
    return QueryWord(stem, weight, {stem: 1.0}, narrowed_by)


@pytest.mark.parametrize(
    ("stems", "headings", "coverage"),
    [
        ({"a", "b", "c"}, set(), 1.0),
        ({"a"}, set(), 0.75),
        ({"b"}, set(), 0.25),
        (set(), {"a"}, 0.75 * HEADING_SHARE),
        ({"a"}, {"a", "b"}, 0.75 + 0.25 * HEADING_SHARE),
        ({"c"}, set(), 0.0),
    ],
)
def test_coverage(stems: set[str], headings: set[str], coverage: float) -> None:
    """Catches a share that is not of the weight, or headings that count like text."""
    query = WeighedQuery((word("a", 3.0), word("b", 1.0)))
    assert query.coverage(stems, headings) == pytest.approx(coverage)


def test_the_nearest_match_counts() -> None:
    """Catches matches that add up to more than the word."""
    query = WeighedQuery((QueryWord("a", 2.0, {"a1": 0.5, "a2": 0.7}),))
    assert query.coverage({"a1", "a2"}) == pytest.approx(0.7)


def test_a_noun_without_its_narrower_is_half_met() -> None:
    """Catches "garden furniture" met by furniture, or the rule applied the wrong way round."""
    query = WeighedQuery((word("garden"), word("furnitur", narrowed_by=0)))
    assert query.coverage({"furnitur"}) == pytest.approx(NOT_NARROWED_SHARE / 2)
    assert query.coverage({"garden"}) == pytest.approx(0.5)
    assert query.coverage({"garden", "furnitur"}) == pytest.approx(1.0)


def test_a_query_of_nothing() -> None:
    """Catches a division by zero."""
    assert WeighedQuery(()).coverage({"a"}) == 0.0


def test_rare_words_weigh_more() -> None:
    """Catches a weight that falls to nothing where every passage has the word."""
    assert idf(100, 0) > idf(100, 1) > idf(100, 50) > idf(100, 100) > 0
