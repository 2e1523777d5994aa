"""Questions that refer to the one before; see README.md. `-rP` prints figures."""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from agent.knowledge import KnowledgeBase, Retrieval
from agent.knowledge.extract import extract
from agent.knowledge.follow_up import context_of
from agent.knowledge.words import Stemmer, normalise

HERE = Path(__file__).parent


class Unanswerable(BaseModel):
    """A question, and the one before it."""

    first: str
    question: str


class Answerable(Unanswerable):
    """The same with the document that answers, and what an answer must hold."""

    filename: str
    says: str


class FollowUps(BaseModel):
    """The file of questions."""

    answerable: list[Answerable]
    unanswerable: list[Unanswerable]


def test_follow_ups(base: KnowledgeBase) -> None:
    """Catches a reference that is not understood, and a topic that makes nonsense answerable."""
    asked = FollowUps.model_validate_json((HERE / "follow_ups.json").read_bytes())

    def look_up(each: Unanswerable) -> Retrieval:
        return base.search(each.question, context_of(each.question, (each.first,)))

    found = [(each, extract(look_up(each), Stemmer())) for each in asked.answerable]
    right = [(each, e) for each, e in found if e and e.passage.filename == each.filename]
    to_the_point = sum(normalise(e.says) in normalise(" ".join(x.sentences)) for e, x in right)
    refused = sum(not look_up(each).answerable for each in asked.unanswerable)
    figures = {"follow_ups": len(asked.answerable), "answered": len(right)}
    figures |= {"to_the_point": to_the_point, "refused": refused}
    sys.stdout.write(json.dumps(figures) + "\n")
    assert len(right) >= 18
    assert to_the_point >= 12
    assert refused >= 7
