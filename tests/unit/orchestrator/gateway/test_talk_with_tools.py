"""An answer behind a door for which a tool was called: one answer, in several steps."""

import pytest
from livekit.agents.voice.agent_session import SessionConnectOptions

from agent.assistants.description import HttpTool
from agent.job import Brief, Job
from agent.stages.build import Stages
from orchestrator.gateway.dialect import (
    AnswerBegan,
    AnswerEnded,
    Audio,
    AudioEnded,
    Sentence,
    TextEnded,
    TypeText,
)
from orchestrator.gateway.dialects.conversation import DOOR as CONVERSATION
from orchestrator.gateway.dialects.orchestrate import DOOR as ORCHESTRATE
from orchestrator.gateway.inline import InlineExecutor
from orchestrator.gateway.talk import Talk
from orchestrator.settings import Settings
from tests.unit.agent.scripted import NO_RETRIES, ScriptedRetriever
from tests.unit.agent.test_tools_in_conversation import Model, Step, calling
from tests.unit.orchestrator.gateway.test_talk import AUDIO, Told, ToneTTS

NOBODY_THERE = HttpTool(
    kind="http", name="order", description="Where it is.", url="http://127.0.0.1:9/"
)
QUESTION = "Where is my order?"
ANSWER = "It is on the road."


async def told_of(*steps: Step, door: object = CONVERSATION, streams: bool = True) -> Told:
    """All that happened until the question was answered."""
    told = Told()
    options = SessionConnectOptions(llm_conn_options=NO_RETRIES, tts_conn_options=NO_RETRIES)
    stages = Stages(stt=None, llm=Model(steps), tts=ToneTTS(), conn_options=options)
    brief = Brief(tools=(NOBODY_THERE,))
    talk = Talk(
        Job("conversation_a", 1, "user", "User", "en-US", "Ashley", "", "default", brief=brief),
        Settings(_env_file=None, enable_sentence_streaming=streams),  # type: ignore[call-arg] # pydantic's
        ORCHESTRATE if door is ORCHESTRATE else CONVERSATION,
        AUDIO,
        told.tell,
        told.turn_ended,
        detector_executor=InlineExecutor(),
        prepare=lambda *_: (stages, ScriptedRetriever()),
    )
    async with talk.held():
        talk.do(TypeText(QUESTION))
        await told.until(lambda: told.of(AnswerEnded) or told.of(TextEnded))
        if door is CONVERSATION:
            await told.answers(1)
        else:
            await told.until(lambda: any(audio.is_last for audio in told.of(Audio)))
    return told


@pytest.mark.parametrize("door", [CONVERSATION, ORCHESTRATE], ids=["conversation", "orchestrate"])
@pytest.mark.parametrize("begun", [(), ("Let me look.",)], ids=["at once", "with a word before"])
async def test_an_answer_after_a_tool(door: object, begun: tuple[str, ...]) -> None:
    """Catches an answer that is lost, or over too soon, as a tool was called before it."""
    call = calling("order")
    told = await told_of((begun[0], call) if begun else call, ANSWER, door=door)
    spoken = [*begun, ANSWER]
    assert [sentence.text.strip() for sentence in told.of(Sentence)] == spoken
    assert [sentence.index for sentence in told.of(Sentence)] == list(range(len(spoken)))
    chunks = [(chunk.sentence_index, chunk.is_last) for chunk in told.of(Audio)]
    assert chunks == [(at, at == len(spoken) - 1) for at in range(len(spoken))]
    assert (len(told.of(TextEnded)), told.of(AudioEnded)) == (1, [])
    assert len(told.of(AnswerBegan)) == 1
    if door is CONVERSATION:
        assert told.events[-1] == AnswerEnded()
        assert [turn.text for turn in told.turns] == [QUESTION, *spoken]


async def test_the_whole_text_comes_before_any_audio() -> None:
    """Catches audio of a first step where a client wants all of the text before."""
    told = await told_of(("Let me look.", calling("order")), ANSWER, streams=False)
    kinds = [type(event) for event in told.events]
    assert kinds.index(TextEnded) < kinds.index(Audio)
    assert [chunk.is_last for chunk in told.of(Audio)] == [True]
