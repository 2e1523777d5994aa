"""The message that hands passages to a language model."""

from dataclasses import replace

from livekit.agents import llm

from agent.knowledge import Hit, Passage, Retrieval
from agent.knowledge.context import passages_message, retrieval_in

PASSAGE = Passage("returns.md", 0, "Returns", "Costs", "Returning is free.")
FOUND = Retrieval("is it free", (Hit(PASSAGE, 0.9),))
NOTHING = Retrieval("weather", ())


def test_a_model_is_told_where_from_and_to_be_honest() -> None:
    """Catches a prompt without passages, titles, or the leave not to know."""
    message = passages_message(FOUND)
    text = message.text_content or ""
    assert message.role == "system"
    for part in ("Returning is free.", "“Returns”", "“Costs”", "returns.md", "do not guess"):
        assert part in text
    assert "None of them matches" not in text


def test_a_model_is_told_that_there_is_nothing() -> None:
    """Catches a model left to invent where the search found nothing, or nothing good."""
    assert "nothing was found" in (passages_message(NOTHING).text_content or "")
    weak = Retrieval("is it free", (Hit(PASSAGE, 0.1),))
    assert "None of them matches" in (passages_message(weak).text_content or "")


def test_a_model_is_told_that_it_may_have_misheard() -> None:
    """Catches a confident answer to a question that nobody asked."""
    assert "misheard" not in (passages_message(FOUND).text_content or "")
    assert "misheard" in (passages_message(replace(FOUND, unsure=True)).text_content or "")


def test_the_last_retrieval_is_found() -> None:
    """Catches an answerer that reads the passages of an earlier question."""
    context = llm.ChatContext.empty()
    assert retrieval_in(context) is None
    context.insert(passages_message(NOTHING))
    context.add_message(role="user", content="weather?")
    context.insert(passages_message(FOUND))
    assert retrieval_in(context) is FOUND
    assert retrieval_in(context.copy()) is FOUND


def test_providers_do_not_send_the_retrieval() -> None:
    """Catches the object in `extra` reaching a vendor or failing to serialise."""
    context = llm.ChatContext.empty()
    context.insert(passages_message(FOUND))
    messages, _ = context.to_provider_format("openai", inject_dummy_user_message=False)
    assert [sorted(message) for message in messages] == [["content", "role"]]
    assert context.to_dict()["items"]
