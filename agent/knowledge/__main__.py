"""`python -m agent.knowledge index [DIR]`: bring the indexes up to date with the documents."""

import argparse
import sys
from pathlib import Path

from agent.knowledge.errors import KnowledgeError
from agent.knowledge.index import CollectionReport, Problem, index_directory
from agent.settings import AgentSettings


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0, or 1 when an index could not be written, or 2 without the directory."""
    parser = argparse.ArgumentParser(prog="python -m agent.knowledge", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    index = commands.add_parser("index", help="index the documents in a directory")
    index.add_argument("directory", type=Path, nargs="?", help="default: KNOWLEDGE_DIR")
    given = parser.parse_args(arguments)
    settings = AgentSettings()
    return index_command(given.directory or settings.knowledge_dir, settings.knowledge_index_dir)


def index_command(directory: Path, index_dir: Path) -> int:
    """Index `directory` and print what came of it; returns the exit code."""
    failed = False
    try:
        for outcome in index_directory(directory, index_dir):
            failed |= isinstance(outcome, KnowledgeError)
            for line in _lines(outcome):
                sys.stdout.write(f"{line}\n")
    except NotADirectoryError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 1 if failed else 0


def _lines(outcome: CollectionReport | Problem | KnowledgeError) -> list[str]:
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
