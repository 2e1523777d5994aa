"""PDF → `Document`, by pypdf. A PDF has no headings: what is set larger than the rest is one."""

import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pypdf
from pypdf.errors import FileNotDecryptedError

from agent.knowledge.errors import UnreadableDocument
from agent.knowledge.sections import Document, Outline
from agent.knowledge.words import is_arabic

MAX_PAGES = 3_000
_LARGER = 1.12
"""How much larger than most of the text a heading is set."""
_LONGEST_HEADING = 120
_LEVELS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page; an empty one where the page leaves room, or ends."""

    text: str
    size: float
    """Of most of its letters, in points."""


def parse_pdf(content: bytes, title: str) -> Document:
    """The document in `content`; `title` is for one that names none and has no large heading.

    Raises `UnreadableDocument`.
    """
    if b"%PDF-" not in content[:1024]:
        raise UnreadableDocument("not a PDF")
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadableDocument("protected by a password")
        if len(reader.pages) > MAX_PAGES:
            raise UnreadableDocument(f"more than {MAX_PAGES:,} pages")
        named = _one_line(str((reader.metadata and reader.metadata.title) or ""))
        lines = [line for page in reader.pages for line in _lines(page)]
    except (UnreadableDocument, MemoryError):
        raise
    except FileNotDecryptedError as error:
        raise UnreadableDocument("protected by a password") from error
    except Exception as error:  # pypdf raises all kinds on broken files
        raise UnreadableDocument("a damaged PDF") from error
    return outlined(lines, named or title)


def outlined(lines: Iterable[Line], title: str) -> Document:
    """Headings from sizes: lines that are set larger than most of the text, largest first."""
    lines = list(lines)
    letters: Counter[float] = Counter()
    for line in lines:
        letters[line.size] += len(line.text)
    body = letters.most_common(1)[0][0] if letters else 0.0
    larger = sorted({line.size for line in lines if line.size > body * _LARGER}, reverse=True)
    level = {size: min(rank, _LEVELS) for rank, size in enumerate(larger, start=1)}
    outline = Outline(title)
    for text, size in _joined(lines, level):
        if size in level and len(text) <= _LONGEST_HEADING:
            outline.heading(level[size], text)
        else:
            outline.line(text)
    return outline.document()


def _joined(lines: list[Line], level: dict[float, int]) -> Iterator[tuple[str, float]]:
    """Lines, the parts of a heading that runs over several of them joined."""
    heading: list[str] = []
    size = 0.0
    for line in lines:
        if heading and (line.size != size or not line.text):
            yield " ".join(heading), size
            heading = []
        if line.text and line.size in level:
            heading.append(line.text)
            size = line.size
        else:
            yield line.text, line.size
    if heading:
        yield " ".join(heading), size


def _lines(page: pypdf.PageObject) -> Iterator[Line]:
    """The lines of a page from top to bottom, as pypdf orders them, and an empty one."""
    runs: list[tuple[str, float]] = []

    def collect(text: str, _: object, matrix: list[float], __: object, size: float) -> None:
        if text:
            scale = abs(matrix[3]) or abs(matrix[1]) or 1.0
            runs.append((text, round(size * scale, 1)))

    page.extract_text(visitor_text=collect)
    line: list[tuple[str, float]] = []
    for text, size in runs:
        *finished, rest = text.split("\n")
        for part in finished:
            yield _line([*line, (part, size)])
            line = []
        line.append((rest, size))
    yield _line(line)
    yield Line("", 0.0)


def _line(runs: list[tuple[str, float]]) -> Line:
    sizes = Counter[float]()
    for text, size in runs:
        sizes[size] += len(text.strip())
    texts = [unicodedata.normalize("NFKC", text) for text, _ in runs]
    if is_arabic("".join(texts)):
        texts = _read_from_the_right(texts)
    flat = _one_line("".join(texts))
    return Line(flat, sizes.most_common(1)[0][0] if flat else 0.0)


def _read_from_the_right(runs: list[str]) -> list[str]:
    """Runs in the order in which they are read, from that in which they stand on the page.

    pypdf turns the letters of an Arabic run, and leaves the runs of a line where they stand:
    what is before a number comes after it. Runs that are read from the left keep their order.
    """
    groups: list[list[str]] = []
    for run in runs:
        from_left = bool(run.strip()) and not is_arabic(run)
        if from_left and groups and groups[-1][0].strip() and not is_arabic(groups[-1][0]):
            groups[-1].append(run)
        else:
            groups.append([run])
    return [run for group in reversed(groups) for run in group]


def _one_line(text: str) -> str:
    return " ".join(text.replace("\0", "").split())
