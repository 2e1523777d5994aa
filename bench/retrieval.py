"""How long a search takes at 10,000 passages: `python -m bench.retrieval`.

The collection is the sample documents and made-up ones, whose words are as unevenly frequent as
those of a natural text. The floor of the same run is FTS5's own BM25 over the same stems, query by
query in turn: four rows, no judgement. Prints JSON.
"""

import argparse
import json
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from itertools import accumulate
from pathlib import Path

from agent.knowledge import KnowledgeBase
from agent.knowledge.index import CollectionReport, index_directory
from agent.knowledge.words import Stemmer, words

ROOT = Path(__file__).resolve().parent.parent
VOCABULARY = 30_000
WORDS_A_PASSAGE = 100
PASSAGES_A_DOCUMENT = 20
SYLLABLES = ("ba", "cor", "del", "fi", "gan", "lo", "mer", "nu", "pas", "ri", "sto", "tel", "ven")
ARABIC_SYLLABLES = ("با", "كر", "دل", "في", "جن", "لو", "مر", "نو", "بس", "ري", "ست", "تل", "ون")


def made_up_words(rng: random.Random, sample: Sequence[str]) -> list[str]:
    """A vocabulary, most frequent word first: the sample's, then inventions in both scripts."""
    known = list(dict.fromkeys(sample))
    rng.shuffle(known)
    made = set(known)
    while len(known) < VOCABULARY:
        syllables = rng.choice((SYLLABLES, ARABIC_SYLLABLES))
        word = "".join(rng.choices(syllables, k=rng.randint(2, 5)))
        if word not in made:
            made.add(word)
            known.append(word)
    return known


def write_documents(directory: Path, passages: int, rng: random.Random) -> None:
    """Sample documents, and made-up ones until there are about `passages` passages."""
    sample: list[str] = []
    for path in sorted((ROOT / "documents" / "default").rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        sample += words(text)
        target = directory / path.parent.name / path.name
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, encoding="utf-8")
    vocabulary = made_up_words(rng, sample)
    frequency = list(accumulate(1 / (rank + 3) for rank in range(len(vocabulary))))
    for number in range(passages // PASSAGES_A_DOCUMENT):
        sections = (
            f"## Section {section}\n"
            + " ".join(rng.choices(vocabulary, cum_weights=frequency, k=WORDS_A_PASSAGE))
            for section in range(PASSAGES_A_DOCUMENT)
        )
        content = f"# Document {number}\n" + "\n\n".join(sections)
        (directory / f"made-up-{number}.md").write_text(content, encoding="utf-8")


def queries() -> list[str]:
    """All evaluation questions: typed and misheard, with and without an answer."""
    folder = ROOT / "tests" / "evaluation"
    found: list[str] = []
    for path in sorted(folder.glob("questions_*.json")):
        found += [entry["question"] for entry in json.loads(path.read_bytes())]
    for path in sorted(folder.glob("heard_*.json")):
        found += [entry["heard"] for entry in json.loads(path.read_bytes())]
    for path in sorted(folder.glob("unanswerable_*.json")):
        found += json.loads(path.read_bytes())
    return found


def plain_bm25(db: sqlite3.Connection, stemmer: Stemmer, query: str) -> None:
    """Four passages by FTS5's rank alone."""
    match = " OR ".join(f'"{stem}"' for stem in dict.fromkeys(stemmer.stems(query)))
    db.execute(
        "SELECT passages.text FROM stems JOIN passages ON passages.id = stems.rowid"
        " WHERE stems MATCH ? ORDER BY rank LIMIT 4",
        (match,),
    ).fetchall()


def seconds(call: Callable[[], object]) -> float:
    """How long `call` takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def figures(taken: Sequence[float]) -> dict[str, float]:
    """Percentiles in milliseconds."""
    cuts = statistics.quantiles(taken, n=100)
    return {
        "n": len(taken),
        "p50_ms": round(cuts[49] * 1000, 2),
        "p95_ms": round(cuts[94] * 1000, 2),
        "p99_ms": round(cuts[98] * 1000, 2),
        "max_ms": round(max(taken) * 1000, 2),
    }


def measure(index_dir: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each search, and of each plain query, after one round to warm up."""
    ours: list[float] = []
    plain: list[float] = []
    stemmer = Stemmer()
    base = KnowledgeBase.open(index_dir, "bench")
    with closing(sqlite3.connect(index_dir / "bench.sqlite")) as db:
        for number in range(rounds + 1):
            for query in queries():
                took = seconds(partial(base.search, query))
                floor = seconds(partial(plain_bm25, db, stemmer, query))
                if number:
                    ours.append(took)
                    plain.append(floor)
    base.close()
    return ours, plain


def main() -> None:
    """Build the collection, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        documents, index_dir = Path(folder, "documents"), Path(folder, "index")
        (documents / "bench").mkdir(parents=True)
        write_documents(documents / "bench", given.passages, random.Random(1))  # noqa: S311 — no secret
        start = time.perf_counter()
        (report,) = index_directory(documents, index_dir)
        indexing_s = time.perf_counter() - start
        assert isinstance(report, CollectionReport)
        again_s = seconds(lambda: list(index_directory(documents, index_dir)))
        ours, plain = measure(index_dir, given.rounds)
        size = (index_dir / "bench.sqlite").stat().st_size
    result = {
        "passages": report.passages,
        "index_bytes": size,
        "indexing_s": round(indexing_s, 2),
        "indexing_unchanged_s": round(again_s, 2),
        "search": figures(ours),
        "plain_bm25": figures(plain),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
