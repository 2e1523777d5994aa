"""Bringing the indexes of the collections up to date with a directory of documents.

Each folder in the directory is a collection of that name; files beside them belong to
`default`. A document is known by its content hash: only what changed is parsed again.
"""

import hashlib
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.knowledge import nearness, store
from agent.knowledge.documents import MAX_BYTES, PARSERS, parse
from agent.knowledge.errors import KnowledgeError, UnreadableDocument
from agent.knowledge.passages import Passage, passages
from agent.knowledge.rarity import common_stems
from agent.knowledge.sentences import sentences
from agent.knowledge.store import SENTENCE_MARK
from agent.knowledge.words import Stemmer

DEFAULT_COLLECTION = "default"


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or folder that was left out."""

    path: str
    """From the directory that was indexed, with `/`."""
    why: str


@dataclass(frozen=True, slots=True)
class CollectionReport:
    """What indexing did to one collection."""

    name: str
    documents: int
    passages: int
    added: int
    changed: int
    removed: int
    problems: tuple[Problem, ...]
    ignored: Mapping[str, int]
    """Files of kinds that no parser reads, counted by suffix."""


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of one collection, by their name in it."""

    documents: Mapping[str, Path]
    problems: tuple[Problem, ...]
    ignored: Mapping[str, int]


def index_directory(
    directory: Path, index_dir: Path
) -> Iterator[CollectionReport | Problem | KnowledgeError]:
    """Index all collections in `directory`; yields a report for each as it is done.

    A collection that was indexed from this directory before and is no longer in it is dropped.
    An index that cannot be written is yielded as `IndexUnavailable`, and the others go on.
    Raises `NotADirectoryError`.
    """
    directory = directory.resolve()
    if not directory.is_dir():
        raise NotADirectoryError(f"no directory {directory}")
    folders = [path for path in sorted(directory.iterdir()) if _is_visible(path) and path.is_dir()]
    names = {folder.name for folder in folders if store.is_collection_name(folder.name)}
    for folder in folders:
        if folder.name not in names:
            yield Problem(f"{folder.name}/", "not a collection's name: use a-z, 0-9, _ and -")
    if any(_is_visible(path) and not path.is_dir() for path in directory.iterdir()):
        names.add(DEFAULT_COLLECTION)
    stemmer = Stemmer()
    for name in sorted(names | _indexed_before(directory, index_dir)):
        try:
            yield _index_collection(directory, index_dir, name, stemmer, gone=name not in names)
        except KnowledgeError as error:
            yield error


def _indexed_before(directory: Path, index_dir: Path) -> set[str]:
    return {
        path.stem
        for path in index_dir.glob("*.sqlite")
        if store.is_collection_name(path.stem) and _source(index_dir, path.stem) == str(directory)
    }


def _source(index_dir: Path, name: str) -> str | None:
    try:
        db = store.connect(index_dir, name)
    except KnowledgeError:
        return None
    try:
        row = db.execute("SELECT directory FROM collection").fetchone()
    finally:
        db.close()
    return str(row[0]) if row else None


def _index_collection(
    directory: Path, index_dir: Path, name: str, stemmer: Stemmer, *, gone: bool
) -> CollectionReport:
    files = _files(directory, name)
    problems = list(files.problems)
    with store.writing(index_dir, name) as db:
        known = dict(db.execute("SELECT filename, sha256 FROM documents").fetchall())
        seen: dict[str, str] = {}
        for filename, path in files.documents.items():
            try:
                seen[filename] = _update(db, stemmer, filename, path, known.get(filename))
            except UnreadableDocument as error:
                problems.append(Problem(path.relative_to(directory).as_posix(), str(error)))
        for filename in known.keys() - seen.keys():
            _remove(db, filename)
        if seen != known:
            _collect_stems(db)
        (total,) = db.execute("SELECT count(*) FROM passages").fetchone()
        db.execute("DELETE FROM collection")
        db.execute("INSERT INTO collection VALUES (?, ?)", (str(directory), total))
        if gone:
            store.drop(db)
    return CollectionReport(
        name=name,
        documents=len(seen),
        passages=total,
        added=len(seen.keys() - known.keys()),
        changed=sum(known.get(filename, sha256) != sha256 for filename, sha256 in seen.items()),
        removed=len(known.keys() - seen.keys()),
        problems=tuple(problems),
        ignored=files.ignored,
    )


