"""Where the language model of a document collection lies, and what is in its file.

It is one ARPA file, so that it is replaced at one stroke. What stands above `\\data\\` is not
the model's: there, each in a line of its own, are the fingerprint of the text it was made from
(`text <sha-256>`) and the pronunciations of words that the general dictionary lacks
(`word <word> <ARPABET phones>`).
"""

from collections.abc import Iterator, Mapping
from itertools import dropwhile, takewhile
from pathlib import Path

MODEL_NAME = "model.arpa"
_DATA = "\\data\\"
_UNIGRAMS = "\\1-grams:"


def models_dir(data_dir: Path) -> Path:
    """The folder with a folder of each collection's name in it."""
    return data_dir / "language-models"


def preamble(fingerprint: str, pronunciations: Mapping[str, str]) -> str:
    """What to write above the model."""
    words = (f"word {word} {phones}\n" for word, phones in sorted(pronunciations.items()))
    return f"text {fingerprint}\n" + "".join(words)


def read_fingerprint(path: Path) -> str | None:
    """Of which text the model was made; None when there is no such model."""
    try:
        return next((rest for kind, rest in _preamble_lines(path) if kind == "text"), None)
    except (OSError, UnicodeDecodeError):
        return None


def read_pronunciations(path: Path) -> dict[str, str]:
    """The phones of the words that come with the model; raises `OSError`, `ValueError`."""
    words = (rest.partition(" ") for kind, rest in _preamble_lines(path) if kind == "word")
    return {word: phones for word, _, phones in words}


def read_words(path: Path) -> frozenset[str]:
    """The words that the model expects; raises `OSError`, `ValueError`."""
    with path.open(encoding="utf-8") as file:
        after = dropwhile(lambda line: line.strip() != _UNIGRAMS, file)
        next(after, None)
        rows = (line.split() for line in takewhile(str.strip, after))
        return frozenset(row[1] for row in rows if len(row) > 1)


def _preamble_lines(path: Path) -> Iterator[tuple[str, str]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            text = line.rstrip("\n")
            if text == _DATA:
                return
            kind, _, rest = text.partition(" ")
            yield kind, rest
