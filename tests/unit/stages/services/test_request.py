"""What a service is asked for the last question of a conversation."""

from livekit.agents import llm

from agent.knowledge.retrieval import Retrieval
from agent.stages.evidence import left_open
from agent.stages.services.answerer import answer_request
from agent.stages.services.messages import (
    ANSWER_REQUEST,
    MAX_HISTORY_TURNS,
    AnswerRequest,
    PastTurn,
    decode,
    encode,
)


async def nothing() -> Retrieval:
    return Retrieval("", ())


def request(context: llm.ChatContext) -> AnswerRequest:
    """As it arrives at the service."""
    return decode(ANSWER_REQUEST, encode(answer_request(context, "en-US", "default")))


def test_the_question_is_told_apart_from_what_was_said_before() -> None:
    """Catches a question that comes twice, and passages that were left open and are sent."""
    context = llm.ChatContext.empty()
    context.add_message(role="system", content="You are kind.")
    context.add_message(role="user", content="How long?")
    context.add_message(role="assistant", content="Thirty days.")
    context.items.append(left_open(nothing))
    question = context.add_message(role="user", content="Who pays?")
    question.transcript_confidence = 0.2
    asked = request(context)
    assert asked.question == "Who pays?"
    assert asked.history == (PastTurn("user", "How long?"), PastTurn("assistant", "Thirty days."))
    assert asked.instructions == "You are kind."
    assert asked.unsure


def test_a_conversation_without_a_question_is_one_too() -> None:
    """Catches an assistant that speaks first and fails."""
    assert request(llm.ChatContext.empty()).question == ""


def test_a_long_conversation_still_fits() -> None:
    """Catches a request that every service refuses: the latest turns are told, as many as fit."""
    context = llm.ChatContext.empty()
    for _ in range(2 * MAX_HISTORY_TURNS):
        context.add_message(role="assistant", content="نعم " * 2_000)
    context.add_message(role="assistant", content="The last one.")
    context.add_message(role="user", content="س" * 10_000)
    asked = request(context)
    assert 5 < len(asked.history) < MAX_HISTORY_TURNS
    assert asked.history[-1].text == "The last one."
