"""Bringing the indexes of the collections up to date with the documents.

A file whose size and time are those that the index knows is not read; one whose content's hash is
known is not parsed. Each collection has a home, the directory that it was indexed from.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.knowledge import nearness, store
from agent.knowledge.errors import EmbeddingFailed, KnowledgeError
from agent.knowledge.parser_process import ParserProcess
from agent.knowledge.passages import Passage, passages
from agent.knowledge.rarity import common_stems
from agent.knowledge.sentences import sentences
from agent.knowledge.sources import (
    Problem,
    SourceFile,
    Sources,
    collection_names,
    collection_sources,
)
from agent.knowledge.store import SENTENCE_MARK
from agent.knowledge.words import Stemmer

if TYPE_CHECKING:
    from agent.knowledge.vectors import Embedder


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

    @property
    def is_changed(self) -> bool:
        """Whether the passages are others than before."""
        return bool(self.added or self.changed or self.removed)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the indexing of one collection has come."""

    collection: str
    done: int
    total: int
    """Files that are new or changed."""
    filename: str
    """The one that is being read; empty at the end."""


Tell = Callable[[Progress], None]
Outcome = CollectionReport | Problem | KnowledgeError


@dataclass(frozen=True, slots=True)
class _Known:
    """What an index knows of a file."""

    sha256: str
    bytes: int
    changed_ns: int
    problem: str


def index_directory(
    directory: Path,
    index_dir: Path,
    *,
    uploads: Path | None = None,
    embedder: "Embedder | None" = None,
    tell: Tell | None = None,
) -> Iterator[Outcome]:
    """Index all collections in `directory`, which becomes their home, and those of `uploads`.

    A report for each is yielded as it is done. A collection at home here that has no documents any
    more is dropped. An index that cannot be written is yielded as `IndexUnavailable`, and the
    others go on. Raises `NotADirectoryError`.
    """
    directory = directory.resolve()
    if not directory.is_dir():
        raise NotADirectoryError(f"no directory {directory}")
    names, problems = collection_names(directory)
    yield from problems
    homes = store.homes(index_dir)
    at_home_here = {name for name, home in homes.items() if home == directory}
    every = dict.fromkeys(names | at_home_here, directory)
    yield from _index(every, index_dir, uploads, embedder, tell)


def index_changes(
    directory: Path,
    index_dir: Path,
    *,
    uploads: Path,
    embedder: "Embedder | None" = None,
    tell: Tell | None = None,
) -> Iterator[Outcome]:
    """The same for every collection, each from its home; `directory` is that of new ones."""
    directory = directory.resolve()
    names = collection_names(directory)[0] | collection_names(uploads)[0]
    homes = store.homes(index_dir)
    every = dict.fromkeys(names, directory) | {
        name: home if home.is_dir() else directory for name, home in homes.items()
    }
    if not directory.is_dir():
        # a folder that is not mounted now: nobody removed its documents
        yield Problem(str(directory), "not there; its collections stay as they are")
        every = {name: home for name, home in every.items() if home != directory}
    yield from _index(every, index_dir, uploads, embedder, tell)


def _index(
    homes: Mapping[str, Path],
    index_dir: Path,
    uploads: Path | None,
    embedder: "Embedder | None",
    tell: Tell | None,
) -> Iterator[Outcome]:
    with ParserProcess() as parser:
        indexer = _Indexer(index_dir, parser, embedder, tell or (lambda _: None))
        for name, home in sorted(homes.items()):
            try:
                yield indexer.update(name, home, collection_sources(home, uploads, name))
            except KnowledgeError as error:
                yield error


