"""An answerer without a language model: it reads out the sentences that answer the question.

It takes the place of an LLM in the pipeline. The retrieval comes with the chat context, as
`agent.knowledge.context` put it there; what cannot be answered from it is said to be so.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any, Never

from livekit.agents import llm, utils
from livekit.agents.types import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
)

from agent.assistants.description import HAND_OVER
from agent.knowledge.context import retrieval_in
from agent.knowledge.extract import Extract, extract
from agent.knowledge.small_talk import SmallTalk, small_talk_in
from agent.knowledge.words import Stemmer, is_arabic, is_content, words
from agent.stages.local.person_requests import asks_for_person

_SUMMARISED = 6
"""So many of the user's turns tell a person what it was about."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """What the answerer says of itself, in one language."""

    according_to: str
    """Begins an answer; `{title}` is the document's."""
    guess: str
    """Before an answer to what may have been asked."""
    not_found: str
    cannot_look_up: str
    not_heard: str
    small_talk: Mapping[SmallTalk, str]


_ENGLISH = Phrases(
    according_to="According to “{title}”, ",
    guess="I am not sure that I heard you right.",
    not_found="I could not find that in the documents.",
    cannot_look_up="I cannot look anything up in the documents at the moment.",
    not_heard="Sorry, I did not catch that.",
    small_talk={
        SmallTalk.GREETING: "Hello! What would you like to know?",
        SmallTalk.THANKS: "You are welcome. Is there anything else?",
        SmallTalk.GOODBYE: "Goodbye, and thank you for calling.",
    },
)
_ARABIC = Phrases(
    according_to="بحسب «{title}»، ",
    guess="لست متأكدًا من أني سمعتك جيدًا.",
    not_found="لم أجد ذلك في الوثائق.",
    cannot_look_up="لا أستطيع البحث في الوثائق في الوقت الحالي.",
    not_heard="عفوًا، لم أسمعك جيدًا.",
    small_talk={
        SmallTalk.GREETING: "مرحبًا! ماذا تود أن تعرف؟",
        SmallTalk.THANKS: "على الرحب والسعة. هل من شيء آخر؟",
        SmallTalk.GOODBYE: "مع السلامة، وشكرًا على اتصالك.",
    },
)
PHRASES: Mapping[str, Phrases] = MappingProxyType({"en": _ENGLISH, "ar": _ARABIC})
"""By primary language subtag; English where a language is missing."""

_LINK = re.compile(r"\(?(?:https?://|www\.)\S+?(?=[.,;:!?)]*(?:\s|$))\)?")
_LOOSE_POINT = re.compile(r"\s+([.,;:!?؟،؛])")
_MARKS = re.compile(r"[*_`#|<>~^\\{}\[\]•▪◦›]+|^\s*[-–—+]\s+")


class ExtractiveAnswerer(llm.LLM[Never]):
    """Answers from the passages in the chat context, in the documents' own words.

    `language` is the session's, BCP-47: what the answerer says of itself is in it. An answer is
    in the language of its document.
    """

    def __init__(self, *, language: str) -> None:
        super().__init__()
        self._phrases = PHRASES.get(language.split("-")[0].lower(), _ENGLISH)
        self._stemmer = Stemmer()

    @property
    def model(self) -> str:
        """Name of the model, for metrics and `model_used`."""
        return "extractive"

    @property
    def provider(self) -> str:
        """Name of the provider, for metrics."""
        return "majlis"

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
        """The answer to the last user message, one chunk a sentence.

        Of the tools only the one that asks for a person is called, when the user asks for one.
        """
        return _AnswerStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)

    def reply(self, chat_ctx: llm.ChatContext) -> Iterator[str]:
        """Sentences to say next, at least one."""
        question = _last_question(chat_ctx)
        if question is None:
            return iter([self._phrases.small_talk[SmallTalk.GREETING]])
        if not words(question):
            return iter([self._phrases.not_heard])
        retrieval = retrieval_in(chat_ctx)
        found = extract(retrieval, self._stemmer) if retrieval is not None else None
        guess = retrieval is not None and retrieval.guess
        if found is not None and not guess:
            return _spoken_answer(found)
        if (small_talk := small_talk_in(question)) is not None:
            return iter([self._phrases.small_talk[small_talk]])
        if found is not None:
            return chain([self._phrases.guess], _spoken_answer(found))
        if retrieval is None:
            return iter([self._phrases.cannot_look_up])
        return iter([self._phrases.not_found])


class _AnswerStream(llm.LLMStream):
    """Sends what `ExtractiveAnswerer.reply` yields."""

    def __init__(
        self,
        answerer: ExtractiveAnswerer,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        conn_options: APIConnectOptions,
    ) -> None:
        super().__init__(answerer, chat_ctx=chat_ctx, tools=tools, conn_options=conn_options)
        self._answerer = answerer

    async def _run(self) -> None:
        answer_id = utils.shortuuid("extract_")
        if (call := self._call()) is not None:
            delta = llm.ChoiceDelta(role="assistant", tool_calls=[call])
            self._event_ch.send_nowait(llm.ChatChunk(id=answer_id, delta=delta))
            return
        for sentence in self._answerer.reply(self._chat_ctx):
            delta = llm.ChoiceDelta(role="assistant", content=f"{sentence} ")
            self._event_ch.send_nowait(llm.ChatChunk(id=answer_id, delta=delta))

    def _call(self) -> llm.FunctionToolCall | None:
        """Asking for a person, where the user does and one can be had."""
        asked = [m.text_content or "" for m in self._chat_ctx.messages() if m.role == "user"]
        # a call that has been made is the last item
        last = self._chat_ctx.items[-1] if self._chat_ctx.items else None
        if not asked or not isinstance(last, llm.ChatMessage) or not asks_for_person(asked[-1]):
            return None
        if all(tool.id != HAND_OVER for tool in self._tools):
            return None
        arguments = {"reason": asked[-1], "summary": " / ".join(asked[-_SUMMARISED - 1 : -1])}
        return llm.FunctionToolCall(
            name=HAND_OVER,
            arguments=json.dumps(arguments, ensure_ascii=False),
            call_id=utils.shortuuid("call_"),
        )


def _last_question(chat_ctx: llm.ChatContext) -> str | None:
    for message in reversed(chat_ctx.messages()):
        if message.role == "user":
            return message.text_content or ""
    return None


def _spoken_answer(found: Extract) -> Iterator[str]:
    phrases = _ARABIC if is_arabic(found.passage.text) else _ENGLISH
    first, *others = (_spoken(sentence) for sentence in found.sentences)
    title = _spoken(found.passage.title).rstrip(".")
    yield phrases.according_to.format(title=title) + _continued(first)
    yield from others


def _spoken(text: str) -> str:
    """`text` without links and marks, ended so that a synthesiser lowers its voice."""
    plain = " ".join(_MARKS.sub(" ", _LINK.sub("", text)).split())
    plain = _LOOSE_POINT.sub(r"\1", plain)
    return plain if plain.endswith((".", "!", "?", "؟", "…")) else plain.rstrip(" ,;:") + "."


def _continued(sentence: str) -> str:
    """`sentence` as it reads after a comma: a function word loses its capital."""
    first, _, rest = sentence.partition(" ")
    if rest and first != "I" and not is_content(first.lower()):
        return f"{first.lower()} {rest}"
    return sentence
