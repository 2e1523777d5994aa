"""The documents as their keeper sees them: states, names, what is full."""

import io
from pathlib import Path

import pytest

from agent.knowledge.errors import (
    DocumentTooLarge,
    InvalidDocumentName,
    LibraryFull,
    NotUploaded,
    UnknownCollection,
    UnknownDocument,
)
from agent.knowledge.index import index_changes
from agent.knowledge.library import DocumentStatus, Library, document_name


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """One document of the operator's, nothing uploaded, nothing indexed."""
    (tmp_path / "documents" / "shop").mkdir(parents=True)
    (tmp_path / "documents" / "shop" / "a.md").write_text("Alpha.")
    return Library(tmp_path / "documents", tmp_path / "uploads", tmp_path / "index")


def index(folder: Path) -> None:
    list(index_changes(folder / "documents", folder / "index", uploads=folder / "uploads"))


def statuses(library: Library) -> dict[str, DocumentStatus]:
    return {state.filename: state.status for state in library.documents("shop")}


def test_states_follow_the_files(library: Library, tmp_path: Path) -> None:
    """Catches a state that says indexed before it is, or keeps what is gone."""
    assert statuses(library) == {"a.md": DocumentStatus.QUEUED}
    library.add("shop", "b.md", io.BytesIO(b"Beta."))
    library.add("shop", "c.md", io.BytesIO(b"\0"))
    index(tmp_path)
    assert statuses(library) == {
        "a.md": DocumentStatus.INDEXED,
        "b.md": DocumentStatus.INDEXED,
        "c.md": DocumentStatus.FAILED,
    }
    assert library.document("shop", "c.md").error == "binary, not text"
    library.add("shop", "b.md", io.BytesIO(b"Beta again."))
    assert library.document("shop", "b.md").status is DocumentStatus.QUEUED
    library.remove("shop", "b.md")
    assert statuses(library)["b.md"] is DocumentStatus.REMOVING
    index(tmp_path)
    assert set(statuses(library)) == {"a.md", "c.md"}


def test_a_collection_of_uploads_comes_and_goes(library: Library, tmp_path: Path) -> None:
    """Catches a collection that nobody can make without a folder, or that stays when empty."""
    library.add("new", "a.md", io.BytesIO(b"Alpha."))
    assert library.collections() == ("new", "shop")
    index(tmp_path)
    library.remove("new", "a.md")
    index(tmp_path)
    assert library.collections() == ("shop",)
    with pytest.raises(UnknownCollection):
        library.documents("new")


def test_what_cannot_be_removed(library: Library, tmp_path: Path) -> None:
    """Catches an operator's file that is removed over the API."""
    with pytest.raises(NotUploaded):
        library.remove("shop", "a.md")
    with pytest.raises(UnknownDocument):
        library.remove("shop", "../../documents/shop/a.md")
    assert (tmp_path / "documents" / "shop" / "a.md").is_file()


def test_bounds(library: Library, tmp_path: Path) -> None:
    """Catches a library without an end, and what is left of a file that was refused."""
    with pytest.raises(DocumentTooLarge):
        library.add("shop", "a.md", io.BytesIO(bytes(11 << 20)))
    assert list((tmp_path / "uploads" / "shop").iterdir()) == []
    folders = (tmp_path / "documents", tmp_path / "uploads", tmp_path / "index")
    library = Library(*folders, max_collections=1, max_documents=1)
    library.add("shop", "a.md", io.BytesIO(b"Alpha."))
    library.add("shop", "a.md", io.BytesIO(b"Alpha again."))
    with pytest.raises(LibraryFull):
        library.add("shop", "b.md", io.BytesIO(b"Beta."))
    with pytest.raises(LibraryFull):
        library.add("other", "b.md", io.BytesIO(b"Beta."))


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".a.md", "a/../b.md", "..\\a.md", "a\0.md", "a\n.md", "a\u202e.md", "\ud800.md",
     "a\u2028.md", "é" * 120 + ".md", "a.exe", "a.md/", "pdf", " .md"],
)  # fmt: skip
def test_names_that_no_document_can_have(name: str) -> None:
    """Catches a name that is a path, hides, or cannot be shown."""
    with pytest.raises(InvalidDocumentName):
        document_name(name)


def test_one_name_for_one_document() -> None:
    """Catches two documents whose names look the same."""
    assert document_name(" re\u0301sume\u0301 (1).PDF ") == "résumé (1).PDF"
    assert document_name("دليل الأسعار.docx") == "دليل الأسعار.docx"
