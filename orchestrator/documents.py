"""Documents that come and go over the API, and how far their indexing is.

The API stores and removes files; each machine's `indexer` (`orchestrator.indexer`) brings its
indexes up to date when it is told to, and on a schedule.

majlis:indexing     hash: collection → JSON {"done", "total", "filename", "at"} while it is indexed
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeVar

import redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from agent.knowledge.errors import (
    DocumentTooLarge,
    InvalidCollectionName,
    InvalidDocumentName,
    KnowledgeError,
    LibraryFull,
    NotUploaded,
    UnknownCollection,
    UnknownDocument,
)
from agent.knowledge.index import Progress
from agent.knowledge.library import DocumentState, Library
from orchestrator.errors import (
    BodyTooLarge,
    Conflict,
    DispatchFailed,
    InvalidField,
    NotFound,
    RequestError,
    StorageFull,
)

INDEXING = "majlis:indexing"
FRESH_S = 180.0
"""How long a word of the indexer counts: longer than any one file takes."""
TELL_EVERY_S = 0.25
MAX_UPLOADS_AT_ONCE = 4
"""Each may fill 64 MiB of the temporary folder."""

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Board:
    """Where the indexer says how far it is. For one thread; Redis may be away."""

    def __init__(self, client: redis.Redis, *, clock: Callable[[], float] = time.time) -> None:
        self._redis = client
        self._clock = clock
        self._told_at = 0.0

    def tell(self, progress: Progress) -> None:
        """Write it down, but not more often than anybody looks."""
        finished = not progress.filename
        if not finished and progress.done and self._clock() - self._told_at < TELL_EVERY_S:
            return
        self._told_at = self._clock()
        value = {
            "done": progress.done,
            "total": progress.total,
            "filename": progress.filename,
            "at": self._told_at,
        }
        try:
            if finished:
                self._redis.hdel(INDEXING, progress.collection)
            else:
                self._redis.hset(INDEXING, progress.collection, json.dumps(value))
        except RedisError as error:
            logger.warning("progress not told", extra={"error": type(error).__name__})


@dataclass(frozen=True, slots=True)
class Contents:
    """A collection: its documents, and how far its indexing is."""

    name: str
    documents: tuple[DocumentState, ...]
    progress: Progress | None
    """None while nothing is indexed."""


class Indexers(Protocol):
    """How the indexers are told that there is something to do."""

    async def index(self) -> None:
        """Tell all of them. Raises `DispatchFailed`."""


class Documents:
    """The library for an event loop. Raises `RequestError`."""

    def __init__(self, library: Library, client: AsyncRedis, indexers: Indexers) -> None:
        self._library = library
        self._redis = client
        self._indexers = indexers
        self.uploading = asyncio.Semaphore(MAX_UPLOADS_AT_ONCE)
        """Held while a request's files come in."""

    async def collections(self) -> tuple[str, ...]:
        """Names of all collections."""
        return await _run(self._library.collections)

    async def contents(self, collection: str) -> Contents:
        """What is in a collection."""
        documents = await _run(lambda: self._library.documents(collection))
        return Contents(collection, documents, await self._progress(collection))

    async def document(self, collection: str, filename: str) -> DocumentState:
        """One document of it."""
        return await _run(lambda: self._library.document(collection, filename))

    async def add(self, collection: str, filename: str, content: BinaryIO) -> DocumentState:
        """Keep a file; `hurry` has it indexed."""
        return await _run(lambda: self._library.add(collection, filename, content))

    async def remove(self, collection: str, filename: str) -> None:
        """Remove a document that was uploaded; `hurry` removes its passages."""
        await _run(lambda: self._library.remove(collection, filename))

    async def hurry(self) -> None:
        """Have the indexes brought up to date now. Else it happens on the schedule."""
        try:
            await self._indexers.index()
        except DispatchFailed:
            logger.warning("indexers not told; the schedule will")

    async def _progress(self, collection: str) -> Progress | None:
        try:
            told = await self._redis.hget(INDEXING, collection)
        except RedisError:
            return None
        if told is None:
            return None
        value = json.loads(told)
        if time.time() - float(value["at"]) > FRESH_S:
            return None
        return Progress(collection, value["done"], value["total"], value["filename"])


async def _run(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except KnowledgeError as error:
        raise _request_error(error) from error
    except OSError as error:
        logger.error("documents not reachable", extra={"error": type(error).__name__})
        raise StorageFull("The documents cannot be stored.") from error


def _request_error(error: KnowledgeError) -> RequestError:
    message = f"{str(error)[:1].upper()}{str(error)[1:]}."
    match error:
        case UnknownCollection() | UnknownDocument():
            return NotFound(message)
        case InvalidCollectionName() | InvalidDocumentName():
            return InvalidField(message)
        case DocumentTooLarge():
            return BodyTooLarge(message)
        case NotUploaded():
            return Conflict(message)
        case LibraryFull():
            return StorageFull(message)
        case _:
            return StorageFull("The documents cannot be read.")
