"""Indexing a directory: collections, changes, broken files, two at once."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from agent.knowledge import KnowledgeBase, UnknownCollection, collections
from agent.knowledge.errors import IndexUnavailable, InvalidCollectionName
from agent.knowledge.index import CollectionReport, index_changes, index_directory
from agent.knowledge.sources import Problem
from agent.knowledge.store import drop, index_path, writing


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """An empty directory for documents."""
    directory = tmp_path / "documents"
    directory.mkdir()
    return directory


@pytest.fixture
def index_dir(tmp_path: Path) -> Path:
    """Where the indexes go; not there yet."""
    return tmp_path / "data" / "knowledge"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def reports(documents: Path, index_dir: Path) -> dict[str, CollectionReport]:
    outcomes = index_directory(documents, index_dir)
    return {o.name: o for o in outcomes if isinstance(o, CollectionReport)}


def texts(index_dir: Path, name: str) -> list[str]:
    base = KnowledgeBase.open(index_dir, name)
    try:
        return list(base.texts())
    finally:
        base.close()


def test_folders_are_collections(documents: Path, index_dir: Path) -> None:
    """Catches files in the wrong collection, or a name that loses its sub-folder."""
    write(documents / "loose.md", "Loose text.")
    write(documents / "shop" / "en" / "faq.md", "# FAQ\nShop text.")
    write(documents / "shop" / ".hidden.md", "Hidden.")
    write(documents / ".git" / "a.md", "Hidden.")
    found = reports(documents, index_dir)
    assert {name: r.documents for name, r in found.items()} == {"default": 1, "shop": 1}
    assert collections(index_dir) == ("default", "shop")
    base = KnowledgeBase.open(index_dir, "shop")
    assert base.search("shop text").hits[0].passage.filename == "en/faq.md"
    base.close()


def test_only_changes_are_indexed_again(documents: Path, index_dir: Path) -> None:
    """Catches passages of replaced or deleted documents that stay behind."""
    write(documents / "a.md", "Alpha remains.")
    write(documents / "b.md", "Beta before.")
    write(documents / "c.md", "Gamma goes.")
    first = reports(documents, index_dir)["default"]
    assert (first.added, first.changed, first.removed) == (3, 0, 0)
    write(documents / "b.md", "Beta after.")
    (documents / "c.md").unlink()
    second = reports(documents, index_dir)["default"]
    assert (second.added, second.changed, second.removed) == (0, 1, 1)
    assert texts(index_dir, "default") == ["a", "Alpha remains.", "b", "Beta after."]
    base = KnowledgeBase.open(index_dir, "default")
    assert not base.search("before gamma").hits
    base.close()


def test_a_folder_that_is_gone_is_no_collection(documents: Path, index_dir: Path) -> None:
    """Catches a deleted collection that goes on answering, or one of another directory lost."""
    write(documents / "old" / "a.md", "Alpha.")
    write(documents.parent / "other" / "kept" / "b.md", "Beta.")
    reports(documents, index_dir)
    reports(documents.parent / "other", index_dir)
    (documents / "old" / "a.md").unlink()
    (documents / "old").rmdir()
    assert reports(documents, index_dir)["old"].documents == 0
    assert collections(index_dir) == ("kept",)
    with pytest.raises(UnknownCollection):
        KnowledgeBase.open(index_dir, "old")
    write(documents / "old" / "a.md", "Alpha again.")
    reports(documents, index_dir)
    assert texts(index_dir, "old") == ["a", "Alpha again."]


def test_one_broken_file_stops_nothing(documents: Path, index_dir: Path) -> None:
    """Catches an abort, a silent loss, or the old text of a file that cannot be read any more."""
    write(documents / "good.md", "Good text.")
    write(documents / "soon-bad.md", "Old text.")
    write(documents / "photo.PNG", "x")
    (documents / "empty.md").touch()
    (documents / "dangling.md").symlink_to(documents / "nothing")
    reports(documents, index_dir)
    (documents / "soon-bad.md").write_bytes(b"\0\1")
    report = reports(documents, index_dir)["default"]
    assert {(p.path, p.why) for p in report.problems} == {
        ("empty.md", "empty"),
        ("dangling.md", "No such file or directory"),
        ("soon-bad.md", "binary, not text"),
    }
    assert report.ignored == {".png": 1}
    assert texts(index_dir, "default") == ["good", "Good text."]


def test_a_file_with_a_problem_is_not_read_again(documents: Path, index_dir: Path) -> None:
    """Catches a hostile file that is parsed anew with every look at the folder."""
    write(documents / "bad.md", "\0")
    reports(documents, index_dir)
    read: list[str] = []
    for _ in range(2):
        outcomes = list(
            index_directory(documents, index_dir, tell=lambda p: read.append(p.filename))
        )
        assert [o.problems for o in outcomes if isinstance(o, CollectionReport)] == [
            (Problem("bad.md", "binary, not text"),)
        ]
    assert read == []
    write(documents / "bad.md", "Good text now.")
    list(index_directory(documents, index_dir, tell=lambda p: read.append(p.filename)))
    assert read == ["bad.md", ""]
    assert texts(index_dir, "default") == ["bad", "Good text now."]


def test_links_to_folders_are_followed_once(documents: Path, index_dir: Path) -> None:
    """Catches documents behind a link that are left out without a word, and a ring of links."""
    write(documents.parent / "elsewhere" / "deep" / "a.md", "Alpha.")
    write(documents / "shop" / "b.md", "Beta.")
    (documents / "shop" / "linked").symlink_to(documents.parent / "elsewhere")
    (documents / "shop" / "again").symlink_to(documents / "shop")
    (documents.parent / "elsewhere" / "up").symlink_to(documents / "shop")
    assert reports(documents, index_dir)["shop"].documents == 2
    base = KnowledgeBase.open(index_dir, "shop")
    assert base.search("alpha").hits[0].passage.filename == "linked/deep/a.md"
    base.close()


def test_an_upload_takes_the_place_of_a_document(documents: Path, index_dir: Path) -> None:
    """Catches two versions of one document that both answer, and one that does not come back."""
    uploads = documents.parent / "uploads"
    write(documents / "shop" / "a.md", "Alpha of the folder.")
    write(uploads / "shop" / "a.md", "Alpha that was sent.")
    write(uploads / "new" / "b.md", "Beta that was sent.")

    def index() -> None:
        list(index_changes(documents, index_dir, uploads=uploads))

    index()
    assert texts(index_dir, "shop") == ["a", "Alpha that was sent."]
    assert collections(index_dir) == ("new", "shop")
    (uploads / "shop" / "a.md").unlink()
    (uploads / "new" / "b.md").unlink()
    index()
    assert texts(index_dir, "shop") == ["a", "Alpha of the folder."]
    assert collections(index_dir) == ("shop",)


def test_a_collection_stays_at_home(documents: Path, index_dir: Path) -> None:
    """Catches a look at the usual folder that undoes the indexing of another."""
    uploads = documents.parent / "uploads"
    write(documents / "a.md", "Alpha.")
    write(documents.parent / "other" / "b.md", "Beta.")
    list(index_changes(documents, index_dir, uploads=uploads))
    reports(documents.parent / "other", index_dir)
    write(documents.parent / "other" / "c.md", "Gamma.")
    list(index_changes(documents, index_dir, uploads=uploads))
    assert texts(index_dir, "default") == ["b", "Beta.", "c", "Gamma."]


def test_a_folder_that_is_not_mounted(documents: Path, index_dir: Path) -> None:
    """Catches indexes that are thrown away because a disk is away for a while."""
    uploads = documents.parent / "uploads"
    write(documents / "a.md", "Alpha.")
    list(index_changes(documents, index_dir, uploads=uploads))
    documents.rename(documents.parent / "away")
    (problem,) = index_changes(documents, index_dir, uploads=uploads)
    assert isinstance(problem, Problem)
    assert texts(index_dir, "default") == ["a", "Alpha."]
    (documents.parent / "away").rename(documents)
    (report,) = index_changes(documents, index_dir, uploads=uploads)
    assert isinstance(report, CollectionReport)
    assert not report.is_changed


def test_an_update_leaves_the_same_as_a_new_index(documents: Path, index_dir: Path) -> None:
    """Catches what is known of words that is left behind, or lost, when documents change."""

    def known() -> dict[str, list[tuple[object, ...]]]:
        with closing(sqlite3.connect(index_dir / "default.sqlite")) as db:
            return {
                table: sorted(db.execute(f"SELECT * FROM {table}").fetchall())  # noqa: S608
                for table in ("stem_counts", "letters", "common_stems")
            }

    write(documents / "kept.md", "Brass lamps and مصابيح.")
    write(documents / "gone.md", "Old chairs and كراسي.")
    reports(documents, index_dir)
    (documents / "gone.md").unlink()
    write(documents / "new.md", "New tables and طاولات.")
    reports(documents, index_dir)
    updated = known()
    (index_dir / "default.sqlite").unlink()
    reports(documents, index_dir)
    assert updated == known()


def test_two_files_of_one_name(documents: Path, index_dir: Path) -> None:
    """Catches one document that silently replaces another in `default`."""
    write(documents / "a.md", "Loose.")
    write(documents / "default" / "a.md", "In the folder.")
    report = reports(documents, index_dir)["default"]
    assert report.problems == (Problem("a.md", "default/a.md has the same name"),)
    assert texts(index_dir, "default") == ["a", "In the folder."]


def test_names_that_no_collection_can_have(documents: Path, index_dir: Path) -> None:
    """Catches a collection's name that reaches outside the index folder."""
    write(documents / "Bad Name" / "a.md", "Text.")
    assert list(index_directory(documents, index_dir)) == [
        Problem("Bad Name/", "not a collection's name: use a-z, 0-9, _ and -")
    ]
    for name in ("../default", "", "a/b", "A", "-a", "a" * 65, "a\n"):
        with pytest.raises(InvalidCollectionName):
            index_path(index_dir, name)


