"""Text → normalised words → stems: what makes two spellings of one word meet.

Normalising folds case, drops diacritics and invisible marks, and makes one letter of those that
Arabic writers use for one another: all alefs, ya and alef maqsura, ta marbuta and ha, hamza and
its seat. Digits become ASCII. The script of a word chooses its stemmer.
"""

import re
import unicodedata

import snowballstemmer

from agent.knowledge import arabic
from agent.knowledge.irregular import BASE_FORMS
from agent.knowledge.stopwords import STOPWORDS

_ARABIC_LETTERS = str.maketrans(
    {
        "ٱ": "ا",
        "ى": "ي",
        "ی": "ي",
        "ة": "ه",
        "ک": "ك",
        "ـ": None,  # tatweel only stretches the line
    }
)
_THOUSANDS = re.compile(r"(?<=\d)[,٬](?=\d{3}(?!\d))")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_ARABIC = re.compile(r"[\u0600-\u06ff]")
_LETTER = re.compile(r"[^\W\d_]")
_MAX_WORD = 64


def normalise(text: str) -> str:
    """Fold `text` so that spellings that mean the same compare equal."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    kept = (_fold(c) for c in decomposed if unicodedata.category(c) not in {"Mn", "Cf"})
    return "".join(kept).translate(_ARABIC_LETTERS)


def _fold(character: str) -> str:
    digit = unicodedata.digit(character, None)
    return character if digit is None else str(digit)


def words(text: str) -> list[str]:
    """Words of `text`, normalised, in order; `1,500` is one word and so is `don't` (`dont`)."""
    folded = _THOUSANDS.sub("", normalise(text))
    return [_without_apostrophe(word)[:_MAX_WORD] for word in _WORD.findall(folded)]


def _without_apostrophe(word: str) -> str:
    plain = word.replace("’", "'")
    plain = plain.removesuffix("'s")
    return plain.replace("'", "")


def is_content(word: str) -> bool:
    """Whether a normalised word says what a text is about, and not how it is put."""
    return word not in STOPWORDS and (len(word) > 1 or word.isdigit())


def is_arabic(text: str) -> bool:
    """Whether most letters of `text` are of the Arabic script."""
    return 2 * len(_ARABIC.findall(text)) > len(_LETTER.findall(text))


def roots(stem: str) -> frozenset[str]:
    """What a stem shares with related stems; empty but for Arabic, see `arabic.roots`."""
    return arabic.roots(stem) if _ARABIC.match(stem) else frozenset()


def trigrams(stem: str) -> frozenset[str]:
    """Groups of three letters of a stem with its ends marked: `cat` → `^ca`, `cat`, `at$`."""
    marked = f"^{stem}$"
    return frozenset(marked[i : i + 3] for i in range(len(marked) - 2))


class Stemmer:
    """Stems of normalised words, remembered. For one thread: Snowball's stemmers keep state."""

    def __init__(self) -> None:
        self._english = snowballstemmer.stemmer("english")
        self._known: dict[str, str] = {}

    def stem(self, word: str) -> str:
        """The stem of one normalised word; a number is its own."""
        known = self._known.get(word)
        if known is None:
            known = self._known[word] = self._stem(word)
        return known

    def stems(self, text: str) -> list[str]:
        """Stems of all words of `text`, in order, function words too."""
        return [self.stem(word) for word in words(text)]

    def _stem(self, word: str) -> str:
        if word.isdigit():
            return word
        if _ARABIC.match(word):
            return arabic.stem(word)
        return str(self._english.stemWord(BASE_FORMS.get(word, word)))
