"""Answers from one language model, or from the next when it fails."""

from collections.abc import AsyncIterable
from dataclasses import replace
from typing import Any, Never

from livekit.agents import APIError, llm
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)

from agent.stages.evidence import cites, looked_up
from agent.stages.fallback.chain import Chain, Link, in_time
from agent.stages.local.answerer import ExtractiveAnswerer
from agent.stages.services.answerer import ServiceLLM

_LLM = llm.LLM[Any]
_SPEAK_FOR_DOCUMENTS = (ExtractiveAnswerer, ServiceLLM)
"""They answer questions, and write nothing else."""


def writer_of(answerer: _LLM) -> _LLM | None:
    """The language model that writes other texts than answers; None: there is none.

    It is asked without the rest of its chain, as nobody waits for such a text.
    """
    links = answerer.chain.links if isinstance(answerer, AnswerChain) else ()
    models = [link.stage for link in links] or [answerer]
    return next((model for model in models if not isinstance(model, _SPEAK_FOR_DOCUMENTS)), None)


def looks_up_itself(answerer: object) -> bool:
    """Whether somebody in the chain may answer who looks the documents up itself.

    The passages are then left open (`agent.stages.evidence`), for those in it who do not.
    """
    links = answerer.chain.links if isinstance(answerer, AnswerChain) else ()
    return any(isinstance(link.stage, ServiceLLM) for link in links)


def needs_passages(answerer: object) -> bool:
    """Whether somebody in the chain answers from what is looked up here."""
    links = answerer.chain.links if isinstance(answerer, AnswerChain) else ()
    return not links or not all(isinstance(link.stage, ServiceLLM) for link in links)


class AnswerChain(llm.LLM[Never]):
    """Answers by the first provider that does.

    One that breaks off after its first word is heard to begin again: `begin_again` is said, and the
    next one gives the whole answer. Whoever has called a tool has answered.
    """

    def __init__(self, chain: Chain[_LLM], *, begin_again: str) -> None:
        super().__init__()
        self.chain = chain
        self.begin_again = begin_again
        for link in chain.links:
            link.stage.on("metrics_collected", self._forward_metrics)

    @property
    def model(self) -> str:
        return self.chain.serving.stage.model

    @property
    def provider(self) -> str:
        return self.chain.serving.stage.provider

    def prewarm(self, *, loop: Any = None) -> None:
        self.chain.links[0].stage.prewarm(loop=loop)

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> llm.LLMStream:
        choices = {
            "parallel_tool_calls": parallel_tool_calls,
            "tool_choice": tool_choice,
            "extra_kwargs": extra_kwargs,
        }
        return _Answer(self, choices, chat_ctx=chat_ctx, tools=tools or [], options=conn_options)

    async def aclose(self) -> None:
        """Close all providers."""
        for link in self.chain.links:
            link.stage.off("metrics_collected", self._forward_metrics)
        await self.chain.aclose()
        await super().aclose()

    def _forward_metrics(self, *args: Any) -> None:
        self.emit("metrics_collected", *args)


class _Answer(llm.LLMStream):
    """One answer, whoever gives it."""

    _llm_attempt_span_name = None
    _genai_operation_name = None

    def __init__(
        self,
        answers: AnswerChain,
        choices: dict[str, Any],
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        options: APIConnectOptions,
    ) -> None:
        super().__init__(answers, chat_ctx=chat_ctx, tools=tools, conn_options=options)
        self._answers = answers
        self._choices = choices
        self._has_spoken = False
        self._has_called = False

    async def _run(self) -> None:
        chain = self._answers.chain
        await chain.serve(self._ask, self._conn_options, has_begun=lambda: self._has_spoken)

    async def _ask(self, link: Link[_LLM], deadline: float) -> None:
        if self._has_spoken:
            # livekit-agents holds back what does not end a line, as it may be Markdown
            self._say(f"{self._answers.begin_again}\n")
        answered = False
        once = replace(self._conn_options, max_retry=0)
        stall_s = self._answers.chain.patience.stall_s
        chat_ctx = await self._informed(link)
        try:
            async with link.stage.chat(
                chat_ctx=chat_ctx, tools=self._tools, conn_options=once, **self._choices
            ) as stream:
                chunks = in_time(stream, deadline=deadline, stall_s=stall_s, counts=_is_output)
                async for chunk in chunks:
                    answered = answered or _is_output(chunk)
                    self._pass_on(chunk)
        except APIError:
            if not self._has_called:
                raise
        if not answered:
            raise APIError("the provider gave no answer")

    async def _informed(self, link: Link[_LLM]) -> llm.ChatContext:
        """The conversation as this provider needs it."""
        if isinstance(link.stage, ServiceLLM):
            return self._chat_ctx
        chat_ctx, sources = await looked_up(self._chat_ctx)
        if sources is not None:
            self._event_ch.send_nowait(cites("looked_up", sources))
        return chat_ctx

    def _pass_on(self, chunk: llm.ChatChunk) -> None:
        if chunk.delta is not None:
            self._has_spoken = self._has_spoken or bool(chunk.delta.content)
            self._has_called = self._has_called or bool(chunk.delta.tool_calls)
        self._event_ch.send_nowait(chunk)

    def _say(self, text: str) -> None:
        delta = llm.ChoiceDelta(role="assistant", content=text)
        self._event_ch.send_nowait(llm.ChatChunk(id="begin_again", delta=delta))

    async def _metrics_monitor_task(self, event_aiter: AsyncIterable[llm.ChatChunk]) -> None:
        """The providers' own streams tell."""
        async for _ in event_aiter:
            pass


def _is_output(chunk: llm.ChatChunk) -> bool:
    return chunk.has_response()
