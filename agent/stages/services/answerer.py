"""Answers from a service that looks them up itself, in the place of a language model."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any, Never, assert_never

import aiohttp
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    APIConnectionError,
    APIConnectOptions,
    APIError,
    APIStatusError,
    APITimeoutError,
    llm,
    utils,
)
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from pydantic import SecretStr

from agent.stages.evidence import cites, is_left_open, may_be_misheard
from agent.stages.services.addresses import over_http
from agent.stages.services.connection import CONNECT_S, credentials, refused
from agent.stages.services.messages import (
    ANSWER_LINES,
    MAX_HISTORY_TURNS,
    MAX_INSTRUCTIONS_CHARACTERS,
    MAX_MESSAGE_BYTES,
    MAX_QUESTION_CHARACTERS,
    MAX_TURN_CHARACTERS,
    AnswerDone,
    AnswerLine,
    AnswerRequest,
    AnswerSentence,
    AnswerSources,
    Failure,
    PastTurn,
    Ping,
    WireError,
    decode,
    encode,
)

MAX_ANSWER_CHARACTERS = 32_000
"""A service that says more than that is out of its mind."""
SILENT_S = 15.0
"""A service that sends no line at all for so long, not even a ping, is gone."""
_READ_BYTES = 16 * 1024


class ServiceLLM(llm.LLM[Never]):
    """A service that retrieves and answers (docs/services.md). Tools are not called.

    Args:
        url: of the service, `http://host:8002`.
        language: of the session, BCP-47.
        collection: that the answers are to rest on.
        token: what it wants to be shown.
        timeout_s: how long it may take for the next part of its answer.
    """

    def __init__(
        self,
        url: str,
        *,
        language: str,
        collection: str,
        token: SecretStr | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        super().__init__()
        self._url = over_http(url, "/v1/answer")
        self._token = token
        self._language = language
        self._collection = collection
        self.timeout_s = timeout_s

    @property
    def model(self) -> str:
        return "rag-service"

    @property
    def provider(self) -> str:
        return "services"

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
        """The answer to the last user message: what it rests on (`agent.stages.evidence`), then one
        chunk a sentence."""
        return _AnswerStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)

    async def lines(
        self, chat_ctx: llm.ChatContext, *, connect_s: float
    ) -> AsyncGenerator[AnswerLine, None]:
        """Of the service's answer. Raises `APIError`."""
        http = utils.http_context.http_session()
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=min(CONNECT_S, connect_s), sock_read=SILENT_S
        )
        body = encode(answer_request(chat_ctx, self._language, self._collection)).encode()
        headers = {"Content-Type": "application/json", **credentials(self._token)}
        try:
            async with http.post(self._url, data=body, headers=headers, timeout=timeout) as answer:
                answer.raise_for_status()
                async for line in _lines(answer.content):
                    yield line
        except TimeoutError as error:
            raise APITimeoutError("the answer service took too long") from error
        except aiohttp.ClientResponseError as error:
            raise APIStatusError("the answer service refused", status_code=error.status) from error
        except (aiohttp.ClientError, OSError) as error:
            raise APIConnectionError(
                "the answer service cannot be reached, or went away"
            ) from error


def answer_request(chat_ctx: llm.ChatContext, language: str, collection: str) -> AnswerRequest:
    """What to ask a service for the last question of a conversation."""
    said = [m for m in chat_ctx.messages() if m.role in ("user", "assistant")]
    at = next((i for i in reversed(range(len(said))) if said[i].role == "user"), None)
    question = None if at is None else said[at]
    told = [
        m.text_content or ""
        for m in chat_ctx.messages()
        if m.role in ("system", "developer") and not is_left_open(m)
    ]
    return AnswerRequest(
        question=((question and question.text_content) or "")[:MAX_QUESTION_CHARACTERS],
        language=language,
        collection=collection,
        history=_history(said[: at or 0]),
        unsure=question is not None and may_be_misheard(question),
        instructions="\n\n".join(filter(None, told))[:MAX_INSTRUCTIONS_CHARACTERS],
    )


def _history(said: Sequence[llm.ChatMessage]) -> tuple[PastTurn, ...]:
    """The latest turns, as many as a request holds."""
    turns: list[PastTurn] = []
    left_bytes = MAX_MESSAGE_BYTES // 2
    for message in reversed(said[-MAX_HISTORY_TURNS:]):
        text = (message.text_content or "").strip()[:MAX_TURN_CHARACTERS]
        left_bytes -= len(text.encode())
        if left_bytes < 0:
            break
        if text:
            turns.append(PastTurn("user" if message.role == "user" else "assistant", text))
    return tuple(reversed(turns))


class _AnswerStream(llm.LLMStream):
    """One answer."""

    _llm: ServiceLLM

    async def _run(self) -> None:
        answer_id = utils.shortuuid("answer_")
        characters = 0
        lines = self._llm.lines(self._chat_ctx, connect_s=self._conn_options.timeout)
        try:
            async for line in _patiently(lines, self._llm.timeout_s):
                match line:
                    case AnswerSources(sources=sources):
                        self._event_ch.send_nowait(cites(answer_id, sources))
                    case AnswerSentence(text=text):
                        characters += len(text)
                        if characters > MAX_ANSWER_CHARACTERS:
                            raise APIError("the answer service does not stop", retryable=False)
                        delta = llm.ChoiceDelta(role="assistant", content=text)
                        self._event_ch.send_nowait(llm.ChatChunk(id=answer_id, delta=delta))
                    case AnswerDone():
                        return
                    case Failure():
                        raise refused("answer", line)
                    case Ping():
                        """Not handed on."""
                    case _:
                        assert_never(line)
            raise APIConnectionError("the answer service did not come to an end")
        except APIError as error:
            if characters:  # it would be said twice
                error.retryable = False
            raise
        finally:
            await lines.aclose()


async def _patiently(
    lines: AsyncIterator[AnswerLine], timeout_s: float
) -> AsyncIterator[AnswerLine]:
    """The lines but for the pings. Raises `APITimeoutError` when the next one takes longer."""

    async def following() -> AnswerLine | None:
        while isinstance(line := await anext(lines, None), Ping):
            pass
        return line

    while True:
        try:
            async with asyncio.timeout(timeout_s):
                line = await following()
        except TimeoutError as error:
            raise APITimeoutError("the answer service took too long") from error
        if line is None:
            return
        yield line


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[AnswerLine]:
    unread = bytearray()
    while data := await content.read(_READ_BYTES):
        unread += data
        *whole, rest = unread.split(b"\n")
        if max(map(len, (*whole, rest))) > MAX_MESSAGE_BYTES:
            raise APIConnectionError("the answer service sent too long a line")
        unread = rest
        for line in filter(bytes.strip, map(bytes, whole)):
            yield _decoded(line)
    if unread.strip():
        yield _decoded(bytes(unread))


def _decoded(line: bytes) -> AnswerLine:
    try:
        return decode(ANSWER_LINES, line)
    except WireError as error:
        raise APIConnectionError("the answer service sent nonsense") from error
