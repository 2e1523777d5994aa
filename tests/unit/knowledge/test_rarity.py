"""How much a word tells."""

from agent.knowledge.rarity import RAREST, common_stems, weight
from agent.knowledge.words import Stemmer


def test_words_that_few_passages_hold_weigh_more() -> None:
    """Catches a weight that falls to nothing where every passage has the word."""
    assert weight(0, 0, 100) > weight(0, 1, 100) > weight(0, 50, 100) > weight(0, 100, 100) > 0
    assert weight(1.0, 0, 0) > 0


def test_an_everyday_word_that_no_passage_holds_weighs_less() -> None:
    """Catches weights of a small collection alone, for which "work" is as rare as "bicycles"."""
    stems = common_stems()
    for everyday, rare in (("work", "bicycles"), ("يستطيع", "دراجه")):
        ours, theirs = (stems.get(Stemmer().stem(word), 0.0) for word in (everyday, rare))
        assert weight(ours, 0, 50) < weight(theirs, 0, 50)


def test_a_large_collection_counts_for_more_than_the_language() -> None:
    """Catches a prior that goes on deciding where there is enough to count."""
    everyday, passages = 1e-3, 10_000
    unheld, in_half = weight(everyday, 0, passages), weight(RAREST, passages // 2, passages)
    assert unheld > 5 * in_half


def test_only_words_that_are_not_rare_are_listed() -> None:
    """Catches an index that carries a whole dictionary."""
    stems = common_stems()
    assert min(stems.values()) >= RAREST
    assert 1_000 < len(stems) < 30_000
