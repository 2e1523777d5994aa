"""`python -m services.rag`: answers from the documents of this machine, over HTTP."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

from livekit.agents import llm
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from agent.knowledge import IndexUnavailable, KnowledgeError, UnknownCollection, collections
from agent.knowledge.context import passages_message
from agent.knowledge.follow_up import context_of
from agent.knowledge.hybrid import open_knowledge
from agent.knowledge.retrieval import Retrieval
from agent.knowledge.speculation import Retriever
from agent.settings import AgentSettings
from agent.stages.local.answerer import ExtractiveAnswerer
from agent.stages.services.messages import (
    ANSWER_REQUEST,
    MAX_MESSAGE_BYTES,
    RETRIEVE_REQUEST,
    AnswerDone,
    AnswerLine,
    AnswerRequest,
    AnswerSentence,
    AnswerSources,
    ErrorCode,
    FoundPassage,
    Ping,
    Retrieved,
    WireError,
    decode,
    encode,
    failure,
)
from services.access import Access, refused
from services.channel import SLOW_READER_S
from services.program import Application, Service, main
from services.shelf import Shelf

PING_EVERY_S = 5.0
"""As often a line comes while the answer is still made."""
MAX_OPEN_COLLECTIONS = 32
BODY_S = 10.0
"""How long a request's body may take to come."""

_log = logging.getLogger(__name__)

_B = TypeVar("_B")


class Lines(Response):
    """An answer as lines of JSON, each sent as soon as it is known, to a peer who reads them."""

    media_type = "application/x-ndjson"

    def __init__(self, lines: AsyncIterator[AnswerLine], access: Access) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._lines = lines
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._access.place():
            try:
                async with asyncio.timeout(SLOW_READER_S):
                    await send(
                        {
                            "type": "http.response.start",
                            "status": self.status_code,
                            "headers": self.raw_headers,
                        }
                    )
                async for line in with_pings(self._lines, every_s=PING_EVERY_S):
                    await _send_within(send, f"{encode(line)}\n".encode(), more=True)
                await _send_within(send, b"", more=False)
            except TimeoutError:
                # the server closes a connection whose answer is not complete
                _log.warning("a peer was let go", extra={"code": ErrorCode.SLOW_READER.value})
                raise ConnectionAbortedError("the answer was not read") from None


async def _send_within(send: Send, body: bytes, *, more: bool) -> None:
    async with asyncio.timeout(SLOW_READER_S):
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def with_pings(
    lines: AsyncIterator[AnswerLine], *, every_s: float
) -> AsyncIterator[AnswerLine]:
    """The lines, and a ping wherever the next one takes long."""

    async def take() -> AnswerLine | None:
        return await anext(lines, None)

    while True:
        following = asyncio.create_task(take(), name="rag.line")
        try:
            while not (await asyncio.wait({following}, timeout=every_s))[0]:
                yield Ping()
            line = following.result()
        finally:
            following.cancel()
        if line is None:
            return
        yield line


def make(settings: AgentSettings, access: Access) -> Application:
    """The service that answers."""

    def open_collection(name: str) -> Retriever:
        return open_knowledge(settings, name)

    shelf = Shelf(open_collection, most=MAX_OPEN_COLLECTIONS)

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await shelf.aclose()

    async def health() -> dict[str, object]:
        names = await asyncio.to_thread(collections, settings.knowledge_index_dir)
        return {"model": "extractive", "collections": list(names)}

    async def answer(request: Request) -> Response:
        asked = await _asked(request, access, ANSWER_REQUEST)
        if isinstance(asked, Response):
            return asked
        return Lines(_answer(shelf, asked), access)

    async def retrieve(request: Request) -> Response:
        asked = await _asked(request, access, RETRIEVE_REQUEST)
        if isinstance(asked, Response):
            return asked
        try:
            with access.place():
                found = await shelf.retrieve(asked.collection, asked.query, asked.context)
        except UnknownCollection:
            return refused(404, ErrorCode.UNKNOWN_COLLECTION, "there is no such collection")
        except KnowledgeError:
            return refused(503, ErrorCode.STAGE_FAILED, "the documents cannot be searched now")
        return _told(found, asked.limit)

    routes = (
        Route("/v1/answer", answer, methods=["POST"]),
        Route("/v1/retrieve", retrieve, methods=["POST"]),
    )
    return Application(routes, life, health)


async def _answer(shelf: Shelf, asked: AnswerRequest) -> AsyncIterator[AnswerLine]:
    began = time.monotonic()
    before = [turn.text for turn in asked.history if turn.role == "user"]
    context = context_of(asked.question, before)
    try:
        retrieval = await shelf.retrieve(asked.collection, asked.question, context)
    except UnknownCollection:
        # as for one that holds nothing: whoever asks hears that it was not found
        _log.error("no such collection", extra={"collection": asked.collection})
        retrieval = Retrieval(asked.question, (), context=context)
    except IndexUnavailable:
        yield failure(ErrorCode.STAGE_FAILED, "the documents cannot be searched now")
        return
    retrieval = replace(retrieval, unsure=asked.unsure)
    yield AnswerSources(retrieval.sources)
    answerer = ExtractiveAnswerer(language=asked.language)
    for sentence in answerer.reply(_conversation(asked, retrieval)):
        yield AnswerSentence(f"{sentence} ")
    yield AnswerDone(answerer.model, round((time.monotonic() - began) * 1000, 1))


def _conversation(asked: AnswerRequest, retrieval: Retrieval) -> llm.ChatContext:
    context = llm.ChatContext.empty()
    for turn in asked.history:
        context.add_message(role=turn.role, content=turn.text)
    context.items.append(passages_message(retrieval))
    context.add_message(role="user", content=asked.question)
    return context


def _told(retrieval: Retrieval, limit: int) -> Response:
    passages = tuple(
        FoundPassage(
            hit.passage.filename,
            hit.passage.chunk_index,
            hit.passage.title,
            hit.passage.heading,
            hit.passage.text,
            round(hit.score, 4),
        )
        for hit in retrieval.hits[:limit]
    )
    body = encode(Retrieved(passages, retrieval.answerable))
    return Response(body, media_type="application/json")


async def _asked(request: Request, access: Access, body: "TypeAdapter[_B]") -> "_B | Response":
    """What is asked for, or the refusal to answer with."""
    if (refusal := access.refusal(request)) is not None:
        return refusal
    try:
        async with asyncio.timeout(BODY_S):
            asked = decode(body, await _read(request))
    except TimeoutError:
        return refused(408, ErrorCode.TIMEOUT, "the body did not come")
    except _TooLarge:
        return refused(413, ErrorCode.TOO_LARGE, f"a body of over {MAX_MESSAGE_BYTES} bytes")
    except WireError as error:
        return refused(422, ErrorCode.INVALID_MESSAGE, str(error))
    # others may have come in while the body did
    return access.refusal(request) or asked


class _TooLarge(Exception):
    pass


async def _read(request: Request) -> bytes:
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > MAX_MESSAGE_BYTES:
            raise _TooLarge
    return bytes(read)


SERVICE = Service("rag", 8002, make)

if __name__ == "__main__":
    sys.exit(main(SERVICE))
