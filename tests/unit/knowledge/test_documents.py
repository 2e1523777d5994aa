"""Parsers: what is text, what is a heading, what is left out."""

import pytest

from agent.knowledge.documents import MAX_TEXT_BYTES, parse
from agent.knowledge.errors import UnreadableDocument
from agent.knowledge.passages import passages
from agent.knowledge.sections import Document, Section

MARKDOWN = b"""---
draft: true
---
# Shop *guide*

Open **daily**. See [the map](https://example.com/map)
and <https://example.com>.

## Prices
- one `lamp`: 5 dirhams
- [x] two lamps

| item | price |
| ---- | ----- |
| bulb | 3 |

Old heading
-----------
<!-- hidden -->
> quoted

### Deeper
```
code stays
```
![a lamp](lamp.png) snake_case stays \\*so\\*
"""


def test_markdown() -> None:
    """Catches marks left in spoken text, and headings that do not nest."""
    document = parse(MARKDOWN, "guide.md")
    assert document == Document(
        "Shop guide",
        (
            Section("", "Open daily. See the map and https://example.com."),
            Section("Prices", "one lamp: 5 dirhams\ntwo lamps\nitem, price\nbulb, 3"),
            Section("Old heading", "quoted"),
            Section("Old heading › Deeper", "code stays\na lamp snake_case stays *so*"),
        ),
    )


def test_html() -> None:
    """Catches scripts, navigation and layout that get into the text, and lost entities."""
    content = """<html><head><title>Page</title><style>p{}</style></head><body>
    <nav><ul><li>Home</li></ul></nav><h1>Returns &amp; <b>refunds</b></h1>
    <p>Within <b>30</b> days.<br>With the box.<script>alert("x")</script></p>
    <h2>Costs</h2><table><tr><td>label</td><td>20</td></tr></table>
    <ul><li>one<li>two</ul>unclosed <p>end"""
    document = parse(content.encode(), "page.html")
    assert document == Document(
        "Returns & refunds",
        (
            Section("", "Within 30 days.\nWith the box."),
            Section("Costs", "label, 20\none\ntwo\nunclosed\nend"),
        ),
    )


def test_html_without_heading_takes_its_title() -> None:
    """Catches a page named after its file although it has a title."""
    assert parse(b"<title>Care</title><p>Dust it.", "x.html").title == "Care"


def test_text() -> None:
    """Catches a title read as text, wrapped lines torn apart, or a sentence made a title."""
    titled = parse("العناية\n\nامسحوا الزجاج\nبقماش ناعم.\n\nثانيا.".encode(), "care.txt")
    assert titled == Document("العناية", (Section("", "امسحوا الزجاج بقماش ناعم.\nثانيا."),))
    plain = parse(b"It has no title.\n\nNone.", "my-notes.txt")
    assert plain == Document("my notes", (Section("", "It has no title.\nNone."),))


def test_utf_16_with_a_mark_is_text() -> None:
    """Catches the files of a well-known editor being taken for binary."""
    assert parse("ضمان سنتين.".encode("utf-16"), "a.txt").sections[0].text == "ضمان سنتين."


@pytest.mark.parametrize(
    ("content", "filename", "why"),
    [
        (b"", "a.md", "empty"),
        (b" \n\t\n", "a.txt", "empty"),
        (b"# Only a heading\n", "a.md", "no text in it"),
        (b"<script>x</script>", "a.html", "no text in it"),
        (b"\x89PNG\r\n\0\0", "a.md", "binary, not text"),
        (b"caf\xe9 noir", "a.txt", "not utf-8 text"),
        (b"\xff\xfea", "a.txt", "not utf-16 text"),
        (b"x" * (MAX_TEXT_BYTES + 1), "a.txt", "larger than 10 MiB"),
        (b"text", "a.doc", "no parser for .doc"),
        (b"%PDF-1.7 text", "a.txt", "a PDF, not text"),
        (b"PK\x03\x04", "a.md", "a zip archive or an Office file, not text"),
        (b"text", "a.pdf", "not a PDF"),
        (b"%PDF-1.7\n%%EOF", "a.pdf", "a damaged PDF"),
        (b"%PDF-1.7 text", "a.docx", "not a Word document, or a damaged one"),
        (b"\xd0\xcf\x11\xe0", "a.docx", "protected by a password, or written by Word before 2007"),
        (b"text", "LICENSE", "no parser for files without a suffix"),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, filename: str, why: str) -> None:
    """Catches a broken file that raises something else, or is indexed as rubbish."""
    with pytest.raises(UnreadableDocument, match=f"^{why}$"):
        parse(content, filename)


@pytest.mark.parametrize(
    "piece",
    ["[", "<!--", "**a", "_a", "`", "|-", "> ", "Mr. ", "```\n", "<td>x", "<nav>", "&", "\\*",
     "<a ", "<a b='"],
)  # fmt: skip
@pytest.mark.parametrize("suffix", [".md", ".html", ".txt"])
def test_hostile_files_end(piece: str, suffix: str) -> None:
    """Catches parsing whose time grows with the square of a file's size: it takes minutes here."""
    content = ("start\n\n" + piece * 100_000 + ">").encode()
    assert passages("a", parse(content, f"a{suffix}"))
