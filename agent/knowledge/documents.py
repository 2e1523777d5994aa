"""Files → documents: a title, and sections of plain text under their headings.

`PARSERS` has one parser for each suffix. A further format (PDF, Word) is one more row in it.
"""

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from agent.knowledge.errors import UnreadableDocument
from agent.knowledge.from_html import parse_html
from agent.knowledge.from_markdown import parse_markdown
from agent.knowledge.sections import Document, Outline

MAX_BYTES = 10 * 1024 * 1024
"""Larger files are refused: no text that people wrote by hand is."""

Parser = Callable[[bytes, str], Document]
"""Content and the title to take when it names none → document. Raises `UnreadableDocument`."""


def parse(content: bytes, filename: str) -> Document:
    """The document in a file called `filename`. Raises `UnreadableDocument`."""
    path = PurePosixPath(filename)
    parser = PARSERS.get(path.suffix.lower())
    if parser is None:
        raise UnreadableDocument(f"no parser for {path.suffix or 'files without a suffix'}")
    if len(content) > MAX_BYTES:
        raise UnreadableDocument(f"larger than {MAX_BYTES // 2**20} MiB")
    if not content.strip():
        raise UnreadableDocument("empty")
    document = parser(content, path.stem.replace("-", " ").replace("_", " ").strip())
    if not document.sections:
        raise UnreadableDocument("no text in it")
    return document


def _markdown(content: bytes, title: str) -> Document:
    return parse_markdown(_decode(content), title)


def _html(content: bytes, title: str) -> Document:
    return parse_html(_decode(content), title)


def _text(content: bytes, title: str) -> Document:
    """Plain text: its first line is the title when it stands alone and is no sentence."""
    lines = _decode(content).strip().splitlines()
    outline = Outline(title)
    first, rest = lines[0].strip(), lines[1:]
    if rest and not rest[0].strip() and len(first) <= 80 and first[-1] not in ".!?؟:":
        outline.heading(1, first)
        lines = rest
    for line in lines:
        outline.line(line)
    return outline.document()


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif b"\0" in content:
        raise UnreadableDocument("binary, not text")
    else:
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise UnreadableDocument(f"not {encoding.removesuffix('-sig')} text") from error


PARSERS: Mapping[str, Parser] = MappingProxyType(
    {
        ".md": _markdown,
        ".markdown": _markdown,
        ".txt": _text,
        ".html": _html,
        ".htm": _html,
    }
)
