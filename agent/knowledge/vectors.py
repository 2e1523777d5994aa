"""The vectors of an index: stored with it, and searched by cosine.

A vector is of a passage with its headings. All of an index are of one model.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from agent.knowledge.passages import Passage

Vectors = NDArray[np.float32]
"""One row a text, each of length 1; or one of them."""

_WITHOUT = """
SELECT passages.id, title, heading, text FROM passages
JOIN documents ON documents.id = document
LEFT JOIN vectors ON vectors.passage = passages.id
WHERE vectors.passage IS NULL ORDER BY passages.id
"""
_PASSAGES = """
SELECT passages.id, filename, chunk_index, title, heading, text FROM passages
JOIN documents ON documents.id = document WHERE passages.id IN ({marks})
"""


class Embedder(Protocol):
    """Makes vectors. Raises `EmbeddingFailed`."""

    @property
    def name(self) -> str:
        """Of the model and what else vectors depend on: those of one name can be compared."""

    def embed(self, texts: Sequence[str]) -> Iterator[Vectors]:
        """The vectors of `texts`, in their order, some at a time. Blocks."""

    async def embed_query(self, text: str) -> Vectors:
        """The vector of a question, in one row."""

    async def aclose(self) -> None:
        """Close all connections."""


def embed_passages(db: sqlite3.Connection, embedder: Embedder) -> int:
    """Give every passage that has none its vector; how many got one.

    Raises `EmbeddingFailed`; those that were made until then stay.
    """
    (model,) = db.execute("SELECT max(model) FROM vectors").fetchone()
    if model is not None and model != embedder.name:
        db.execute("DELETE FROM vectors")
    rows = db.execute(_WITHOUT).fetchall()
    ids = iter([rowid for rowid, *_ in rows])
    for vectors in embedder.embed(["\n".join(texts) for _, *texts in rows]):
        db.executemany(
            "INSERT INTO vectors VALUES (?, ?, ?)",
            [(next(ids), embedder.name, vector.tobytes()) for vector in vectors],
        )
    return len(rows)


class VectorSearch:
    """Searches through the connection of one thread. Raises `sqlite3.Error`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._state: tuple[int, str] | None = None
        self._ids: list[int] = []
        self._matrix: Vectors = np.zeros((0, 0), dtype=np.float32)

    def __call__(
        self, vector: Vectors, model: str, limit: int
    ) -> tuple[tuple[Passage, float], ...]:
        """The passages nearest to `vector`, which is `model`'s and of length 1, with their cosines,
        best first; none where the index has no vectors of that model and size."""
        self._load(model)
        if self._matrix.ndim != 2 or self._matrix.shape[1] != len(vector):
            return ()
        cosines = self._matrix @ vector
        best = np.argsort(-cosines)[:limit]
        passages = self._passages([self._ids[i] for i in best])
        return tuple(
            (passages[self._ids[i]], float(cosines[i])) for i in best if self._ids[i] in passages
        )

    def _load(self, model: str) -> None:
        """Read the vectors, if the index is another than the last time."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if self._state == (version, model):
            return
        rows = self._db.execute(
            "SELECT passage, vector FROM vectors WHERE model = ?", (model,)
        ).fetchall()
        self._ids = [rowid for rowid, _ in rows]
        joined = b"".join(blob for _, blob in rows)
        self._matrix = np.frombuffer(joined, dtype=np.float32).reshape(max(1, len(rows)), -1)
        self._state = (version, model)

    def _passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        marks = ", ".join("?" * len(ids))
        rows = self._db.execute(_PASSAGES.format(marks=marks), tuple(ids))
        return {rowid: Passage(*rest) for rowid, *rest in rows}
