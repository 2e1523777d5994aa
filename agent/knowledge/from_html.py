"""HTML → `Document`, by the standard library's tolerant parser."""

from html.parser import HTMLParser

from agent.knowledge.comments import without_comments
from agent.knowledge.sections import Document, Outline

_SILENT = frozenset({"script", "style", "template", "noscript", "svg", "nav", "select", "iframe"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_CELLS = frozenset({"td", "th"})
_INLINE = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "dfn", "em", "font", "i", "kbd",
     "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr",
     "img", "input", "label"}
)  # fmt: skip


def parse_html(text: str, title: str) -> Document:
    """The document in `text`; `title` is for one with neither `<title>` nor `<h1>`."""
    reader = _Reader(Outline(title))
    reader.feed(_ended(without_comments(text)))
    reader.close()
    return reader.document()


def _ended(text: str) -> str:
    """`text` up to where a comment or a tag begins that never ends: html.parser would look for its
    end again and again."""
    text = text.partition("<!--")[0]
    last_end = text.rfind(">") + 1
    return text[:last_end] + text[last_end:].partition("<")[0]


class _Reader(HTMLParser):
    """Feeds an `Outline`: whatever is no inline element ends a paragraph."""

    def __init__(self, outline: Outline) -> None:
        super().__init__(convert_charrefs=True)
        self._outline = outline
        self._text: list[str] = []
        self._has_text = False
        self._silent = ""
        self._silent_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silent:
            self._silent_depth += tag == self._silent
        elif tag in _SILENT:
            self._flush()
            self._silent, self._silent_depth = tag, 1
        elif tag in _CELLS:
            if self._has_text:
                self._text.append(", ")
        elif tag not in _INLINE:
            self._flush()

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            self._silent_depth -= tag == self._silent
            if not self._silent_depth:
                self._silent = ""
        elif tag in _HEADINGS:
            self._outline.heading(int(tag[1]), self._take())
        elif tag == "title":
            self._outline.title(self._take())
        elif tag not in _INLINE and tag not in _CELLS:
            self._flush()

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._text.append(data)
            self._has_text |= not data.isspace()

    def document(self) -> Document:
        """What was read; text after the last tag included."""
        self._flush()
        return self._outline.document()

    def _take(self) -> str:
        text = " ".join("".join(self._text).split())
        self._text, self._has_text = [], False
        return text

    def _flush(self) -> None:
        self._outline.line(self._take())
        self._outline.close_paragraph()
