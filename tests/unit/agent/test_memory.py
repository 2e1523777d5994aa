"""What a model is shown of a long conversation: the latest turns, and a summary of the rest."""

import asyncio

from livekit.agents import llm

from agent.memory import Memory
from tests.unit.agent.scripted import ScriptedLLM


def conversation_of(messages: int) -> llm.ChatContext:
    """Instructions, and so many messages, the last one the user's."""
    context = llm.ChatContext.empty()
    context.add_message(role="system", content="Be kind.", created_at=0.0)
    for number in range(messages):
        from_user = (messages - number) % 2 == 1
        context.add_message(
            role="user" if from_user else "assistant",
            content=f"m{number}",
            created_at=float(number + 1),
        )
    return context


def texts(context: llm.ChatContext) -> list[str]:
    return [message.text_content or "" for message in context.messages()]


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_the_latest_turns_are_shown() -> None:
    """Catches a context that grows with the call, or loses the instructions or the question."""
    memory = Memory(None, turns=4)
    assert texts(memory.shown(conversation_of(9))) == ["Be kind.", "m4", "m5", "m6", "m7", "m8"]
    assert texts(memory.shown(conversation_of(3))) == ["Be kind.", "m0", "m1", "m2"]
    assert texts(Memory(None, turns=0).shown(conversation_of(3))) == ["Be kind.", "m2"]


async def test_a_summary_takes_the_place_of_what_is_hidden() -> None:
    """Catches turns that are forgotten although a model could have noted them, noted twice, or
    shown and noted at the same time."""
    model = ScriptedLLM(["Jane wants a lamp.", "Jane has bought it."])
    memory = Memory(model, turns=8)
    context = conversation_of(8)
    memory.follow(context)
    await settle()
    assert memory.summary == "Jane wants a lamp."
    assert "m0" in texts(model.asked[0])[1]
    assert "m4" not in texts(model.asked[0])[1]
    assert "Jane" not in "".join(texts(memory.shown(context)))

    memory.follow(context)
    assert len(model.asked) == 1

    longer = conversation_of(13)
    for old, new in zip(longer.items, context.items, strict=False):
        old.id = new.id
    shown = texts(memory.shown(longer))
    assert shown[:2] == [
        "Be kind.",
        "What was said earlier in this conversation, in short: Jane wants a lamp.",
    ]
    assert shown[2:] == [f"m{n}" for n in range(4, 13)]
    memory.follow(longer)
    await settle()
    assert texts(model.asked[1])[1].startswith("Notes so far: Jane wants a lamp.")
    assert "m3" not in texts(model.asked[1])[1]
    assert memory.summary == "Jane has bought it."
    await memory.aclose()


async def test_a_model_that_fails() -> None:
    """Catches a failed summary that ends the conversation, or is never tried again."""
    model = ScriptedLLM([None, "Noted."])
    memory = Memory(model, turns=4)
    memory.follow(conversation_of(7))
    await settle()
    assert memory.summary == ""
    memory.follow(conversation_of(7))
    await settle()
    assert memory.summary == "Noted."
    await memory.aclose()


def test_the_questions_that_are_remembered() -> None:
    """Catches a question that is found again among those before it, or one that is forgotten."""
    context = conversation_of(7)
    last = context.messages()[-1].id
    assert Memory(None, turns=4).questions(context) == ["m4", "m6"]
    assert Memory(None, turns=4).questions(context, before=last) == ["m2", "m4"]
    assert Memory(None, turns=0).questions(context) == []
