"""Stages that do what a test tells them, at once, and a listener that remembers."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    APIConnectionError,
    APIConnectOptions,
    llm,
    tts,
)
from livekit.agents.voice.agent_session import SessionConnectOptions

from agent.job import AgentState, Source, Turn
from agent.knowledge.passages import Passage
from agent.knowledge.retrieval import Hit, Retrieval
from agent.stages.build import Stages

NO_RETRIES = APIConnectOptions(max_retry=0, retry_interval=0.0, timeout=5.0)


class ScriptedLLM(llm.LLM[Any]):
    """Gives these answers, one after the other, as soon as it may; None fails."""

    def __init__(self, answers: Iterable[str | None]) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.answers = list(answers)
        self.asked: list[llm.ChatContext] = []
        self.is_closed = False

    async def aclose(self) -> None:
        self.is_closed = True
        await super().aclose()

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> llm.LLMStream:
        self.asked.append(chat_ctx)
        return _Answer(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _Answer(llm.LLMStream):
    async def _run(self) -> None:
        assert isinstance(self._llm, ScriptedLLM)
        await self._llm.may_answer.wait()
        answer = self._llm.answers.pop(0)
        if answer is None:
            raise APIConnectionError("scripted")
        for word in answer.split():
            delta = llm.ChoiceDelta(role="assistant", content=f"{word} ")
            self._event_ch.send_nowait(llm.ChatChunk(id="answer", delta=delta))


class SilentTTS(tts.TTS[Any]):
    """Is there, and never asked, as no audio goes out."""

    def __init__(self) -> None:
        capabilities = tts.TTSCapabilities(streaming=False)
        super().__init__(capabilities=capabilities, sample_rate=24_000, num_channels=1)

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        raise NotImplementedError


def stages(model: ScriptedLLM) -> Stages:
    """Stages for typed turns."""
    options = SessionConnectOptions(llm_conn_options=NO_RETRIES)
    return Stages(stt=None, llm=model, tts=SilentTTS(), conn_options=options)


@dataclass
class ScriptedRetriever:
    """Finds one passage of this file for every question."""

    filename: str = "returns.md"
    closed: bool = False

    async def retrieve(self, query: str, context: str = "") -> Retrieval:
        passage = Passage(
            filename=self.filename,
            chunk_index=0,
            title="Returns",
            heading="",
            text="You have thirty days.",
        )
        return Retrieval(query, (Hit(passage, 0.9),), context=context)

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class Remembering:
    """A listener that writes down what it hears, in order."""

    turns: list[Turn] = field(default_factory=list)
    states: list[AgentState] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    cited: list[tuple[Source, ...]] = field(default_factory=list)
    failure: str = ""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def turn_ended(self, turn: Turn) -> None:
        self.turns.append(turn)
        self.events.append(turn.role)
        self.changed.set()

    def state_changed(self, state: AgentState) -> None:
        self.states.append(state)
        self.changed.set()

    def user_spoke(self, speaking: bool) -> None:
        pass

    def failed(self, error: str) -> None:
        self.failure = error
        self.changed.set()

    async def cite(self, question_id: str, sources: tuple[Source, ...]) -> None:
        self.cited.append(sources)
        self.events.append("sources")
        self.changed.set()
