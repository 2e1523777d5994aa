"""The measure behind the scores."""

import pytest

from agent.knowledge.query import DOCUMENT_SHARE, QueryWord, WeighedQuery


def word(stem: str, weight: float = 1.0) -> QueryWord:
    return QueryWord(stem, weight, {stem: 1.0})


@pytest.mark.parametrize(
    ("stems", "document", "coverage"),
    [
        ({"a", "b", "c"}, set(), 1.0),
        ({"a"}, set(), 0.75),
        ({"b"}, set(), 0.25),
        (set(), {"a"}, 0.75 * DOCUMENT_SHARE),
        ({"a"}, {"a", "b"}, 0.75 + 0.25 * DOCUMENT_SHARE),
        ({"c"}, set(), 0.0),
    ],
)
def test_coverage(stems: set[str], document: set[str], coverage: float) -> None:
    """Catches a share that is not of the weight, or another section that counts like this one."""
    query = WeighedQuery((word("a", 3.0), word("b", 1.0)))
    assert query.coverage(stems, document) == pytest.approx(coverage)


def test_the_nearest_match_counts() -> None:
    """Catches matches that add up to more than the word."""
    query = WeighedQuery((QueryWord("a", 2.0, {"a1": 0.5, "a2": 0.7}),))
    assert query.coverage({"a1", "a2"}) == pytest.approx(0.7)


def test_a_query_of_nothing() -> None:
    """Catches a division by zero."""
    assert WeighedQuery(()).coverage({"a"}) == 0.0
