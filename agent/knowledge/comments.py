"""Leaving out `<!-- comments -->`, in time proportional to the text whatever it holds."""

_BEGIN, _END = "<!--", "-->"


def without_comments(text: str) -> str:
    """`text` without its comments; one that does not end is kept."""
    kept: list[str] = []
    start = 0
    while (begin := text.find(_BEGIN, start)) >= 0 and (end := text.find(_END, begin)) >= 0:
        kept.append(text[start:begin])
        start = end + len(_END)
    return "".join(kept) + text[start:]
