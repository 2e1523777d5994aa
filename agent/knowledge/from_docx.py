"""Word (.docx) → `Document`, by python-docx: heading styles make the outline."""

import io
import re
import zipfile
from zlib import error as ZlibError  # noqa: N812 - an exception

import docx
from docx.document import Document as WordDocument
from docx.table import Table
from docx.text.paragraph import Paragraph
from lxml.etree import LxmlError

from agent.knowledge.errors import UnreadableDocument
from agent.knowledge.sections import Document, Outline

MAX_UNPACKED_BYTES = 64 * 2**20
"""Of all parts together. An archive tells the sizes, and no part is read beyond what it tells."""
MAX_PARTS = 2_000

_OLE = b"\xd0\xcf\x11\xe0"
"""How a password makes a .docx begin, and what Word wrote before 2007."""
_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)


def parse_docx(content: bytes, title: str) -> Document:
    """The document in `content`; `title` is for one without a title or a first heading.

    Raises `UnreadableDocument`.
    """
    if content.startswith(_OLE):
        raise UnreadableDocument("protected by a password, or written by Word before 2007")
    outline = Outline(title)
    for block in _open(content).iter_inner_content():
        if isinstance(block, Table):
            _table(outline, block)
        else:
            _paragraph(outline, block)
    return outline.document()


def _open(content: bytes) -> WordDocument:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            if len(parts) > MAX_PARTS or sum(p.file_size for p in parts) > MAX_UNPACKED_BYTES:
                raise UnreadableDocument(f"unpacks to more than {MAX_UNPACKED_BYTES // 2**20} MiB")
            if any(part.flag_bits & 1 for part in parts):
                raise UnreadableDocument("protected by a password")
        return docx.Document(io.BytesIO(content))
    except (
        zipfile.BadZipFile, ZlibError, LxmlError, LookupError, ValueError, OSError,
        AttributeError, NotImplementedError, EOFError,
    ) as error:  # fmt: skip
        raise UnreadableDocument("not a Word document, or a damaged one") from error


def _paragraph(outline: Outline, paragraph: Paragraph) -> None:
    style = (paragraph.style.name or "") if paragraph.style is not None else ""
    if style == "Title":
        outline.heading(1, paragraph.text)
    elif heading := _HEADING.fullmatch(style):
        outline.heading(int(heading[1]), paragraph.text)
    else:
        outline.line(paragraph.text)
        outline.close_paragraph()


def _table(outline: Outline, table: Table) -> None:
    for row in table.rows:
        # a merged cell is told once for each place that it takes
        cells = dict.fromkeys(" ".join(cell.text.split()) for cell in row.cells)
        outline.line(", ".join(cell for cell in cells if cell))
        outline.close_paragraph()
