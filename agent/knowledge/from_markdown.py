"""Markdown → `Document`: headings make the outline, everything else becomes plain text."""

import html
import re

from agent.knowledge.comments import without_comments
from agent.knowledge.sections import Document, Outline

_FENCE = re.compile(r"^\s{0,3}(```+|~~~+)")
_ATX = re.compile(r"^\s{0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*$")
_SETEXT = re.compile(r"^\s{0,3}(=+|-+)\s*$")
_RULE = re.compile(r"^\s{0,3}([-*_])(?:\s*\1){2,}\s*$")
_ITEM = re.compile(r"^\s*(?:[-*+]|\d{1,9}[.)])\s+(?:\[[ xX]\]\s+)?")
_QUOTE = re.compile(r"^\s{0,3}(?:>\s?)+")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$")
_REFERENCE = re.compile(r"^\s{0,3}\[[^\]]+\]:\s+\S+")
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_MAX_LINE = 20_000
"""A line longer than this was written by a program: it is taken as it is, for time's sake."""
_INLINE = (
    (re.compile(r"!\[([^\[\]]*)\]\([^()]*\)"), r"\1"),
    (re.compile(r"\[([^\[\]]+)\](?:\([^()]*\)|\[[^\[\]]*\])"), r"\1"),
    (re.compile(r"<((?:https?://|mailto:)[^>\s]+)>"), r"\1"),
    (re.compile(r"</?[a-zA-Z][^>]*>"), ""),
    (re.compile(r"`+([^`]+)`+"), r"\1"),
    (re.compile(r"(\*\*|__)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<![\w*])([*_])(?=\S)(.+?)(?<=\S)\1(?![\w*])"), r"\2"),
    (re.compile(r"~~(.+?)~~"), r"\1"),
)
_ESCAPED = re.compile(r"\\([\\`*_{}\[\]()#+\-.!|>~])")
_OUT_OF_THE_WAY = 0xE000
"""Start of Unicode's private use area: escaped characters wait there while marks are removed."""
_BACK = {_OUT_OF_THE_WAY + code: code for code in range(128)}


def parse_markdown(text: str, title: str) -> Document:
    """The document in `text`; `title` is for one that has no heading of level 1."""
    outline = Outline(title)
    text = _FRONT_MATTER.sub("", text.replace("\r\n", "\n"))
    lines = without_comments(text).split("\n")
    fence = ""
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if marker := _FENCE.match(line):
            fence = _next_fence(fence, marker[1])
            outline.close_paragraph()
        elif fence or len(line) > _MAX_LINE:
            outline.line(line)
            outline.close_paragraph()
        else:
            _block(outline, line, following)
    return outline.document()


def _next_fence(fence: str, marker: str) -> str:
    """The fence that is open after a line that begins with `marker`."""
    if not fence:
        return marker
    return "" if marker.startswith(fence) else fence


def _block(outline: Outline, line: str, following: str) -> None:
    plain = _QUOTE.sub("", line)
    if heading := _ATX.match(plain):
        outline.heading(len(heading[1]), _inline(heading[2] or ""))
    elif _is_setext(plain, following):
        outline.heading(1 if "=" in following else 2, _inline(plain))
    elif _SETEXT.match(plain) or _RULE.match(plain) or _REFERENCE.match(plain):
        outline.close_paragraph()
    elif "|" in plain and (_TABLE_RULE.match(plain) or plain.strip().startswith("|")):
        _table_row(outline, plain)
    elif item := _ITEM.match(plain):
        outline.close_paragraph()
        outline.line(_inline(plain[item.end() :]))
    else:
        outline.line(_inline(plain))


def _is_setext(line: str, following: str) -> bool:
    return bool(line.strip() and _SETEXT.match(following) and not _ITEM.match(line))


def _table_row(outline: Outline, line: str) -> None:
    outline.close_paragraph()
    if not _TABLE_RULE.match(line):
        cells = (_inline(cell).strip() for cell in line.strip().strip("|").split("|"))
        outline.line(", ".join(cell for cell in cells if cell))
        outline.close_paragraph()


def _inline(text: str) -> str:
    text = _ESCAPED.sub(lambda match: chr(_OUT_OF_THE_WAY + ord(match[1])), text)
    for pattern, replacement in _INLINE:
        text = pattern.sub(replacement, text)
    return html.unescape(text).translate(_BACK)
