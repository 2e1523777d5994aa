"""The assistant: what it is told to be, and how it looks into the documents before it answers."""

import asyncio
import logging
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Coroutine,
    Sequence,
)
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeVar

from livekit import rtc
from livekit.agents import Agent, APIError, FlushSentinel, ModelSettings, StopResponse, llm
from livekit.agents.voice.io import TimedString

from agent.filler import announced
from agent.job import Source
from agent.knowledge.context import passages_message
from agent.knowledge.errors import KnowledgeError
from agent.knowledge.follow_up import context_of
from agent.knowledge.retrieval import Retrieval
from agent.knowledge.speculation import Retriever, Speculation
from agent.memory import Memory
from agent.narration import Narration, narrate
from agent.stages.evidence import cited, left_open, may_be_misheard
from agent.stages.fallback.answers import looks_up_itself

CITE_TIMEOUT_S = 0.5
"""How long an answer's first sound waits for its sources to be sent."""
_REMEMBERED_QUESTIONS = 16
_LOOKED_BACK = 6
"""Turns of the user among which a question may find what it refers to."""

_log = logging.getLogger(__name__)


class NoDocuments:
    """Finds nothing, as there is nothing."""

    async def retrieve(self, query: str, context: str = "") -> Retrieval:
        """Nothing."""
        return Retrieval(query, (), context=context)

    async def aclose(self) -> None:
        """Nothing to close."""


Cite = Callable[[str, tuple[Source, ...]], Coroutine[None, None, None]]
"""Publishes what the answer to a question (its message's id) rests on; may be nothing."""

NewNarration = Callable[[], Narration]
"""Who is to hear of the answer that begins now."""

_Piece = llm.ChatChunk | str | FlushSentinel
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Filler:
    """What is said when an answer has not begun so long after the turn."""

    text: str
    after_s: float


@dataclass(slots=True)
class _Question:
    """A user's turn, as far as it has been looked up and answered."""

    sources: tuple[Source, ...] | None = None
    """None: it has not been looked up."""
    cited: asyncio.Task[None] | None = None
    committed: asyncio.Event = field(default_factory=asyncio.Event)
    announced: bool = False
    """The user was told that the answer takes a moment."""
    failed: bool = False
    """Nobody could answer it."""


