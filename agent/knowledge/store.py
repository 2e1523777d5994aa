"""The SQLite file of one collection: its tables, and the connections to it.

    collection  one row: where it was indexed from, and how large it is
    documents   each file: its content's hash, its size and when it changed, and what is wrong with
                it where it could not be read
    passages    what is shown and spoken
    stems       FTS5 over the stems of headings and text, one row a passage, ranked by BM25
    stem_counts stem → number of passages that hold it
    document_stems  which document holds which stem, headings included
    common_stems    stem → its share of all words of its language, where it is not rare
    letters     roots and groups of three letters → the stems in use that have them; finds the
                stems that are near to a word of a query
    vectors     of passages, where an embedding service is set: float32, all of one model

Write-ahead logging and one transaction an update: a reader sees the index before or after it,
never between. The folder must be on a local disk.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from agent.knowledge.errors import (
    IndexUnavailable,
    InvalidCollectionName,
    KnowledgeError,
    UnknownCollection,
)

SCHEMA_VERSION = 5
"""Raise it with any change of tables, stems, or passages: older indexes are then built anew."""

SENTENCE_MARK = " . "
"""Stands in the table `stems` between the stems of two sentences, and between those of title and
heading; FTS5 passes over it."""

_WRITE_LOCK_TIMEOUT_S = 600.0
_READ_LOCK_TIMEOUT_S = 2.0
_READ_CACHE_KIB = 8192
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

_SCHEMA = """
CREATE TABLE collection (directory TEXT NOT NULL, passages INTEGER NOT NULL);
CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    filename TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL,
    problem TEXT NOT NULL
);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents(id),
    chunk_index INTEGER NOT NULL,
    heading TEXT NOT NULL,
    text TEXT NOT NULL,
    UNIQUE (document, chunk_index)
);
CREATE VIRTUAL TABLE stems USING fts5(heading, text, tokenize = 'unicode61 remove_diacritics 0');
CREATE VIRTUAL TABLE stem_vocabulary USING fts5vocab(stems, row);
CREATE TABLE stem_counts (stem TEXT PRIMARY KEY, passages INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE document_stems (
    document INTEGER NOT NULL REFERENCES documents(id),
    stem TEXT NOT NULL,
    PRIMARY KEY (document, stem)
) WITHOUT ROWID;
CREATE TABLE common_stems (stem TEXT PRIMARY KEY, share REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE vectors (
    passage INTEGER PRIMARY KEY REFERENCES passages(id),
    model TEXT NOT NULL,
    vector BLOB NOT NULL
);
CREATE TABLE letters (
    letters TEXT NOT NULL,
    stem TEXT NOT NULL,
    PRIMARY KEY (letters, stem)
) WITHOUT ROWID;
"""
_TABLES = (
    "collection", "vectors", "passages", "document_stems", "documents", "stem_counts",
    "common_stems", "stem_vocabulary", "stems", "letters",
)  # fmt: skip


def is_collection_name(name: str) -> bool:
    """Whether a collection can be called `name`."""
    return _NAME.fullmatch(name) is not None


def index_path(index_dir: Path, name: str) -> Path:
    """Where the index of the collection `name` is. Raises `InvalidCollectionName`."""
    if not is_collection_name(name):
        raise InvalidCollectionName(f"a collection cannot be called {name!r}")
    return index_dir / f"{name}.sqlite"


@contextmanager
def writing(index_dir: Path, name: str) -> Iterator[sqlite3.Connection]:
    """One transaction on the index of `name`, made if missing; alone among writers.

    Rolled back on any exception. Raises `IndexUnavailable`, `InvalidCollectionName`.
    """
    path = index_path(index_dir, name)
    try:
        index_dir.mkdir(parents=True, exist_ok=True)
        with closing(
            sqlite3.connect(path, timeout=_WRITE_LOCK_TIMEOUT_S, isolation_level=None)
        ) as db:
            db.execute("PRAGMA journal_mode = WAL")
            with db:  # ends the transaction
                db.execute("BEGIN IMMEDIATE")
                if _version(db) != SCHEMA_VERSION:
                    _create(db)
                yield db
    except (sqlite3.Error, OSError) as error:
        raise IndexUnavailable(f"cannot write {path}: {error}") from error


def connect(index_dir: Path, name: str) -> sqlite3.Connection:
    """A read-only connection to the index of `name`; any thread may close it.

    Raises `UnknownCollection`, `InvalidCollectionName`, `IndexUnavailable`.
    """
    path = index_path(index_dir, name)
    if not path.is_file():
        raise UnknownCollection(f"no collection {name!r}: index the documents first")
    db = sqlite3.connect(
        path, timeout=_READ_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        db.execute("PRAGMA query_only = ON")
        db.execute(f"PRAGMA cache_size = -{_READ_CACHE_KIB}")
        version = _version(db)
    except sqlite3.Error as error:
        db.close()
        raise IndexUnavailable(f"cannot read {path}: {error}") from error
    if version != SCHEMA_VERSION:
        db.close()
        raise UnknownCollection(f"no index of collection {name!r} that fits this version")
    return db


def home(index_dir: Path, name: str) -> Path | None:
    """The directory that `name` was indexed from; None where there is no index of it."""
    try:
        with closing(connect(index_dir, name)) as db:
            row = db.execute("SELECT directory FROM collection").fetchone()
    except UnknownCollection:
        return None
    except sqlite3.Error as error:
        raise IndexUnavailable(f"cannot read the index of {name}: {error}") from error
    return Path(row[0]) if row else None


def homes(index_dir: Path) -> dict[str, Path]:
    """Every collection whose index can be read, with the directory that it was indexed from."""
    found: dict[str, Path] = {}
    for path in index_dir.glob("*.sqlite"):
        with suppress(KnowledgeError):
            directory = home(index_dir, path.stem)
            if directory is not None:
                found[path.stem] = directory
    return found


def drop(db: sqlite3.Connection) -> None:
    """Leave a file that holds no index: for `connect` the collection is gone."""
    for table in _TABLES:
        db.execute(f"DROP TABLE IF EXISTS {table}")
    db.execute("PRAGMA user_version = 0")


def _create(db: sqlite3.Connection) -> None:
    drop(db)
    for statement in _SCHEMA.strip().split(";\n"):
        db.execute(statement)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)
