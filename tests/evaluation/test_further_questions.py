"""Short questions, as they come from callers: over the sample documents and two other collections.

`-rP` prints the figures. The least that is asked for lies some questions below what was reached.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel

from agent.knowledge import KnowledgeBase
from agent.knowledge.extract import extract
from agent.knowledge.words import Stemmer, normalise

HERE = Path(__file__).parent


class Question(BaseModel):
    """A question, the document that answers it, and what an answer must hold."""

    question: str
    filename: str
    says: str


class Questions(BaseModel):
    """One file of questions."""

    answerable: list[Question]
    unanswerable: list[str]


@dataclass(frozen=True, slots=True)
class Figures:
    """How many questions came out as they should."""

    answered: int
    """From the right document."""
    to_the_point: int
    """With an extract that holds what an answer must."""
    refused: int
    """Of those without an answer."""


def ask(base: KnowledgeBase, asked: Questions) -> Figures:
    stemmer = Stemmer()
    answered = to_the_point = 0
    for question in asked.answerable:
        retrieval = base.search(question.question)
        found = extract(retrieval, stemmer)
        if found is not None and found.passage.filename == question.filename:
            answered += 1
            said = normalise(" ".join(found.sentences))
            to_the_point += normalise(question.says) in said
    refused = sum(not base.search(query).answerable for query in asked.unanswerable)
    return Figures(answered, to_the_point, refused)


@pytest.mark.parametrize(
    ("name", "collection", "least"),
    [
        ("reported", "default", Figures(31, 28, 7)),
        ("development", "default", Figures(51, 44, 23)),
        ("clinic", "clinic", Figures(8, 6, 4)),
        ("blind", "default", Figures(51, 38, 27)),
        ("library", "library", Figures(5, 3, 4)),
    ],
)
def test_short_questions(base: KnowledgeBase, name: str, least: Figures) -> None:
    """Catches retrieval that refuses what the documents say, says what they do not, or answers
    from the wrong page or section; and tuning that serves one collection only."""
    asked = Questions.model_validate_json((HERE / f"{name}.json").read_bytes())
    figures = ask(base, asked)
    counts = {"answerable": len(asked.answerable), "unanswerable": len(asked.unanswerable)}
    sys.stdout.write(json.dumps({"questions": name} | counts | asdict(figures)) + "\n")
    assert figures.answered >= least.answered
    assert figures.to_the_point >= least.to_the_point
    assert figures.refused >= least.refused
