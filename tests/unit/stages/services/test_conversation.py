"""A conversation whose answers come from a service: what is looked up where, and what is cited."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from livekit.agents import llm
from livekit.agents.utils import http_context

from agent.conversation import Conversation
from agent.job import Job, Source
from agent.knowledge.retrieval import Retrieval
from agent.settings import AgentSettings
from agent.stages.breaker import Breaker
from agent.stages.fallback.answers import AnswerChain
from agent.stages.fallback.chain import Chain, Link, Patience
from agent.stages.local.answerer import ExtractiveAnswerer
from agent.stages.services.answerer import ServiceLLM
from agent.stages.services.messages import (
    AnswerDone,
    AnswerSentence,
    AnswerSources,
    ErrorCode,
    failure,
)
from tests.unit.agent.scripted import Remembering, ScriptedLLM, ScriptedRetriever, stages
from tests.unit.stages.services.standins import answers, lines

THERE = Source("there.md", 2, 0.75, "Thirty days.")
ANSWER = lines(AnswerSources((THERE,)), AnswerSentence("Thirty days. "), AnswerDone("theirs"))


@dataclass
class Counting(ScriptedRetriever):
    """A retriever that counts how often it is asked."""

    asked: int = 0

    async def retrieve(self, query: str, context: str = "") -> Retrieval:
        self.asked += 1
        return await super().retrieve(query, context)


@asynccontextmanager
async def conversation(url: str) -> AsyncIterator[tuple[Conversation, Remembering, Counting]]:
    """Answers come from the service, and from the documents here when it fails."""
    links: list[Link[llm.LLM[Any]]] = [
        Link("services", ServiceLLM(url, language="en-US", collection="default"), Breaker()),
        Link("local", ExtractiveAnswerer(language="en-US"), Breaker()),
    ]
    chain = AnswerChain(Chain("answers", links, Patience(5, 5)), begin_again="Again: ")
    job = Job(
        session_id="session_a",
        fence=1,
        user_identity="user",
        user_name="User",
        language="en-US",
        voice="",
        opening_line="",
        knowledge_base="default",
    )
    heard, retriever = Remembering(), Counting()
    made = replace(stages(ScriptedLLM([])), llm=chain)
    async with http_context.open():
        talk = Conversation(job, AgentSettings(), made, retriever, heard)
        await talk.start()
        try:
            yield talk, heard, retriever
        finally:
            await talk.aclose()
            await made.aclose()


async def until(heard: Remembering, look: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not look():
            heard.changed.clear()
            await heard.changed.wait()


async def test_the_sources_of_the_service_are_cited_before_its_answer() -> None:
    """Catches sources that do not reach the client, and retrieval here in vain."""
    async with answers(ANSWER) as url, conversation(url) as (talk, heard, retriever):
        talk.type("How long?")
        await until(heard, lambda: len(heard.turns) == 2)
        assert heard.cited == [(THERE,)]
        assert heard.turns[1].text == "Thirty days."
        assert heard.turns[1].sources == (THERE,)
        assert heard.events.index("sources") < heard.events.index("assistant")
        assert retriever.asked == 0


async def test_who_takes_over_from_the_service_looks_up_here() -> None:
    """Catches a fallback that knows no documents, and sources of an answer that nobody heard."""
    broken = lines(AnswerSources((THERE,)), failure(ErrorCode.STAGE_FAILED, "broken"))
    async with answers(broken) as url, conversation(url) as (talk, heard, retriever):
        talk.type("How many days do I have for returns?")
        await until(heard, lambda: len(heard.turns) == 2)
        assert [source.filename for source in heard.turns[1].sources] == ["returns.md"]
        assert [[source.filename for source in cited] for cited in heard.cited] == [["returns.md"]]
        assert retriever.asked == 1


async def test_an_answer_that_rests_on_nothing_cites_nothing() -> None:
    """Catches a client that waits for sources."""
    nothing = lines(AnswerSources(()), AnswerSentence("I do not know. "), AnswerDone())
    async with answers(nothing) as url, conversation(url) as (talk, heard, _):
        talk.type("What is the capital of Mongolia?")
        await until(heard, lambda: len(heard.turns) == 2)
        assert heard.cited == [()]
