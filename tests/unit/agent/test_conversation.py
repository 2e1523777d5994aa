"""A conversation without any room, as the gateway will hold it: typed turns, scripted stages."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from livekit.agents import UserInputTranscribedEvent

from agent.conversation import MAX_FAILED_ANSWERS, Conversation, turn_handling
from agent.job import AgentState, Job, Role, Turn
from agent.knowledge.context import retrieval_in
from agent.knowledge.speculation import Origin
from agent.phrases import phrases
from agent.settings import AgentSettings
from tests.unit.agent.scripted import Remembering, ScriptedLLM, ScriptedRetriever, stages

ENGLISH = phrases("en-US")


def settings(**fields: object) -> AgentSettings:
    return AgentSettings(_env_file=None, **fields)  # type: ignore[call-arg,arg-type] # pydantic's


@asynccontextmanager
async def conversation(
    model: ScriptedLLM,
    *,
    attempt: int = 0,
    history: tuple[Turn, ...] = (),
    kept: int = 10,
    **fields: object,
) -> AsyncIterator[tuple[Conversation, Remembering]]:
    job = Job(
        session_id="session_a",
        fence=1,
        user_identity="user",
        user_name="User",
        language="en-US",
        voice="Ashley",
        opening_line="Hello!",
        knowledge_base="default",
        metadata={"plan": "gold"},
        history=history,
        attempt=attempt,
    )
    heard = Remembering()
    talk = Conversation(
        job, settings(max_session_history=kept, **fields), stages(model), ScriptedRetriever(), heard
    )
    await talk.start()
    try:
        yield talk, heard
    finally:
        await talk.aclose()


async def until(heard: Remembering, look: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not look():
            heard.changed.clear()
            await heard.changed.wait()


async def until_turns(heard: Remembering, count: int) -> None:
    await until(heard, lambda: len(heard.turns) >= count)


async def test_opening() -> None:
    """Catches a user who is not greeted, or whose greeting is missing in the history."""
    async with conversation(ScriptedLLM([])) as (talk, heard):
        talk.open()
        await until(heard, lambda: heard.turns)
        assert [(turn.role, turn.text) for turn in talk.history] == [(Role.ASSISTANT, "Hello!")]


async def test_taking_over() -> None:
    """Catches a greeting in the middle of a conversation, and one that forgets its beginning."""
    past = (Turn(Role.USER, "Hi", at=1.0), Turn(Role.ASSISTANT, "Yes?", at=2.0, interrupted=True))
    model = ScriptedLLM(["Thirty days."])
    async with conversation(model, attempt=1, history=past) as (talk, heard):
        talk.open()
        await until(heard, lambda: heard.turns)
        assert heard.turns[0].text == ENGLISH.recovered
        talk.type("How long?")
        await until(heard, lambda: len(heard.turns) == 3)
        said = [(m.role, m.text_content) for m in model.asked[0].messages()]
    assert said[1:4] == [("user", "Hi"), ("assistant", "Yes?"), ("assistant", ENGLISH.recovered)]


async def test_its_stages_end_with_it() -> None:
    """Catches connections to vendors that outlive the conversation, one pool for each."""
    model = ScriptedLLM([])
    async with conversation(model):
        assert not model.is_closed
    assert model.is_closed


async def test_passages_stand_before_the_question() -> None:
    """Catches a model that answers without the documents, or takes them for the question."""
    model = ScriptedLLM(["Thirty days."])
    async with conversation(model) as (talk, heard):
        talk.type("How long?")
        await until(heard, lambda: len(heard.turns) == 2)
        messages = model.asked[0].messages()
        kept = [m.role for m in talk.session.history.messages()]
    assert [m.role for m in messages] == ["system", "system", "user"]
    assert messages[-1].text_content == "How long?"
    assert retrieval_in(model.asked[0]) is not None
    assert '{"plan": "gold"}' in (messages[0].text_content or "")
    assert "system" not in kept


async def test_sources_come_before_the_answer_and_stay_with_it() -> None:
    """Catches citations of another answer, or none."""
    async with conversation(ScriptedLLM(["Thirty days."])) as (talk, heard):
        talk.type("How long?")
        await until(heard, lambda: len(heard.turns) == 2)
    assert heard.events.index("sources") < heard.events.index(Role.ASSISTANT)
    assert [source.filename for source in heard.cited[0]] == ["returns.md"]
    question, answer = heard.turns
    assert question.sources == ()
    assert answer.sources == heard.cited[0]


async def test_each_question_is_cited_once() -> None:
    """Catches sources that are shown twice for one answer."""
    async with conversation(ScriptedLLM(["One.", "Two."])) as (talk, heard):
        for number in (1, 2):
            talk.type(f"Question {number}")
            await until_turns(heard, 2 * number)
    assert len(heard.cited) == 2


async def test_an_answer_that_fails() -> None:
    """Catches silence where a model fails, and a call that is over for one failure."""
    async with conversation(ScriptedLLM([None, "Better."])) as (talk, heard):
        talk.type("One")
        await until(heard, lambda: "listening" in heard.states[-1:] and len(heard.turns) == 1)
        talk.type("Two")
        await until(heard, lambda: any(turn.text == "Better." for turn in heard.turns))
    assert heard.failure == ""


async def test_giving_up() -> None:
    """Catches a call that goes on for ever with a model that does not answer."""
    async with conversation(ScriptedLLM([None] * MAX_FAILED_ANSWERS)) as (talk, heard):
        for number in range(MAX_FAILED_ANSWERS):
            talk.type(f"Question {number}")
            await until_turns(heard, number + 1)
        await until(heard, lambda: heard.failure)
    assert heard.failure == "llm_error"


async def test_an_answer_that_takes_long() -> None:
    """Catches silence, and a model that learns to announce its answers from its own history."""
    model = ScriptedLLM(["Thirty days.", "Ten."])
    model.may_answer.clear()
    async with conversation(model, filler_seconds=0.01) as (talk, heard):
        talk.type("How long?")
        await until(heard, lambda: AgentState.SPEAKING in heard.states)
        model.may_answer.set()
        await until_turns(heard, 2)
        assert heard.turns[1].text == f"{ENGLISH.one_moment}\nThirty days."
        talk.type("And now?")
        await until_turns(heard, 4)
    said = [(m.role, m.text_content) for m in model.asked[1].messages()]
    assert ("assistant", "Thirty days.") in said


async def test_giving_up_though_answers_were_announced() -> None:
    """Catches a model that never answers and is taken for one that did, as something was said."""
    model = ScriptedLLM([None] * MAX_FAILED_ANSWERS)
    async with conversation(model, filler_seconds=0.01) as (talk, heard):
        for number in range(1, MAX_FAILED_ANSWERS + 1):
            model.may_answer.clear()
            heard.states.clear()
            talk.type(f"Question {number}")
            await until(heard, lambda: AgentState.SPEAKING in heard.states)
            model.may_answer.set()
            await until_turns(heard, 2 * number - (number == MAX_FAILED_ANSWERS))
        await until(heard, lambda: heard.failure)
    assert heard.failure == "llm_error"


async def test_blank_and_endless_input() -> None:
    """Catches an answer to nothing, and a turn without bound."""
    model = ScriptedLLM(["Yes."])
    async with conversation(model) as (talk, heard):
        talk.type("  \n ")
        talk.type("x" * 100_000)
        await until(heard, lambda: len(heard.turns) == 2)
    assert len(heard.turns[0].text) == 4000
    assert len(model.asked) == 1


async def test_history_is_bounded() -> None:
    """Catches a history that grows with the call."""
    async with conversation(ScriptedLLM(["A.", "B."]), kept=1) as (talk, heard):
        for number in (1, 2):
            talk.type(f"Question {number}")
            await until_turns(heard, 2 * number)
        assert [turn.text for turn in talk.history] == ["Question 2", "B."]


def test_how_turns_end() -> None:
    """Catches a cloud model chosen by default, and a silence limit that limits nothing."""
    assert turn_handling(settings(turn_detection="vad"), hears=True)["turn_detection"] == "vad"
    assert turn_handling(settings(), hears=False)["turn_detection"] == "manual"
    short = turn_handling(settings(turn_detection="vad", silence_duration_seconds=0.2), hears=True)
    assert short["endpointing"] == {"min_delay": 0.2, "max_delay": 0.2}


async def test_interim_words_are_looked_up_before_the_turn_is_over() -> None:
    """Catches retrieval that begins only when the user has finished."""
    async with conversation(ScriptedLLM(["Thirty days."])) as (talk, heard):
        for transcript, is_final in (
            ("how", False),
            ("how many days", True),
            ("for a lamp", False),
        ):
            event = UserInputTranscribedEvent(transcript=transcript, is_final=is_final)
            talk.session.emit("user_input_transcribed", event)
        await asyncio.sleep(0)
        talk.type("How many days for a lamp?")
        await until_turns(heard, 2)
        (lookup,) = talk.speculation.lookups
    assert lookup.origin is not Origin.FRESH


async def test_what_was_opened_is_closed() -> None:
    """Catches a thread and an open index that each conversation leaves behind."""
    async with conversation(ScriptedLLM([])) as (talk, _):
        retriever = talk.speculation._retriever
    assert isinstance(retriever, ScriptedRetriever)
    assert retriever.closed


async def test_a_question_that_refers_to_the_one_before() -> None:
    """Catches a follow-up that is looked up alone."""
    model = ScriptedLLM(["Yes.", "Ten days."])
    async with conversation(model) as (talk, heard):
        for number, question in enumerate(("Can you repair lamps?", "And how long does it take?")):
            talk.type(question)
            await until_turns(heard, 2 * (number + 1))
    asked = retrieval_in(model.asked[1])
    assert asked is not None
    assert asked.context == "Can you repair lamps?"