def test_an_index_of_another_version_is_built_anew(documents: Path, index_dir: Path) -> None:
    """Catches an upgrade that reads old tables, or never gets rid of them."""
    write(documents / "a.md", "Alpha.")
    reports(documents, index_dir)
    with sqlite3.connect(index_dir / "default.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(UnknownCollection):
        KnowledgeBase.open(index_dir, "default")
    assert reports(documents, index_dir)["default"].added == 1
    assert texts(index_dir, "default") == ["a", "Alpha."]


def test_a_damaged_index_is_reported(documents: Path, index_dir: Path) -> None:
    """Catches a driver's exception that reaches the caller, or one index that stops the others."""
    write(documents / "bad" / "a.md", "Alpha.")
    write(documents / "good" / "a.md", "Alpha.")
    index_dir.mkdir(parents=True)
    (index_dir / "bad.sqlite").write_bytes(b"no database" * 1000)
    outcomes = list(index_directory(documents, index_dir))
    assert [type(outcome) for outcome in outcomes] == [IndexUnavailable, CollectionReport]
    assert collections(index_dir) == ("good",)


def test_an_index_that_is_dropped_while_it_is_open(documents: Path, index_dir: Path) -> None:
    """Catches a driver's exception that reaches whoever reads."""
    write(documents / "a.md", "Alpha.")
    reports(documents, index_dir)
    base = KnowledgeBase.open(index_dir, "default")
    with writing(index_dir, "default") as db:
        drop(db)
    with pytest.raises(IndexUnavailable):
        base.search("alpha")
    with pytest.raises(IndexUnavailable):
        list(base.texts())
    base.close()


def test_a_failed_update_changes_nothing(documents: Path, index_dir: Path) -> None:
    """Catches an index half written when the indexer dies."""
    write(documents / "a.md", "Alpha.")
    reports(documents, index_dir)

    def fail() -> None:
        with writing(index_dir, "default") as db:
            db.execute("DELETE FROM passages")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert texts(index_dir, "default") == ["a", "Alpha."]


def test_readers_see_a_whole_index_while_it_is_written(documents: Path, index_dir: Path) -> None:
    """Catches a reader that is blocked by an update, or sees part of it."""
    write(documents / "a.md", "Alpha.")
    reports(documents, index_dir)
    base = KnowledgeBase.open(index_dir, "default")
    with writing(index_dir, "default") as db:
        db.execute("DELETE FROM passages")
        assert base.search("alpha").hits
    assert not base.search("alpha").hits
    base.close()


def test_two_indexers_at_once(documents: Path, index_dir: Path) -> None:
    """Catches two indexers that fail on the lock or index a document twice."""
    for number in range(30):
        write(documents / f"{number}.md", f"Document number {number} is about lamps.")
    found: list[CollectionReport] = []
    threads = [
        threading.Thread(target=lambda: found.extend(reports(documents, index_dir).values()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r.added for r in found) == [0, 0, 30]
    assert {r.passages for r in found} == {30}
