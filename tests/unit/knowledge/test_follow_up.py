"""Questions that refer to the one before: which they are, and what they are about."""

import pytest

from agent.knowledge.follow_up import context_of, leans_back


@pytest.mark.parametrize(
    "question",
    ["And how long does that take?", "What about glass?", "Is it free?", "To Kuwait?", "Why?",
     "وكم يستغرق ذلك؟", "وهل عليه فوائد؟", "كم تكلفته هناك؟", "لماذا؟"],
)  # fmt: skip
def test_questions_that_lean_back(question: str) -> None:
    """Catches a question that is looked up without what it is about."""
    assert leans_back(question)


@pytest.mark.parametrize(
    "question",
    ["How long is a gift card valid?", "Can I pay in instalments?", "Do you deliver to Oman?",
     "كم سنة تبقى بطاقة الهدية صالحة؟", "وصلني الزجاج مكسورا فماذا أفعل؟",
     "I don't like the lampshade I bought, how many days do I have to send it back?",
     "And can gold members send a brass lamp back after a month for nothing?",
     "Thank you.", "Thanks, that was great!", "Hello there", "شكرًا جزيلًا", "مع السلامة"],
)  # fmt: skip
def test_questions_that_stand_alone(question: str) -> None:
    """Catches a question that drags an old topic along."""
    assert not leans_back(question)


def test_context() -> None:
    """Catches a chain of references that is cut, that has no end, or that runs through thanks."""
    first, second, third = "Can you repair old lamps?", "What does it cost?", "And how long?"
    assert context_of(first, ()) == ""
    assert context_of(second, ("Hello!", first)) == first
    assert context_of(third, (first, second)) == f"{first} {second}"
    assert context_of("And that?", (first, "Thanks!", "Okay.")) == first
    assert context_of(first, (second,)) == ""
    many = tuple(f"And a lamp of {n} watts?" for n in range(20, 30))
    assert context_of("And that?", many) == " ".join(many[-3:])
