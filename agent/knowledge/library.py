"""The documents as whoever keeps them sees them: what is there, and how far it is indexed.

What the folders hold and what the indexes know is compared when asked, so nothing can disagree.
Names come from anywhere: none is made into a path before it is known to be a plain name.
"""

import os
import secrets
import shutil
import sqlite3
import time
import unicodedata
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from agent.knowledge import store
from agent.knowledge.documents import FORMATS, suffix_of
from agent.knowledge.errors import (
    DocumentTooLarge,
    IndexUnavailable,
    InvalidCollectionName,
    InvalidDocumentName,
    KnowledgeError,
    LibraryFull,
    NotUploaded,
    UnknownCollection,
    UnknownDocument,
)
from agent.knowledge.sources import SourceFile, collection_names, collection_sources

MAX_NAME_BYTES = 200
MAX_UPLOADED_COLLECTIONS = 100
MAX_UPLOADED_DOCUMENTS = 5_000
"""In one collection."""
FREE_BYTES = 512 * 2**20
"""So much of the disk stays free."""
_UNFINISHED = ".upload-"
_UNFINISHED_FOR_S = 3600.0
"""After which time a file that never became a document is removed."""
_COPY_BYTES = 1 << 20


class DocumentStatus(StrEnum):
    """How far a document is."""

    QUEUED = "queued"
    """New or changed; it will be indexed."""
    INDEXED = "indexed"
    FAILED = "failed"
    """It could not be read, and answers nothing."""
    REMOVING = "removing"
    """The file is gone, and its passages go next."""


@dataclass(frozen=True, slots=True)
class DocumentState:
    """One document of a collection."""

    filename: str
    status: DocumentStatus
    bytes: int
    passages: int
    error: str
    """Why it failed; else empty."""
    changed_at: float
    """Unix time."""
    uploaded: bool
    """It came over the API; the others lie in the operator's folder."""


@dataclass(frozen=True, slots=True)
class _Indexed:
    bytes: int
    changed_ns: int
    problem: str
    passages: int


class Library:
    """All collections: the operator's `directory`, what was uploaded, and the indexes.

    Every call reads the disk: call it from a thread. Safe to use from several. Raises
    `KnowledgeError`, and OSError where the disk fails.
    """

    def __init__(
        self,
        directory: Path,
        uploads: Path,
        index_dir: Path,
        *,
        max_collections: int = MAX_UPLOADED_COLLECTIONS,
        max_documents: int = MAX_UPLOADED_DOCUMENTS,
    ) -> None:
        self._max_collections = max_collections
        self._max_documents = max_documents
        self._directory = directory
        self._uploads = uploads
        self._index_dir = index_dir

    def collections(self) -> tuple[str, ...]:
        """Names of all collections that have documents or an index, sorted."""
        names = collection_names(self._directory)[0] | collection_names(self._uploads)[0]
        return tuple(sorted(names | store.homes(self._index_dir).keys()))

    def documents(self, collection: str) -> tuple[DocumentState, ...]:
        """The documents of a collection, by name. Raises `UnknownCollection`."""
        files = self._files(collection)
        known = self._known(collection)
        if not files and known is None:
            raise UnknownCollection(f"there is no collection {collection!r}")
        known = known or {}
        return tuple(
            _state(filename, files.get(filename), known.get(filename))
            for filename in sorted(files.keys() | known.keys())
        )

    def document(self, collection: str, filename: str) -> DocumentState:
        """One of them. Raises `UnknownDocument`, `UnknownCollection`."""
        for state in self.documents(collection):
            if state.filename == filename:
                return state
        raise UnknownDocument(f"there is no such document in {collection!r}")

    def add(self, collection: str, filename: str, content: BinaryIO) -> DocumentState:
        """Keep a file that was sent, in place of one of the same name; it is still to be indexed.

        The old one answers until then. Raises `InvalidCollectionName`, `InvalidDocumentName`,
        `DocumentTooLarge`, `LibraryFull`.
        """
        name = document_name(filename)
        folder = self._folder_for(collection, name)
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        unfinished = folder / f"{_UNFINISHED}{secrets.token_hex(8)}"
        try:
            with unfinished.open("xb") as out:
                _copy(content, out, max_bytes=FORMATS[suffix_of(name)].max_bytes)
                out.flush()
                os.fsync(out.fileno())
            unfinished.replace(folder / name)
        finally:
            unfinished.unlink(missing_ok=True)
        return self.document(collection, name)

    def remove(self, collection: str, filename: str) -> None:
        """Remove a document that was uploaded. Raises `UnknownDocument`, `NotUploaded`."""
        _check_collection(collection)
        file = self._files(collection).get(filename)
        if file is None:
            raise UnknownDocument(f"there is no such document in {collection!r}")
        if not file.uploaded:
            raise NotUploaded("it lies in the folder of documents; remove it there")
        file.path.unlink(missing_ok=True)
        with suppress(OSError):
            file.path.parent.rmdir()  # where it was the last one

    def _folder_for(self, collection: str, name: str) -> Path:
        """Where to put a new document. Raises `LibraryFull` where there is no room."""
        _check_collection(collection)
        folder = self._uploads / collection
        uploaded = collection_names(self._uploads)[0]
        if collection not in uploaded and len(uploaded) >= self._max_collections:
            raise LibraryFull(f"there are {self._max_collections} collections already")
        documents = sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
        if documents >= self._max_documents and not (folder / name).exists():
            raise LibraryFull(f"{collection!r} has {self._max_documents} documents already")
        self._uploads.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._uploads).free < FREE_BYTES:
            raise LibraryFull("the disk is nearly full")
        return folder

    def _files(self, collection: str) -> "dict[str, SourceFile]":
        _check_collection(collection)
        try:
            home = store.home(self._index_dir, collection)
        except IndexUnavailable:
            home = None
        directory = home if home is not None and home.is_dir() else self._directory
        return dict(collection_sources(directory, self._uploads, collection).documents)

    def _known(self, collection: str) -> dict[str, _Indexed] | None:
        """What the index knows of each file; None where there is no index."""
        try:
            with closing(store.connect(self._index_dir, collection)) as db:
                rows = db.execute(
                    "SELECT filename, bytes, changed_ns, problem, count(passages.id)"
                    " FROM documents LEFT JOIN passages ON passages.document = documents.id"
                    " GROUP BY documents.id"
                ).fetchall()
        except (KnowledgeError, sqlite3.Error):
            return None
        return {filename: _Indexed(*rest) for filename, *rest in rows}


