"""What the recogniser is told to expect."""

import math
import re
from pathlib import Path

import pytest

from agent.stages.local import language_model, ngrams
from agent.stages.local.collection_model import (
    MODEL_NAME,
    preamble,
    read_fingerprint,
    read_pronunciations,
)
from agent.stages.local.pronouncer import to_arpabet
from agent.stages.local.sphinx import NOTHING, Heard, believed
from agent.stages.local.spoken_questions import imagine
from agent.stages.local.spoken_words import say_number, sentences


@pytest.mark.parametrize(
    ("digits", "said"),
    [
        ("0", "zero"),
        ("25", "twenty five"),
        ("300", "three hundred"),
        ("1420", "one thousand four hundred and twenty"),
        ("2000000000", "two zero zero zero zero zero zero zero zero zero"),
    ],
)
def test_numbers_are_said(digits: str, said: str) -> None:
    """Catches numbers that nobody would recognise."""
    assert say_number(digits) == said


def test_sentences_are_words_as_spoken() -> None:
    """Catches headings run into sentences, and thousands read as two numbers."""
    text = "# Prices\n\nIt costs 2,000 dirhams; that’s all. العربية"
    assert list(sentences(text)) == [
        ("prices",),
        ("it", "costs", "two", "thousand", "dirhams"),
        ("that's", "all"),
    ]


def test_questions_are_made_of_statements() -> None:
    """Catches a model that expects the documents' sentences only."""
    words = {"return", "lamp", "lamps", "you", "may", "the"}
    made = {
        said for said, _ in imagine([("you", "may", "return", "the", "lamp")], words.__contains__)
    }
    assert ("you", "may", "return", "the", "lamp") in made
    assert ("i", "may", "return", "the", "lamp") in made
    assert ("how", "do", "i", "return", "the", "lamp") in made
    assert ("how", "much", "does", "the", "lamp", "cost") in made
    assert ("do", "you", "have", "lamps") in made


def test_questions_are_bounded_however_long_the_documents() -> None:
    """Catches an indexing that takes hours for a large collection."""
    documents = [("the", f"thing{n}", "is", "here") for n in range(30_000)]
    assert sum(1 for _ in imagine(documents, lambda _: False)) < 500_000


def test_the_model_is_a_distribution() -> None:
    """Catches probabilities that do not add up to one after a context, so that scores mislead."""
    said = [(("a", "b"), 1.0), (("a", "c"), 2.0), (("b", "a", "c"), 0.5)]
    probability, backoff = _read("".join(ngrams.arpa(said, max_ngrams=1_000)))
    vocabulary = [gram[0] for gram in probability if len(gram) == 1 and gram != ("<s>",)]

    def p(word: str, context: tuple[str, ...]) -> float:
        if (*context, word) in probability:
            return probability[*context, word]
        return backoff.get(context, 1.0) * p(word, context[1:])

    for context in ((), ("a",), ("<s>",), ("<s>", "a"), ("b", "a")):
        total = sum(p(word, context) for word in vocabulary)
        assert 0.99 < total < 1.01, context
    assert p("c", ("<s>", "a")) > p("b", ("<s>", "a")) > p("a", ("<s>", "a"))


def test_the_heaviest_ngrams_are_kept() -> None:
    """Catches a model that grows without bound, or keeps what is rare."""
    said = [(("x", "y"), 10.0), *(((f"w{n}",), 1.0) for n in range(50))]
    probability, _ = _read("".join(ngrams.arpa(said, max_ngrams=4)))
    assert sum(len(gram) == 2 for gram in probability) == 4
    assert ("x", "y") in probability


def _read(arpa: str) -> tuple[dict[tuple[str, ...], float], dict[tuple[str, ...], float]]:
    probability, backoff = {}, {}
    for line in arpa.splitlines():
        if match := re.match(r"^(-[\d.]+) (\S+(?: [^\d-]\S*)*)(?: (-?[\d.]+))?$", line):
            gram = tuple(match[2].split())
            probability[gram] = 10 ** float(match[1])
            backoff[gram] = 10 ** float(match[3] or 0)
    return probability, backoff


def test_the_preamble_is_read_back(tmp_path: Path) -> None:
    """Catches pronunciations that get lost, or are read from the model's own lines."""
    path = tmp_path / MODEL_NAME
    path.write_text(preamble("abc", {"siraj": "S IH R AA JH"}) + "\\data\\\nword no N OW\n")
    assert read_fingerprint(path) == "abc"
    assert read_pronunciations(path) == {"siraj": "S IH R AA JH"}
    assert read_fingerprint(tmp_path / "none") is None


def test_building_again_changes_nothing(tmp_path: Path) -> None:
    """Catches a recogniser that reloads after every start, and a stale model that stays."""
    texts = ["You may return the lamp within 30 days."]
    language_model.build(texts, tmp_path)
    path = tmp_path / MODEL_NAME
    first = (path.stat().st_ino, path.stat().st_mtime_ns)
    language_model.build(iter(texts), tmp_path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == first
    language_model.build([*texts, "We close on Friday."], tmp_path)
    assert path.stat().st_ino != first[0]
    assert [file.name for file in tmp_path.iterdir()] == [MODEL_NAME]
    language_model.build(["كلام عربي"], tmp_path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("ipa", "phones"),
    [
        (["l", "ˈæ", "m", "p", "ʃ", "ˌeɪ", "d"], "L AE M P SH EY D"),
        (["tʃ", "ɛ", "k"], "CH EH K"),
        (["ǃ"], None),
        ([], None),
    ],
)
def test_phonemes_become_phones(ipa: list[str], phones: str | None) -> None:
    """Catches phones that the acoustic model does not have."""
    assert to_arpabet(ipa) == phones


def test_general_speech_has_the_benefit_of_the_doubt() -> None:
    """Catches a collection that bends what has nothing to do with it."""
    general = Heard("go forward", 0.5, -9_000)
    assert believed(general, []) is general
    assert believed(general, [NOTHING]) is general
    assert believed(general, [Heard("good for", 0.5, -8_900), NOTHING]) is general
    assert believed(general, [own := Heard("gift card", 0.5, -7_000)]) is own
    assert not math.isfinite(NOTHING.score)


def test_the_documents_judge_between_two_decodings() -> None:
    """Catches a decoding that makes no sense and scores a little better than one that does."""
    general = Heard("long is enough", 0.5, -9_000)
    sense, nonsense = Heard("lost my card", 0.5, -7_100), Heard("last my cart", 0.5, -7_000)
    told = {sense.text: 0.8, nonsense.text: 0.3, general.text: 0.9}
    assert believed(general, [nonsense, sense], told.__getitem__) is sense
    assert believed(general, [nonsense, sense]) is nonsense
    assert believed(general, [nonsense, NOTHING], told.__getitem__) is nonsense
