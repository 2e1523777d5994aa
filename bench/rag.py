"""How well questions find their document: `make eval-rag`, or `python -m bench.rag`.

The questions are those of `tests/evaluation`, which were written before any tuning and are in no
language model. Ours stands beside plain BM25 in the same run: FTS5 with its Porter stemmer over the
same passages. hit@k: the right document is among the first k passages. MRR: the mean of one by the
rank of its first passage, among ten. Prints a table, and JSON with `--json`.
"""

import argparse
import json
import re
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from agent.knowledge import KnowledgeBase, Retrieval
from agent.knowledge.follow_up import context_of
from agent.knowledge.index import index_directory
from agent.knowledge.words import is_arabic

ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = ROOT / "tests" / "evaluation"
RANKS = 10
_WORD = re.compile(r"\w+")

_OTHER_COLLECTIONS = frozenset({"clinic", "library"})
_STYLES = {
    "typed": ("questions_en", "questions_ar", "unanswerable_en", "unanswerable_ar"),
    "held out": ("held_out",),
    "short": ("reported", "development", "blind"),
    "other collections": ("clinic", "library"),
    "misheard": ("heard_en", "heard_ar"),
    "follow-up": ("follow_ups",),
    "change of topic": ("questions_en", "questions_ar", "reported", "blind"),
}
"""The files of each. A change of topic: each question after an unrelated one, the one before it in
its file."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the evaluation."""

    query: str
    filename: str
    """Of the document that answers; empty where none does."""
    collection: str
    before: tuple[str, ...] = ()
    """The questions that were asked before it."""


Rank = Callable[[Asked], Sequence[str]]
"""The documents of the first passages, best first."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of the questions, 0..1."""

    hit_at_1: float
    hit_at_3: float
    mrr: float


def asked_in(name: str) -> Iterator[Asked]:
    """The questions of one file."""
    content: Any = json.loads((QUESTIONS / f"{name}.json").read_bytes())
    collection = name if name in _OTHER_COLLECTIONS else "default"
    if isinstance(content, dict):
        content = [*content["answerable"], *content["unanswerable"]]
    for entry in content:
        if isinstance(entry, str):
            yield Asked(entry, "", collection)
        else:
            query = str(entry.get("question") or entry["heard"])
            before = (str(entry["first"]),) if "first" in entry else ()
            yield Asked(query, str(entry.get("filename", "")), collection, before)


def figures(asked: Sequence[Asked], rank: Rank) -> Figures:
    """How `rank` does on questions that have an answer."""
    ranks = [_rank(rank(each), each.filename) for each in asked]
    return Figures(
        hit_at_1=_share(each == 1 for each in ranks),
        hit_at_3=_share(0 < each <= 3 for each in ranks),
        mrr=round(sum(1 / each for each in ranks if each) / len(ranks), 3),
    )


def _rank(found: Sequence[str], wanted: str) -> int:
    """From 1; 0 where it was not found."""
    return found.index(wanted) + 1 if wanted in found else 0


def _share(values: Iterator[bool]) -> float:
    known = list(values)
    return round(sum(known) / len(known), 3)


class Ours:
    """The knowledge bases of all collections."""

    def __init__(self, index_dir: Path, collections: Sequence[str]) -> None:
        self._bases = {name: KnowledgeBase.open(index_dir, name) for name in collections}

    def rank(self, asked: Asked) -> Sequence[str]:
        """As an agent would search."""
        return [hit.passage.filename for hit in self._search(asked).hits]

    def answers(self, asked: Asked) -> bool:
        """Whether it would answer, and not say that it found nothing."""
        return self._search(asked).answerable

    def _search(self, asked: Asked) -> Retrieval:
        context = context_of(asked.query, asked.before)
        return self._bases[asked.collection].search(asked.query, context, limit=RANKS)

    def close(self) -> None:
        """Close all."""
        for base in self._bases.values():
            base.close()


class PlainBm25:
    """FTS5 as it comes, over the passages of the same indexes."""

    def __init__(self, index_dir: Path, collections: Sequence[str]) -> None:
        self._tables = {name: _copy(index_dir / f"{name}.sqlite") for name in collections}

    def rank(self, asked: Asked) -> Sequence[str]:
        """By bm25 alone."""
        match = " OR ".join(f'"{word}"' for word in dict.fromkeys(_WORD.findall(asked.query)))
        rows = self._tables[asked.collection].execute(
            "SELECT filename FROM plain WHERE plain MATCH ? ORDER BY rank LIMIT ?", (match, RANKS)
        )
        return [filename for (filename,) in rows]


def _copy(index: Path) -> sqlite3.Connection:
    plain = sqlite3.connect(":memory:")
    plain.execute(
        "CREATE VIRTUAL TABLE plain USING fts5(filename UNINDEXED, text, tokenize = 'porter')"
    )
    with closing(sqlite3.connect(index)) as db:
        rows = db.execute(
            "SELECT filename, title || char(10) || heading || char(10) || text"
            " FROM passages JOIN documents ON documents.id = document"
        )
        plain.executemany("INSERT INTO plain VALUES (?, ?)", rows)
    return plain


def evaluate(index_dir: Path) -> list[dict[str, Any]]:
    """One row a style and language."""
    collections = ("default", *sorted(_OTHER_COLLECTIONS))
    ours, plain = Ours(index_dir, collections), PlainBm25(index_dir, collections)
    rows: list[dict[str, Any]] = []
    for style, names in _STYLES.items():
        every = [asked for name in names for asked in asked_in(name)]
        if style == "change of topic":
            every = [
                replace(asked, before=(other.query,))
                for other, asked in pairwise(every)
                if other.filename != asked.filename
            ]
        for language in ("en", "ar"):
            asked = [each for each in every if is_arabic(each.query) == (language == "ar")]
            answerable = [each for each in asked if each.filename]
            unanswerable = [each for each in asked if not each.filename]
            row = {
                "style": style,
                "language": language,
                "questions": len(answerable),
                "ours": asdict(figures(answerable, ours.rank)),
                "plain_bm25": asdict(figures(answerable, plain.rank)),
                "wrongly_refused": sum(not ours.answers(each) for each in answerable),
                "unanswerable": len(unanswerable),
                "refused": sum(not ours.answers(each) for each in unanswerable),
            }
            rows.append(row)
    ours.close()
    return rows


def table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """For a terminal."""
    yield f"{'':<22}{'':>4}   {'ours':^20}   {'plain BM25':^20}   {'refused':^16}"
    yield (
        f"{'style':<19}{'':<3}{'n':>4}   {'hit@1':>6} {'hit@3':>6} {'MRR':>6}"
        f"   {'hit@1':>6} {'hit@3':>6} {'MRR':>6}   {'rightly':>8} {'wrongly':>7}"
    )
    for row in rows:
        ours, plain = row["ours"], row["plain_bm25"]
        yield (
            f"{row['style']:<19}{row['language']:<3}{row['questions']:>4}   "
            + " ".join(f"{value:>6.3f}" for value in ours.values())
            + "   "
            + " ".join(f"{value:>6.3f}" for value in plain.values())
            + f"   {row['refused']:>5}/{row['unanswerable']:<2} {row['wrongly_refused']:>7}"
        )


def main() -> None:
    """Index, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON, and no table")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        index_dir = Path(folder)
        list(index_directory(ROOT / "documents", index_dir))
        list(index_directory(QUESTIONS / "collections", index_dir))
        rows = evaluate(index_dir)
    if given.json:
        print(json.dumps(rows, indent=2))
    else:
        sys.stdout.writelines(f"{line}\n" for line in table(rows))


if __name__ == "__main__":
    main()
