"""`Document` and the outline by which every parser builds one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """The text between one heading and the next."""

    heading: str
    """Headings below the document's title, outermost first, joined by ` › `."""
    text: str
    """Plain text, one paragraph or list item a line."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says, without how it is marked up."""

    title: str
    sections: tuple[Section, ...]


class Outline:
    """Collects headings and lines in reading order and ends as a `Document`.

    A paragraph may come in several lines: an empty one, or `close_paragraph`, ends it.
    """

    def __init__(self, title: str) -> None:
        self._title = title
        self._titled = False
        self._levels: list[tuple[int, str]] = []
        self._sections: list[Section] = []
        self._paragraphs: list[str] = []
        self._open: list[str] = []

    def title(self, text: str) -> None:
        """Name the document, unless a heading has done so."""
        if text and not self._titled:
            self._title = text

    def heading(self, level: int, text: str) -> None:
        """Begin a section. The first heading of level 1 is the document's title."""
        self._close_section()
        text = " ".join(text.split())
        if not text:
            return
        self._levels = [entry for entry in self._levels if entry[0] < level]
        if level == 1 and not self._titled:
            self._title, self._titled = text, True
        else:
            self._levels.append((level, text))

    def line(self, text: str) -> None:
        """Add a line to the paragraph, or end it with an empty one."""
        text = " ".join(text.split())
        if text:
            self._open.append(text)
        else:
            self.close_paragraph()

    def close_paragraph(self) -> None:
        """What comes next stands on a line of its own."""
        if self._open:
            self._paragraphs.append(" ".join(self._open))
            self._open = []

    def document(self) -> Document:
        """All that was collected; sections without text are left out."""
        self._close_section()
        return Document(self._title, tuple(self._sections))

    def _close_section(self) -> None:
        self.close_paragraph()
        if self._paragraphs:
            heading = " › ".join(text for _, text in self._levels)
            self._sections.append(Section(heading, "\n".join(self._paragraphs)))
            self._paragraphs = []