class Assistant(Agent):
    """Answers from documents. What an answer rests on is published before it can be heard."""

    def __init__(
        self,
        *,
        instructions: str,
        chat_ctx: llm.ChatContext,
        retriever: Retriever,
        cite: Cite,
        memory: Memory,
        unanswered: Callable[[], None],
        overheard: Callable[[llm.ChatMessage], None] = lambda _: None,
        tools: Sequence[llm.Tool] = (),
        new_narration: NewNarration | None = None,
        filler: Filler | None = None,
    ) -> None:
        """`unanswered` is told of a turn of the user's that nobody could answer, `overheard` of one
        that was meant for somebody else."""
        super().__init__(instructions=instructions, chat_ctx=chat_ctx, tools=[*tools])
        self._unanswered = unanswered
        self._overheard = overheard
        self._filler = filler
        self._new_narration = new_narration
        self._memory = memory
        self.speculation = Speculation(retriever)
        """Looks questions up, also while they are still being said."""
        self._cite = cite
        self._questions: dict[str, _Question] = {}
        self.turn_settled = asyncio.Event()
        """Set when it is decided whether a turn is answered."""
        self.declines_turn = False
        """The next turn is not to be answered."""
        self.calls_tool = False
        """What the model says now is but the beginning of its answer: it has called a tool."""
        self.keeps_quiet = False
        """Somebody else talks with the user: nothing is answered."""

    def sources_of(self, question_id: str) -> tuple[Source, ...]:
        """What the answer to a question rests on, as far as that is known."""
        question = self._questions.get(question_id)
        return () if question is None else question.sources or ()

    def has_failed(self, question_id: str) -> bool:
        """Whether nobody could answer it."""
        question = self._questions.get(question_id)
        return question is not None and question.failed

    def hearing(self, text: str) -> None:
        """The user's turn so far, which may change: it is looked up meanwhile."""
        if self.keeps_quiet or looks_up_itself(self.session.llm):
            return
        self.speculation.hear(text, self._context_of(text, self.chat_ctx))

    def committed(self, question_id: str) -> None:
        """The question is part of the conversation now: its answer will be heard."""
        question = self._question(question_id)
        if question.failed and not question.committed.is_set():
            self._unanswered()
        question.committed.set()
        self._publish(question_id)

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        """A turn in which nothing was said, or that was taken back, is not answered."""
        declined, self.declines_turn = self.declines_turn, False
        self.turn_settled.set()
        if declined or not (new_message.text_content or "").strip():
            raise StopResponse
        if self.keeps_quiet:
            await self.overhear(new_message)
            raise StopResponse

    async def overhear(self, message: llm.ChatMessage) -> None:
        """A turn that was meant for somebody else: it is part of the conversation all the same."""
        chat_ctx = self.chat_ctx.copy()
        chat_ctx.items.append(message)
        await self.update_chat_ctx(chat_ctx)
        self._overheard(message)

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncIterator[llm.ChatChunk | str | FlushSentinel]:
        """Look up the question, then have it answered.

        Here and not in `on_user_turn_completed`, which would throw a preemptive answer away. Such
        an answer may never be heard, so its sources are published when it is about to be spoken.
        """
        if self.keeps_quiet:
            return
        self.calls_tool = False
        message = _last_question(chat_ctx)
        if message is None:
            async for chunk in Agent.default.llm_node(self, chat_ctx, tools, model_settings):
                yield chunk
            return
        question = self._question(message.id)
        if self.chat_ctx.get_by_id(message.id) is not None:
            question.committed.set()
        chunks = self._answer(message, chat_ctx, tools, model_settings)
        try:
            async with aclosing(chunks), aclosing(self._announced(chunks, question)) as pieces:
                async for piece in pieces:
                    self.calls_tool |= _calls(piece)
                    yield piece
        except APIError:
            if not question.failed:
                question.failed = True
                if question.committed.is_set():
                    self._unanswered()
            raise

    async def _answer(
        self,
        message: llm.ChatMessage,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        model_settings: ModelSettings,
    ) -> AsyncGenerator[_Piece, None]:
        if looks_up_itself(self.session.llm):
            evidence = left_open(lambda: self._retrieve(chat_ctx, message))
        else:
            retrieval = await self._retrieve(chat_ctx, message)
            self._rests_on(message.id, retrieval.sources)
            evidence = passages_message(retrieval)
        shown = self._without_fillers(self._memory.shown(chat_ctx))
        informed = _with_evidence(shown, message, evidence)
        told: tuple[Source, ...] | None = None
        async for chunk in Agent.default.llm_node(self, informed, tools, model_settings):
            if (sources := cited(chunk)) is not None:
                told = sources  # who has not said a word yet may be followed by another
                continue
            if told is not None and _is_answer(chunk):
                self._rests_on(message.id, told)
                told = None
            yield chunk

    def _rests_on(self, question_id: str, sources: tuple[Source, ...]) -> None:
        """What the answer rests on is known."""
        question = self._question(question_id)
        question.sources = sources
        if question.committed.is_set():
            self._publish(question_id)

    def _announced(
        self, chunks: AsyncGenerator[_Piece, None], question: _Question
    ) -> AsyncGenerator[_Piece, None]:
        if self._filler is None or question.announced:
            return chunks
        return announced(chunks, self._overdue(self._filler, question), is_answer=_is_answer)

    async def _overdue(self, filler: Filler, question: _Question) -> _Piece:
        """What to say when the answer is due, at that moment."""
        await question.committed.wait()
        await asyncio.sleep(filler.after_s)
        question.announced = True
        return f"{filler.text}\n"  # livekit-agents holds back what ends otherwise

    def _without_fillers(self, chat_ctx: llm.ChatContext) -> llm.ChatContext:
        """A model that sees them in its own answers begins to write them; changes a copy."""
        if self._filler is not None:
            for message in chat_ctx.messages():
                text = message.text_content or ""
                if message.role == "assistant" and text.startswith(self._filler.text):
                    rest = text.removeprefix(self._filler.text).strip()
                    at = chat_ctx.items.index(message)
                    chat_ctx.items[at] = message.model_copy(update={"content": [rest]})
        return chat_ctx

    async def tts_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncIterator[rtc.AudioFrame]:
        """Speak, once the sources are out."""
        await self._published()
        async for frame in self._speech(self._once_published(text), model_settings):
            yield frame

    def _speech(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncIterable[rtc.AudioFrame]:
        if self._new_narration is None:
            return Agent.default.tts_node(self, text, model_settings)
        options = self.session.conn_options.tts_conn_options
        return narrate(text, self.session.tts, self._new_narration(), conn_options=options)

    async def transcription_node(
        self, text: AsyncIterable[str | TimedString], model_settings: ModelSettings
    ) -> AsyncIterator[str | TimedString]:
        """Show the answer, once the sources are out: there may be no audio."""
        await self._published()
        text = self._once_published(text)
        async for piece in Agent.default.transcription_node(self, text, model_settings):
            yield piece

    async def _once_published(self, text: AsyncIterable[_T]) -> AsyncIterator[_T]:
        """The answer; the sources may be known with its first word only."""
        published = False
        async for piece in text:
            published = published or await self._published()
            yield piece

    async def _retrieve(self, chat_ctx: llm.ChatContext, question: llm.ChatMessage) -> Retrieval:
        began = time.monotonic()
        text = question.text_content or ""
        context = self._context_of(text, chat_ctx, before=question.id)
        try:
            found = await self.speculation.retrieve(text, context)
            return replace(found, unsure=may_be_misheard(question))
        except KnowledgeError as error:
            # without documents the answer is an honest "I do not know"
            _log.error("retrieval failed", extra={"error": type(error).__name__})
            return Retrieval(text, ())
        finally:
            took_ms = round((time.monotonic() - began) * 1000, 1)
            _log.debug("retrieved", extra={"took_ms": took_ms})

    def _context_of(self, text: str, chat_ctx: llm.ChatContext, *, before: str = "") -> str:
        asked = self._memory.questions(chat_ctx, before=before)
        return context_of(text, asked[-_LOOKED_BACK:])

    def _question(self, question_id: str) -> _Question:
        """What is known of a question; the oldest ones are forgotten."""
        question = self._questions.pop(question_id, None) or _Question()
        self._questions[question_id] = question
        while len(self._questions) > _REMEMBERED_QUESTIONS:
            del self._questions[next(iter(self._questions))]
        return question

    def _publish(self, question_id: str) -> asyncio.Task[None] | None:
        question = self._questions.get(question_id)
        if question is None or question.sources is None:
            return None
        if question.cited is None:
            question.cited = asyncio.create_task(
                self._cite(question_id, question.sources), name="cite"
            )
        return question.cited

    async def _published(self) -> bool:
        """Wait until the sources are out, if they are known; whether they are."""
        question = _last_question(self.chat_ctx)
        task = None if question is None else self._publish(question.id)
        if task is not None and not task.done():
            await asyncio.wait({task}, timeout=CITE_TIMEOUT_S)
        return task is not None


def _last_question(chat_ctx: llm.ChatContext) -> llm.ChatMessage | None:
    """The user's turn that is to be answered now."""
    return next((m for m in reversed(chat_ctx.messages()) if m.role == "user"), None)


def _calls(piece: _Piece) -> bool:
    return isinstance(piece, llm.ChatChunk) and bool(piece.delta and piece.delta.tool_calls)


def _is_answer(piece: _Piece) -> bool:
    """Whether something can be heard of it, or is done for it."""
    return piece.has_response() if isinstance(piece, llm.ChatChunk) else bool(piece)


def _with_evidence(
    chat_ctx: llm.ChatContext, question: llm.ChatMessage, evidence: llm.ChatMessage
) -> llm.ChatContext:
    """A copy in which the passages, or what stands for them, come before the question."""
    copy = chat_ctx.copy()
    at = next(i for i, item in enumerate(copy.items) if item.id == question.id)
    copy.items.insert(at, evidence)
    return copy