def _files(directory: Path, name: str) -> _Files:
    documents: dict[str, Path] = {}
    problems: list[Problem] = []
    ignored: Counter[str] = Counter()
    for root, path in _collection_files(directory, name):
        filename = path.relative_to(root).as_posix()
        if path.suffix.lower() not in PARSERS:
            ignored[path.suffix.lower() or path.name] += 1
        elif filename in documents:
            where = path.relative_to(directory).as_posix()
            problems.append(Problem(where, f"{name}/{filename} has the same name"))
        else:
            documents[filename] = path
    return _Files(documents, tuple(problems), dict(ignored))


def _collection_files(directory: Path, name: str) -> Iterator[tuple[Path, Path]]:
    """Each file of a collection with the folder that its name counts from."""
    for folder, subfolders, filenames in os.walk(directory / name):
        subfolders[:] = sorted(s for s in subfolders if not s.startswith("."))
        for filename in sorted(filenames):
            path = Path(folder, filename)
            if _is_visible(path):
                yield directory / name, path
    if name == DEFAULT_COLLECTION:
        for path in sorted(directory.iterdir()):
            if _is_visible(path) and not path.is_dir():
                yield directory, path


def _is_visible(path: Path) -> bool:
    return not path.name.startswith(".")


def _update(
    db: sqlite3.Connection, stemmer: Stemmer, filename: str, path: Path, known: str | None
) -> str:
    """Put a file's passages in place of those known; returns the hash of its content."""
    content = _read(path)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != known:
        document = parse(content, filename)
        _remove(db, filename)
        _insert(db, stemmer, passages(filename, document), sha256)
    return sha256


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnreadableDocument(f"larger than {MAX_BYTES // 2**20} MiB")
        if not path.is_file():
            raise UnreadableDocument("not a regular file")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableDocument(error.strerror or type(error).__name__) from error


def _insert(
    db: sqlite3.Connection, stemmer: Stemmer, found: tuple[Passage, ...], sha256: str
) -> None:
    if not found:
        raise UnreadableDocument("no text in it")
    document = db.execute(
        "INSERT INTO documents (filename, title, sha256) VALUES (?, ?, ?)",
        (found[0].filename, found[0].title, sha256),
    ).lastrowid
    held: set[str] = set()
    for passage in found:
        rowid = db.execute(
            "INSERT INTO passages (document, chunk_index, heading, text) VALUES (?, ?, ?, ?)",
            (document, passage.chunk_index, passage.heading, passage.text),
        ).lastrowid
        heading = SENTENCE_MARK.join(
            " ".join(stemmer.stems(heading)) for heading in (passage.title, passage.heading)
        )
        text = SENTENCE_MARK.join(
            " ".join(stemmer.stems(sentence)) for sentence in sentences(passage.text)
        )
        db.execute("INSERT INTO stems (rowid, heading, text) VALUES (?, ?, ?)",
                   (rowid, heading, text))  # fmt: skip
        held.update(heading.split(), text.split())
    db.executemany("INSERT INTO document_stems VALUES (?, ?)", ((document, s) for s in held))


def _remove(db: sqlite3.Connection, filename: str) -> None:
    its_passages = (
        "SELECT passages.id FROM passages JOIN documents ON documents.id = document"
        " WHERE filename = ?"
    )
    db.execute(f"DELETE FROM stems WHERE rowid IN ({its_passages})", (filename,))  # noqa: S608 — constant
    db.execute(f"DELETE FROM passages WHERE id IN ({its_passages})", (filename,))  # noqa: S608 — constant
    db.execute(
        "DELETE FROM document_stems WHERE document = (SELECT id FROM documents WHERE filename = ?)",
        (filename,),
    )
    db.execute("DELETE FROM documents WHERE filename = ?", (filename,))


def _collect_stems(db: sqlite3.Connection) -> None:
    """Bring what is known of the stems in use up to date with the passages."""
    counts = db.execute("SELECT term, doc FROM stem_vocabulary").fetchall()
    db.execute("DELETE FROM stem_counts")
    db.executemany("INSERT INTO stem_counts VALUES (?, ?)", counts)
    db.execute("DELETE FROM common_stems")
    db.executemany("INSERT INTO common_stems VALUES (?, ?)", common_stems().items())
    db.execute("DELETE FROM letters")
    db.executemany(
        "INSERT INTO letters VALUES (?, ?)",
        ((letters, stem) for stem, _ in counts for letters in nearness.letters(stem)),
    )