def document_name(given: str) -> str:
    """A plain name for a file. Raises `InvalidDocumentName`, which says what is wrong."""
    name = unicodedata.normalize("NFC", given.strip())
    if not name or name.startswith("."):
        raise InvalidDocumentName("a document needs a name that does not begin with a point")
    if "/" in name or "\\" in name:
        raise InvalidDocumentName("a document's name may hold no / and no \\")
    if any(unicodedata.category(c)[0] == "C" or c in "\u2028\u2029" for c in name):
        raise InvalidDocumentName("a document's name may hold no control characters")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise InvalidDocumentName(f"a document's name may have {MAX_NAME_BYTES} bytes at most")
    if suffix_of(name) not in FORMATS:
        raise InvalidDocumentName(f"a document's name must end in {', '.join(sorted(FORMATS))}")
    return name


def _check_collection(name: str) -> None:
    if not store.is_collection_name(name):
        raise InvalidCollectionName(
            "a collection is called by 1 to 64 of a-z, 0-9, _ and -, a letter or digit first"
        )


def _state(filename: str, file: SourceFile | None, known: _Indexed | None) -> DocumentState:
    if file is None:
        passages = 0 if known is None else known.passages
        return DocumentState(filename, DocumentStatus.REMOVING, 0, passages, "", 0.0, False)
    changed_at, error = file.changed_ns / 1e9, ""
    if known is None or (known.bytes, known.changed_ns) != (file.bytes, file.changed_ns):
        status = DocumentStatus.QUEUED
    elif known.problem:
        status, error = DocumentStatus.FAILED, known.problem
    else:
        status = DocumentStatus.INDEXED
    passages = 0 if known is None else known.passages
    return DocumentState(filename, status, file.bytes, passages, error, changed_at, file.uploaded)


def _copy(content: BinaryIO, out: BinaryIO, *, max_bytes: int) -> None:
    left = max_bytes
    while data := content.read(_COPY_BYTES):
        left -= len(data)
        if left < 0:
            raise DocumentTooLarge(f"larger than {max_bytes // 2**20} MiB")
        out.write(data)


def _sweep(folder: Path) -> None:
    """Remove what uploads left behind that were cut off by a crash."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _UNFINISHED_FOR_S:
                path.unlink()
