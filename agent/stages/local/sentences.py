"""Sentences out of a text that grows. Pure."""

import re
from collections.abc import AsyncIterable, AsyncIterator

_END = re.compile(r"(?:[.!?؟؛…۔]+[\"'”’»)\]]*(?=\s)|\n+)")
_ABBREVIATION = re.compile(
    r"(?:^|\s)[(\"“«]?(?:Mr|Mrs|Ms|Dr|St|No|Prof|vs|e\.g|i\.e|[A-Za-z]|[\u0621-\u064a])\.$"
)
_ARABIC_CLAUSE = re.compile(r"،\s")
_ARABIC_CLAUSE_FROM = 60
"""Characters: Arabic prose joins its sentences with commas, so a longer clause is spoken as one."""
_LONGEST = 300
"""Characters after which a clause is taken for a sentence, so that speech is not held up."""
_CLAUSE = re.compile(r"[,;:؛،]\s")


async def sentences_of(pieces: AsyncIterable[object]) -> AsyncIterator[str]:
    """The sentences of a text that comes in pieces; what is no text among them ends a sentence."""
    splitter = SentenceSplitter()
    async for piece in pieces:
        for sentence in splitter.push(piece) if isinstance(piece, str) else splitter.flush():
            yield sentence
    for sentence in splitter.flush():
        yield sentence


class SentenceSplitter:
    """Takes text in pieces of any size; gives each sentence as soon as it is known to be over.

    Sentences come with the space that follows them, so that together they are the text.
    """

    def __init__(self) -> None:
        self._text = ""

    def push(self, text: str) -> list[str]:
        """The sentences that `text` completes."""
        self._text += text
        found = []
        while (cut := self._end()) is not None:
            found.append(self._text[:cut])
            self._text = self._text[cut:]
        return found

    def flush(self) -> list[str]:
        """What is left, as a sentence of its own; nothing if it is blank."""
        rest, self._text = self._text, ""
        return [rest] if rest.strip() else []

    def _end(self) -> int | None:
        clause = self._arabic_clause()
        for match in _END.finditer(self._text):
            if clause is not None and clause < match.start():
                return clause
            if _ABBREVIATION.search(self._text[: match.end()]):
                continue
            if not self._text[: match.start()].strip():
                continue
            after = self._text[match.end() :]
            return match.end() + len(after) - len(after.lstrip())
        if clause is not None:
            return clause
        if len(self._text) > _LONGEST:
            clauses = [match.end() for match in _CLAUSE.finditer(self._text)]
            return clauses[-1] if clauses else None
        return None

    def _arabic_clause(self) -> int | None:
        ends = (match.end() for match in _ARABIC_CLAUSE.finditer(self._text))
        return next((end for end in ends if end >= _ARABIC_CLAUSE_FROM), None)
