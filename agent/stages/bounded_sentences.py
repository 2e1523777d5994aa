"""Sentences no longer than a provider takes: as livekit-agents splits, and cut where too long."""

import re
from collections.abc import Iterator

from livekit.agents.tokenize import BufferedSentenceStream, SentenceStream, SentenceTokenizer
from livekit.agents.tokenize.blingfire import SentenceTokenizer as Sentences

_MIN_CHARACTERS = 20
"""Shorter sentences are spoken together with the next, as livekit-agents does by default."""
_MIN_CONTEXT = 10
_SEMICOLON = re.compile(r"(?<=؛)(?=\s)")
"""Ends a sentence in Arabic prose; blingfire knows the others."""
_CLAUSE = re.compile(r"[,;:؛،–—]\s")


class BoundedSentences(SentenceTokenizer):
    """livekit-agents' sentences, of at most `max_characters` each."""

    def __init__(self, max_characters: int) -> None:
        self._max_characters = max_characters
        self._sentences = Sentences(min_sentence_len=_MIN_CHARACTERS, retain_format=True)

    def tokenize(self, text: str, *, language: str | None = None) -> list[str]:
        """The sentences of a whole text; together they are the text."""
        sentences = self._sentences.tokenize(text, language=language)
        halves = (half for sentence in sentences for half in _SEMICOLON.split(sentence))
        return [piece for half in halves for piece in pieces(half, self._max_characters)]

    def stream(self, *, language: str | None = None) -> SentenceStream:
        """The sentences of a text that grows, each as soon as it is over or long enough."""
        return BufferedSentenceStream(
            tokenizer=self._with_places,
            min_token_len=_MIN_CHARACTERS,
            min_ctx_len=_MIN_CONTEXT,
            max_token_len=self._max_characters,
        )

    def _with_places(self, text: str) -> list[tuple[str, int, int]]:
        found, at = [], 0
        for piece in self.tokenize(text):
            found.append((piece, at, at + len(piece)))
            at += len(piece)
        return found


def pieces(sentence: str, max_characters: int) -> Iterator[str]:
    """The sentence in pieces: cut after a clause where there is one, else after a word."""
    while len(sentence) > max_characters:
        cut = _cut(sentence[:max_characters])
        yield sentence[:cut]
        sentence = sentence[cut:]
    if sentence:
        yield sentence


def _cut(head: str) -> int:
    clauses = [match.end() for match in _CLAUSE.finditer(head)]
    if clauses and clauses[-1] > len(head) // 3:
        return clauses[-1]
    words = head.rfind(" ") + 1
    return words or len(head)
