"""Asking for a person, and speaking of people."""

import json
from pathlib import Path

import pytest

from agent.stages.local.person_requests import asks_for_person

EVALUATION = Path(__file__).parents[3] / "evaluation"


@pytest.mark.parametrize(
    "text",
    [
        "I want to talk to a human",
        "Can I speak to someone, please?",
        "Let me speak with a real person.",
        "I'd like to talk to one of your employees",
        "Could you put me through to an operator?",
        "Please connect me with your manager",
        "transfer me to an agent",
        "I need a human",
        "Get me a representative!",
        "Human please",
        "agent",
        "أريد التحدث إلى موظف",
        "أريد أن أتكلم مع شخص",
        "ممكن أتكلم مع حد؟",
        "عايز أكلم موظف خدمة العملاء",
        "حوّلني إلى موظفة من فضلك",
        "أحتاج موظفًا",
        "هل يمكنني الحديث مع إنسان؟",
        "وصلني بمسؤول",
    ],
)
def test_asking_for_a_person(text: str) -> None:
    """Catches a caller who asks for a person and is read out a page instead."""
    assert asks_for_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "Who sees my data?",
        "How many people work in the shop?",
        "Do you talk to the courier about my parcel?",
        "Can somebody repair my lamp?",
        "What did the manager say in the newspaper?",
        "I want to talk about returns",
        "Does every person need an appointment?",
        "",
        "كم شخصًا يعمل في المتجر؟",
        "هل يستطيع أحد إصلاح المصباح؟",
        "أريد التحدث عن الإرجاع",
        "متى يتصل بي المندوب؟",
    ],
)
def test_speaking_of_people(text: str) -> None:
    """Catches a question about people that ends the conversation with the assistant."""
    assert not asks_for_person(text)


def test_no_question_of_the_evaluation_is_taken_for_it() -> None:
    """Catches a pattern that is wider than its examples."""
    for file in EVALUATION.glob("*.json"):
        for row in json.loads(file.read_text()):
            question = row.get("question", "") if isinstance(row, dict) else str(row)
            assert not asks_for_person(question), question
