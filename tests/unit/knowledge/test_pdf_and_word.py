"""PDF and Word: text, headings and numbers as their author meant them; files that are none."""

import io
import zipfile
from pathlib import Path

import docx
import pypdf
import pytest

from agent.knowledge.documents import parse
from agent.knowledge.errors import UnreadableDocument
from agent.knowledge.from_pdf import Line, outlined
from agent.knowledge.sections import Document, Section

FILES = Path(__file__).parent / "files"
SAMPLES = Path(__file__).parents[3] / "documents" / "default"


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_printed_page_reads_like_its_source(language: str) -> None:
    """Catches lost headings, ligatures, and Arabic lines in which a number changes its place."""
    printed = parse((FILES / f"returns-{language}.pdf").read_bytes(), "scan.pdf")
    source = parse((SAMPLES / language / "returns.md").read_bytes(), "returns.md")
    assert printed == source


SMALL = " ".join(["The end of it all."] * 8)


def test_headings_by_size() -> None:
    """Catches a large first letter or a long line in large type taken for a heading."""
    lines = [
        Line("A title that runs", 20.0),
        Line("over two lines", 20.0),
        Line("", 0.0),
        Line("Costs", 14.0),
        Line("One dirham,", 10.0),
        Line("or two.", 10.0),
        Line("x" * 121, 14.0),
        Line("", 0.0),
        Line(SMALL, 10.0),
    ]
    assert outlined(lines, "file") == Document(
        "A title that runs over two lines",
        (Section("Costs", f"One dirham, or two. {'x' * 121}\n{SMALL}"),),
    )


def test_word() -> None:
    """Catches headings that are lost, tables out of place, and cells told twice."""
    file = docx.Document()
    file.add_heading("Price list", 0)
    file.add_paragraph("أسعارنا بالدرهم.")
    file.add_heading("Lamps", 1)
    table = file.add_table(2, 3)
    for number, text in enumerate(("lamp", "price", "", "brass", "90", "")):
        table.cell(number // 3, number % 3).text = text
    table.cell(1, 1).merge(table.cell(1, 2))
    file.add_heading("Small ones", 2)
    file.add_paragraph("On request.", style="List Bullet")
    document = parse(saved(file), "prices.docx")
    assert document == Document(
        "Price list",
        (
            Section("", "أسعارنا بالدرهم."),
            Section("Lamps", "lamp, price\nbrass, 90"),
            Section("Lamps › Small ones", "On request."),
        ),
    )


def saved(file: "docx.document.Document") -> bytes:
    out = io.BytesIO()
    file.save(out)
    return out.getvalue()


def encrypted() -> bytes:
    writer = pypdf.PdfWriter(clone_from=FILES / "returns-en.pdf")
    writer.encrypt("secret", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def archive(*parts: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts:
            file.writestr(name, content)
    return out.getvalue()


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def scanned() -> bytes:
    """A page without any text, as a scanner makes it."""
    writer = pypdf.PdfWriter()
    writer.add_blank_page(200, 200)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


WORD = saved(docx.Document())
PDF = (FILES / "returns-en.pdf").read_bytes()


@pytest.mark.parametrize(
    ("content", "filename", "why"),
    [
        (encrypted(), "a.pdf", "protected by a password"),
        (cut(PDF), "a.pdf", "a damaged PDF"),
        (scanned(), "a.pdf", "no text in it"),
        (PDF, "a.docx", "not a Word document, or a damaged one"),
        (WORD, "a.pdf", "not a PDF"),
        (WORD, "a.docx", "no text in it"),
        (cut(WORD), "a.docx", "not a Word document, or a damaged one"),
        (archive(("a.txt", b"text")), "a.docx", "not a Word document, or a damaged one"),
        (archive(("word/document.xml", bytes(65 << 20))), "a.docx", "unpacks to more than 64 MiB"),
        (archive(*((f"{n}", b"") for n in range(2001))), "a.docx", "unpacks to more than 64 MiB"),
    ],
    ids=range(10),
)
def test_what_cannot_be_read_says_why(content: bytes, filename: str, why: str) -> None:
    """Catches a broken, locked, lying or swollen file that raises something else."""
    with pytest.raises(UnreadableDocument, match=f"^{why}$"):
        parse(content, filename)


def test_an_entity_that_grows_is_not_expanded() -> None:
    """Catches a Word file of a few lines that unpacks to gigabytes in the XML parser."""
    grows = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "lol">{grows}]>'
    with zipfile.ZipFile(io.BytesIO(WORD)) as file:
        parts = [(name, file.read(name)) for name in file.namelist()]
    content = archive(
        *(
            (name, bomb.encode() + text.partition(b"?>")[2].replace(b"<w:sectPr", b"&e9;<w:sectPr"))
            if name == "word/document.xml"
            else (name, text)
            for name, text in parts
        )
    )
    with pytest.raises(UnreadableDocument):
        parse(content, "a.docx")
