"""Answering queries from the index of a collection."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from agent.job import Source
from agent.knowledge import store
from agent.knowledge.errors import IndexUnavailable
from agent.knowledge.passages import Passage
from agent.knowledge.query import QueryWord
from agent.knowledge.search import ANSWERABLE_SCORE, GUESS_SCORE, Search

if TYPE_CHECKING:
    from agent.knowledge.vectors import Vectors, VectorSearch

PREVIEW_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found."""

    passage: Passage
    score: float
    """How well it meets the query, 0..1; comparable over queries."""

    @property
    def source(self) -> Source:
        """The passage as an answer cites it."""
        passage = self.passage
        return Source(
            filename=passage.filename,
            chunk_index=passage.chunk_index,
            similarity_score=round(self.score, 4),
            preview=_preview(passage.text),
        )


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a collection holds on a query."""

    query: str
    hits: tuple[Hit, ...]
    """Best first."""
    words: tuple[QueryWord, ...] = ()
    """The query as it was weighed."""
    context: str = ""
    """What was asked before, where the query refers to that."""
    unsure: bool = False
    """The query may have been misheard."""

    @property
    def answerable(self) -> bool:
        """Whether the documents seem to hold the answer; if not, say so."""
        return self._best >= ANSWERABLE_SCORE

    @property
    def guess(self) -> bool:
        """Whether an answer is worth offering, as what may have been asked for."""
        return self.unsure and GUESS_SCORE <= self._best < ANSWERABLE_SCORE

    @property
    def sources(self) -> tuple[Source, ...]:
        """The hits as an answer cites them; none where it cannot rest on them."""
        return tuple(hit.source for hit in self.hits) if self.answerable or self.guess else ()

    @property
    def _best(self) -> float:
        return self.hits[0].score if self.hits else 0.0


class KnowledgeBase:
    """One collection, open for queries. Any thread may search; open it after a fork, not before.

    An update of the index shows in the next query. Calls raise `IndexUnavailable`.
    """

    def __init__(self, index_dir: Path, name: str) -> None:
        self._index_dir = index_dir
        self._name = name
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: list[sqlite3.Connection] = []
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="knowledge")

    @classmethod
    def open(cls, index_dir: Path, name: str) -> Self:
        """Open the collection `name`. Raises `UnknownCollection`, `InvalidCollectionName`."""
        base = cls(index_dir, name)
        base._reader()
        return base

    @property
    def name(self) -> str:
        """Name of the collection."""
        return self._name

    def search(self, query: str, context: str = "", *, limit: int = 4) -> Retrieval:
        """The passages that meet `query` best, at most `limit`. Blocks for some milliseconds.

        `context` is what was asked before, where the query refers to that (`follow_up`).
        """
        with self._reading() as reader:
            found = reader.search(query, limit, context)
        hits = tuple(Hit(passage, score) for passage, score in found.passages)
        return Retrieval(query, hits, found.words, context)

    async def retrieve(self, query: str, context: str = "", *, limit: int = 4) -> Retrieval:
        """`search` in the base's own thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._executor, lambda: self.search(query, context, limit=limit)
        )

    async def nearest(
        self, vector: "Vectors", model: str, *, limit: int
    ) -> tuple[tuple[Passage, float], ...]:
        """The passages nearest to a vector of `model`, with their cosines, best first."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._nearest, vector, model, limit)

    def _nearest(
        self, vector: "Vectors", model: str, limit: int
    ) -> tuple[tuple[Passage, float], ...]:
        # imported here: numpy is needed only where there are vectors
        from agent.knowledge.vectors import VectorSearch

        with self._reading() as reader:
            if reader.vectors is None:
                reader.vectors = VectorSearch(reader.connection)
            return reader.vectors(vector, model, limit)

    def texts(self) -> Iterator[str]:
        """All that the documents say, piece by piece: each title, each heading, each passage."""
        title = heading = None
        for row_title, row_heading, text in self._rows():
            if row_title != title:
                title, heading = row_title, None
                yield row_title
            if row_heading and row_heading != heading:
                heading = row_heading
                yield row_heading
            yield text

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        with self._reading() as reader:
            yield from reader.connection.execute(
                "SELECT title, heading, text FROM passages"
                " JOIN documents ON documents.id = document ORDER BY filename, chunk_index"
            )

    def close(self) -> None:
        """Close all connections, after the queries under way. Closing twice does nothing."""
        self._executor.shutdown()
        with self._lock:
            connections, self._connections = self._connections, []
        for connection in connections:
            connection.close()

    async def aclose(self) -> None:
        """`close` without blocking."""
        await asyncio.to_thread(self.close)

    @contextmanager
    def _reading(self) -> Iterator["_Reader"]:
        try:
            yield self._reader()
        except sqlite3.Error as error:
            raise IndexUnavailable(f"cannot search {self._name}: {error}") from error

    def _reader(self) -> "_Reader":
        reader = getattr(self._local, "reader", None)
        if isinstance(reader, _Reader):
            return reader
        connection = store.connect(self._index_dir, self._name)
        reader = _Reader(connection, Search(connection))
        with self._lock:
            self._connections.append(reader.connection)
        self._local.reader = reader
        return reader


@dataclass(slots=True)
class _Reader:
    """What one thread searches with."""

    connection: sqlite3.Connection
    search: Search
    vectors: "VectorSearch | None" = None


def collections(index_dir: Path) -> tuple[str, ...]:
    """Names of the collections that can be opened, sorted."""
    return tuple(sorted(store.homes(index_dir)))


def _preview(text: str) -> str:
    flat = " ".join(text.split())
    if len(flat) <= PREVIEW_CHARACTERS:
        return flat
    return flat[: PREVIEW_CHARACTERS - 1].rsplit(" ", 1)[0] + "…"
