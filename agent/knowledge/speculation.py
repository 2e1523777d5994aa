"""Looking a question up while it is still being said.

Each interim transcript that asks for something else than the one before is looked up at once; when
the turn is over, what was found is used if the question is still the same one. One look-up runs
at a time and the latest words wait for it: what came between is never looked up.
"""

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from agent.knowledge.errors import KnowledgeError
from agent.knowledge.expected import Kind, asked_for
from agent.knowledge.retrieval import Retrieval
from agent.knowledge.words import is_arabic, is_content, words

_REMEMBERED = 256
_FRESH_S = 15.0

_log = logging.getLogger(__name__)


class Retriever(Protocol):
    """Where passages come from. Raises `KnowledgeError`."""

    async def retrieve(self, query: str, context: str = "") -> Retrieval:
        """What the documents hold on `query`, asked after `context`."""

    async def aclose(self) -> None:
        """Give back what it holds: it is not asked any more."""


class Origin(StrEnum):
    """Where the answer to a look-up came from."""

    REUSED = "reused"
    """It was there."""
    JOINED = "joined"
    """It was under way."""
    FRESH = "fresh"
    """Nothing that was looked up before fits."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One question of a finished turn."""

    took_s: float
    origin: Origin
    done_at: float
    """On the monotonic clock."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """All of a question that what is found depends on: of two with one meaning, what was found
    for the one is right for the other."""

    words: frozenset[str]
    kind: Kind | None
    arabic: bool
    context: str


@dataclass(frozen=True, slots=True)
class _Found:
    meaning: _Meaning
    retrieval: Retrieval
    at: float

    @property
    def is_fresh(self) -> bool:
        """Young enough that the documents are taken to be the same."""
        return time.monotonic() - self.at < _FRESH_S


class Speculation:
    """A retriever that is told what is being said. For one conversation; close it at its end."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self._running: asyncio.Task[Retrieval | None] | None = None
        self._running_for: _Meaning | None = None
        self._waiting: tuple[_Meaning, str, str] | None = None
        self._found: _Found | None = None
        self.lookups: deque[Lookup] = deque(maxlen=_REMEMBERED)
        """The latest ones, for measuring."""

    def hear(self, text: str, context: str = "") -> None:
        """The turn so far, which may change. Returns at once."""
        meaning = _meaning(text, context)
        if not (meaning.words or context) or meaning in self._known():
            return
        if self._running is None:
            self._start(meaning, text, context)
        else:
            self._waiting = (meaning, text, context)

    async def retrieve(self, query: str, context: str = "") -> Retrieval:
        """What the documents hold, known already where that fits. Raises `KnowledgeError`."""
        began = time.monotonic()
        meaning = _meaning(query, context)
        self._waiting = None
        retrieval, origin = await self._ready(meaning)
        if retrieval is None:
            retrieval, origin = await self._fresh(meaning, query, context), Origin.FRESH
        done_at = time.monotonic()
        self.lookups.append(Lookup(done_at - began, origin, done_at))
        return replace(retrieval, query=query)

    def forget(self) -> None:
        """Give up what is under way: it is not wanted any more."""
        self._waiting = None
        if self._running is not None:
            self._running.cancel()
            self._running = self._running_for = None

    async def aclose(self) -> None:
        """Give up, and close the retriever."""
        self.forget()
        await self._retriever.aclose()

    def _known(self) -> set[_Meaning]:
        """What is looked up or about to be, the latest of them at least."""
        if self._waiting is not None:
            return {self._waiting[0]}
        if self._running_for is not None:
            return {self._running_for}
        return {self._found.meaning} if self._found is not None and self._found.is_fresh else set()

    async def _ready(self, meaning: _Meaning) -> tuple[Retrieval | None, Origin]:
        """What is known or about to be known, if it is for `meaning`."""
        found = self._found
        if found is not None and found.meaning == meaning and found.is_fresh:
            return found.retrieval, Origin.REUSED
        if self._running is None or self._running_for != meaning:
            return None, Origin.FRESH
        # whoever waits here may be cancelled; the look-up goes on for who asks next
        running = self._running
        await asyncio.wait({running})
        return (None if running.cancelled() else running.result()), Origin.JOINED

    async def _fresh(self, meaning: _Meaning, query: str, context: str) -> Retrieval:
        self.forget()
        retrieval = await self._retriever.retrieve(query, context)
        self._found = _Found(meaning, retrieval, time.monotonic())
        return retrieval

    def _start(self, meaning: _Meaning, text: str, context: str) -> None:
        self._running_for = meaning
        self._running = asyncio.create_task(self._look_up(text, context), name="speculation")
        self._running.add_done_callback(self._on_done)

    async def _look_up(self, text: str, context: str) -> Retrieval | None:
        try:
            return await self._retriever.retrieve(text, context)
        except KnowledgeError as error:
            # the turn itself will try again, and tell
            _log.debug("speculation failed", extra={"error": type(error).__name__})
            return None

    def _on_done(self, task: "asyncio.Task[Retrieval | None]") -> None:
        if task is not self._running:
            return
        meaning, self._running, self._running_for = self._running_for, None, None
        retrieval = task.result() if not task.cancelled() and task.exception() is None else None
        if retrieval is not None and meaning is not None:
            self._found = _Found(meaning, retrieval, time.monotonic())
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._start(*waiting)


def _meaning(text: str, context: str) -> _Meaning:
    content = frozenset(word for word in words(text) if is_content(word))
    return _Meaning(content, asked_for(text), is_arabic(text), context)
