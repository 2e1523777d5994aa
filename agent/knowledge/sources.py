"""Which files make up a collection.

Each folder in a directory of documents is a collection of that name; files beside them belong to
`default`. What came over the API lies in a second directory of the same form, and takes the place
of a document of the same name. Links to folders are followed, each folder once.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.knowledge.documents import FORMATS, suffix_of
from agent.knowledge.store import is_collection_name

DEFAULT_COLLECTION = "default"


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or folder that was left out."""

    path: str
    """From the directory that it is in, with `/`."""
    why: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a collection, as it lies on the disk now."""

    path: Path
    shown: str
    """Its path from the directory of documents, with `/`."""
    bytes: int
    changed_ns: int
    """When its content or its place last changed; Unix time."""
    uploaded: bool
    """It came over the API, and can go that way."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of one collection."""

    documents: Mapping[str, SourceFile]
    """By their name in it: `returns.md`, `en/faq.md`."""
    problems: tuple[Problem, ...]
    ignored: Mapping[str, int]
    """Files of kinds that no parser reads, counted by suffix."""


def collection_names(directory: Path) -> tuple[set[str], tuple[Problem, ...]]:
    """Names of the collections that have files in `directory`, and folders that can be none."""
    names: set[str] = set()
    problems: list[Problem] = []
    for path in _entries(directory):
        if not path.is_dir():
            names.add(DEFAULT_COLLECTION)
        elif is_collection_name(path.name):
            names.add(path.name)
        else:
            why = "not a collection's name: use a-z, 0-9, _ and -"
            problems.append(Problem(f"{path.name}/", why))
    return names, tuple(problems)


def collection_sources(directory: Path, uploads: Path | None, name: str) -> Sources:
    """The files of the collection `name`."""
    documents: dict[str, SourceFile] = {}
    problems: list[Problem] = []
    ignored: Counter[str] = Counter()
    if uploads is not None:
        for filename, path in _files(uploads / name):
            if suffix_of(filename) in FORMATS:
                documents[filename] = _source(path, filename, uploaded=True)
    for shown, filename, path in _own_files(directory, name):
        if suffix_of(filename) not in FORMATS:
            ignored[suffix_of(filename) or path.name] += 1
        elif filename not in documents:
            documents[filename] = _source(path, shown, uploaded=False)
        elif not documents[filename].uploaded:
            problems.append(Problem(shown, f"{name}/{filename} has the same name"))
    return Sources(documents, tuple(problems), dict(ignored))


def _own_files(directory: Path, name: str) -> Iterator[tuple[str, str, Path]]:
    """Each file of a collection: from `directory`, from the collection's folder, and the path."""
    for filename, path in _files(directory / name):
        yield f"{name}/{filename}", filename, path
    if name == DEFAULT_COLLECTION:
        for path in _entries(directory):
            if not path.is_dir():
                yield path.name, path.name, path


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files in `folder` and the folders in it, those that are linked to last, by their names."""
    seen: set[Path] = set()
    waiting = [folder]
    while waiting:
        root = waiting.pop(0)
        if root.resolve() in seen:
            continue
        for parent, subfolders, filenames in os.walk(root):
            seen.add(Path(parent).resolve())
            visible = sorted(s for s in subfolders if not s.startswith("."))
            links = [Path(parent, s) for s in visible if Path(parent, s).is_symlink()]
            waiting += links
            subfolders[:] = [
                s
                for s in visible
                if Path(parent, s) not in links and Path(parent, s).resolve() not in seen
            ]
            for filename in sorted(filenames):
                path = Path(parent, filename)
                if not filename.startswith("."):
                    yield path.relative_to(folder).as_posix(), path


def _entries(directory: Path) -> list[Path]:
    """What can be seen in `directory`; nothing where it does not exist."""
    if not directory.is_dir():
        return []
    return [path for path in sorted(directory.iterdir()) if not path.name.startswith(".")]


def _source(path: Path, shown: str, *, uploaded: bool) -> SourceFile:
    try:
        status = path.stat()
    except OSError:  # reading it will tell why
        return SourceFile(path, shown, 0, 0, uploaded)
    return SourceFile(path, shown, status.st_size, status.st_ctime_ns, uploaded)
