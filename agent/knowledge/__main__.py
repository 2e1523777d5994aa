"""`python -m agent.knowledge index [DIR]`: bring the indexes up to date with the documents."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from agent.knowledge.embeddings import make_embedder
from agent.knowledge.errors import KnowledgeError
from agent.knowledge.index import (
    CollectionReport,
    Outcome,
    Progress,
    Tell,
    index_changes,
    index_directory,
)
from agent.knowledge.sources import Problem
from agent.settings import AgentSettings

_BAR = 24


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0, or 1 when an index could not be written, or 2 without the directory."""
    parser = argparse.ArgumentParser(prog="python -m agent.knowledge", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    index = commands.add_parser("index", help="index the documents in a directory")
    index.add_argument("directory", type=Path, nargs="?", help="default: KNOWLEDGE_DIR")
    given = parser.parse_args(arguments)
    return index_command(given.directory, AgentSettings())


def index_command(directory: Path | None, settings: AgentSettings) -> int:
    """Index `directory`, or what changed anywhere, and print what came of it; the exit code."""
    bar = Bar(sys.stderr)
    failed = False
    try:
        for outcome in _outcomes(directory, settings, bar.show):
            bar.clear()
            failed |= isinstance(outcome, KnowledgeError)
            for line in _lines(outcome):
                sys.stdout.write(f"{line}\n")
    except NotADirectoryError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 1 if failed else 0


def _outcomes(directory: Path | None, settings: AgentSettings, tell: Tell) -> Iterator[Outcome]:
    index_dir, uploads = settings.knowledge_index_dir, settings.uploads_dir
    embedder = make_embedder(settings)
    if directory is not None:
        return index_directory(directory, index_dir, uploads=uploads, embedder=embedder, tell=tell)
    if not settings.knowledge_dir.is_dir():
        raise NotADirectoryError(f"no directory {settings.knowledge_dir}")
    return index_changes(
        settings.knowledge_dir, index_dir, uploads=uploads, embedder=embedder, tell=tell
    )


class Bar:
    """One line of a terminal that says how far it is; nothing where there is no terminal."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown = False

    def show(self, progress: Progress) -> None:
        """Draw it anew."""
        if self._out.isatty():
            self._out.write(f"\r\x1b[2K{bar_line(progress)}")
            self._out.flush()
            self._shown = True

    def clear(self) -> None:
        """Make room for other lines."""
        if self._shown:
            self._out.write("\r\x1b[2K")
            self._out.flush()
            self._shown = False


def bar_line(progress: Progress) -> str:
    """`shop [######------] 12/24 faq.md`; control characters of a file's name are not sent."""
    full = _BAR * progress.done // progress.total
    name = "".join(c if c.isprintable() else "?" for c in progress.filename)[:40]
    bar = "#" * full + "-" * (_BAR - full)
    return f"{progress.collection} [{bar}] {progress.done}/{progress.total} {name}".rstrip()


def _lines(outcome: Outcome) -> list[str]:
    match outcome:
        case KnowledgeError():
            return [f"error: {outcome}"]
        case Problem(path, why):
            return [f"left out {path}: {why}"]
        case CollectionReport():
            return [*(line for p in outcome.problems for line in _lines(p)), _summary(outcome)]


def _summary(report: CollectionReport) -> str:
    line = (
        f"{report.name}: {report.documents} documents, {report.passages} passages"
        f" ({report.added} new, {report.changed} changed, {report.removed} removed)"
    )
    if report.ignored:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(report.ignored.items()))
        line += f"; ignored: {kinds}"
    return line


if __name__ == "__main__":
    sys.exit(main())
