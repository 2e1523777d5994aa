"""Files → documents: a title, and sections of plain text under their headings.

`FORMATS` has one row for each suffix. What a file is called says how it is read; what is in it
must agree with that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType

from agent.knowledge.errors import UnreadableDocument
from agent.knowledge.from_html import parse_html
from agent.knowledge.from_markdown import parse_markdown
from agent.knowledge.sections import Document, Outline

_MIB = 2**20
MAX_TEXT_BYTES = 10 * _MIB
"""Larger text files are refused: no text that people wrote by hand is."""
MAX_BYTES = 50 * _MIB
"""The same for PDF and Word, which hold pictures and fonts as well."""
MAX_CHARACTERS = 5_000_000
"""Of the text in one document: some twenty novels."""

_SIGNATURES = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a zip archive or an Office file"),
    (b"\xd0\xcf\x11\xe0", "an Office file"),
    (b"{\\rtf", "rich text"),
)

Parser = Callable[[bytes, str], Document]
"""Content and the title to take when it names none → document. Raises `UnreadableDocument`."""


@dataclass(frozen=True, slots=True)
class Format:
    """How files of one suffix are read."""

    parse: Parser
    max_bytes: int


def suffix_of(filename: str) -> str:
    """The suffix that says how a file is read: `.pdf`; empty where there is none."""
    return PurePosixPath(filename).suffix.lower()


def parse(content: bytes, filename: str) -> Document:
    """The document in a file called `filename`. Raises `UnreadableDocument`."""
    path = PurePosixPath(filename)
    known = FORMATS.get(suffix_of(filename))
    if known is None:
        raise UnreadableDocument(f"no parser for {path.suffix or 'files without a suffix'}")
    if len(content) > known.max_bytes:
        raise UnreadableDocument(f"larger than {known.max_bytes // _MIB} MiB")
    if not content.strip():
        raise UnreadableDocument("empty")
    document = known.parse(content, path.stem.replace("-", " ").replace("_", " ").strip())
    if not document.sections:
        raise UnreadableDocument("no text in it")
    if sum(len(section.text) for section in document.sections) > MAX_CHARACTERS:
        raise UnreadableDocument(f"more than {MAX_CHARACTERS:,} characters of text")
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


def _pdf(content: bytes, title: str) -> Document:
    # imported here: only the process that parses needs the library, and starts it slowly
    from agent.knowledge.from_pdf import parse_pdf

    return parse_pdf(content, title)


def _docx(content: bytes, title: str) -> Document:
    from agent.knowledge.from_docx import parse_docx

    return parse_docx(content, title)


def _decode(content: bytes) -> str:
    for signature, what in _SIGNATURES:
        if content.startswith(signature):
            raise UnreadableDocument(f"{what}, not text")
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


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        ".md": Format(_markdown, MAX_TEXT_BYTES),
        ".markdown": Format(_markdown, MAX_TEXT_BYTES),
        ".txt": Format(_text, MAX_TEXT_BYTES),
        ".html": Format(_html, MAX_TEXT_BYTES),
        ".htm": Format(_html, MAX_TEXT_BYTES),
        ".pdf": Format(_pdf, MAX_BYTES),
        ".docx": Format(_docx, MAX_BYTES),
    }
)