class _Indexer:
    """Updates one index after the other."""

    def __init__(
        self, index_dir: Path, parser: ParserProcess, embedder: "Embedder | None", tell: Tell
    ) -> None:
        self._index_dir = index_dir
        self._embedder = embedder
        self._parser = parser
        self._tell = tell
        self._stemmer = Stemmer()

    def update(self, name: str, home: Path, sources: Sources) -> CollectionReport:
        """Make the index of `name` agree with `sources`; without any it is dropped."""
        with store.writing(self._index_dir, name) as db:
            known = _known(db)
            changed = [
                filename
                for filename, file in sources.documents.items()
                if not _is_known(file, known.get(filename))
            ]
            for done, filename in enumerate(changed):
                self._tell(Progress(name, done, len(changed), filename))
                self._update(db, filename, sources.documents[filename], known.get(filename))
            gone = known.keys() - sources.documents.keys()
            for filename in gone:
                _remove(db, filename)
            now = _known(db)
            if _contents(now) != _contents(known):
                _collect_stems(db)
            unembedded = self._embed(db)
            (total,) = db.execute("SELECT count(*) FROM passages").fetchone()
            _note_collection(db, home, total)
            if not sources.documents and not (home / name).is_dir():
                store.drop(db)
            if changed:
                self._tell(Progress(name, len(changed), len(changed), ""))
        report = _report(name, known, now, total, sources)
        return replace(report, problems=(*report.problems, *unembedded))

    def _embed(self, db: sqlite3.Connection) -> tuple[Problem, ...]:
        """Make the vectors that are missing; without them words alone find a passage."""
        if self._embedder is None:
            return ()
        from agent.knowledge.vectors import embed_passages

        try:
            embed_passages(db, self._embedder)
        except EmbeddingFailed as error:
            return (Problem("vectors of passages", str(error)),)
        return ()

    def _update(
        self, db: sqlite3.Connection, filename: str, file: SourceFile, known: _Known | None
    ) -> None:
        """Put a file's passages in place of those known."""
        known_hash = known.sha256 if known is not None and not known.problem else ""
        reply = self._parser.parse(file.path, filename, known=known_hash)
        if reply.document is None and not reply.problem:
            db.execute(
                "UPDATE documents SET bytes = ?, changed_ns = ? WHERE filename = ?",
                (file.bytes, file.changed_ns, filename),
            )
            return
        _remove(db, filename)
        found = () if reply.document is None else passages(filename, reply.document)
        title = "" if reply.document is None else reply.document.title
        problem = reply.problem or ("" if found else "no text in it")
        document = db.execute(
            "INSERT INTO documents (filename, title, sha256, bytes, changed_ns, problem)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (filename, title, reply.sha256, file.bytes, file.changed_ns, problem),
        ).lastrowid
        assert document is not None  # noqa: S101 - it was inserted
        _insert(db, self._stemmer, document, found)


def _known(db: sqlite3.Connection) -> dict[str, _Known]:
    rows = db.execute("SELECT filename, sha256, bytes, changed_ns, problem FROM documents")
    return {filename: _Known(*rest) for filename, *rest in rows}


def _is_known(file: SourceFile, known: _Known | None) -> bool:
    return known is not None and (known.bytes, known.changed_ns) == (file.bytes, file.changed_ns)


def _contents(known: Mapping[str, _Known]) -> dict[str, str]:
    """Each document that has passages, by its content."""
    return {filename: file.sha256 for filename, file in known.items() if not file.problem}


def _report(
    name: str,
    before: Mapping[str, _Known],
    now: Mapping[str, _Known],
    total: int,
    sources: Sources,
) -> CollectionReport:
    had, has = _contents(before), _contents(now)
    unread = (
        Problem(sources.documents[filename].shown, file.problem)
        for filename, file in sorted(now.items())
        if file.problem
    )
    return CollectionReport(
        name=name,
        documents=len(has),
        passages=total,
        added=len(has.keys() - had.keys()),
        changed=sum(had.get(filename, sha256) != sha256 for filename, sha256 in has.items()),
        removed=len(had.keys() - has.keys()),
        problems=(*sources.problems, *unread),
        ignored=sources.ignored,
    )


def _note_collection(db: sqlite3.Connection, home: Path, total: int) -> None:
    noted = db.execute("SELECT directory, passages FROM collection").fetchone()
    if noted != (str(home), total):
        db.execute("DELETE FROM collection")
        db.execute("INSERT INTO collection VALUES (?, ?)", (str(home), total))


def _insert(
    db: sqlite3.Connection, stemmer: Stemmer, document: int, found: tuple[Passage, ...]
) -> None:
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
    db.execute(f"DELETE FROM vectors WHERE passage IN ({its_passages})", (filename,))  # noqa: S608 — constant
    db.execute(f"DELETE FROM stems WHERE rowid IN ({its_passages})", (filename,))  # noqa: S608 — constant
    db.execute(f"DELETE FROM passages WHERE id IN ({its_passages})", (filename,))  # noqa: S608 — constant
    db.execute(
        "DELETE FROM document_stems WHERE document = (SELECT id FROM documents WHERE filename = ?)",
        (filename,),
    )
    db.execute("DELETE FROM documents WHERE filename = ?", (filename,))


def _collect_stems(db: sqlite3.Connection) -> None:
    """Bring what is known of the stems in use up to date with the passages."""
    before = {stem for (stem,) in db.execute("SELECT stem FROM stem_counts")}
    counts = db.execute("SELECT term, doc FROM stem_vocabulary").fetchall()
    now = {stem for stem, _ in counts}
    db.execute("DELETE FROM stem_counts")
    db.executemany("INSERT INTO stem_counts VALUES (?, ?)", counts)
    db.executemany("INSERT OR IGNORE INTO common_stems VALUES (?, ?)", common_stems().items())
    # the keys of a whole vocabulary take seconds: only those of stems that come or go
    db.executemany("DELETE FROM letters WHERE letters = ? AND stem = ?", _keys(before - now))
    db.executemany("INSERT INTO letters VALUES (?, ?)", _keys(now - before))


def _keys(stems: Iterable[str]) -> Iterator[tuple[str, str]]:
    return ((letters, stem) for stem in sorted(stems) for letters in nearness.letters(stem))
