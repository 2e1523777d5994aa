"""What an answer rests on, where it is not the assistant that looks it up before it is asked for.

Some answerers look documents up themselves (a RAG service). Then the passages are left open in the
conversation, for others in the same chain who need them; and whoever answers says first what its
answer rests on, on a chunk of its own, which `Assistant` takes out again.
"""

from collections.abc import Awaitable, Callable

from livekit.agents import llm

from agent.job import Source
from agent.knowledge.context import passages_message
from agent.knowledge.retrieval import Retrieval

LookUp = Callable[[], Awaitable[Retrieval]]
"""Looks the last question up."""

_LEFT_OPEN = "majlis_look_up"
_SOURCES = "majlis_sources"
_SURE_CONFIDENCE = 0.5
"""A recogniser that is less confident than this in a transcript may have misheard."""


def cites(chunk_id: str, sources: tuple[Source, ...]) -> llm.ChatChunk:
    """The words that follow rest on these, or on nothing."""
    return llm.ChatChunk(id=chunk_id, delta=llm.ChoiceDelta(extra={_SOURCES: sources}))


def cited(chunk: object) -> tuple[Source, ...] | None:
    """What such a chunk says; None: it is another one."""
    if not isinstance(chunk, llm.ChatChunk) or chunk.delta is None or not chunk.delta.extra:
        return None
    sources = chunk.delta.extra.get(_SOURCES)
    return sources if isinstance(sources, tuple) else None


def left_open(look_up: LookUp) -> llm.ChatMessage:
    """Stands where the passages would: whoever needs them looks them up (`looked_up`)."""
    return llm.ChatMessage(role="system", content=[], extra={_LEFT_OPEN: look_up})


def is_left_open(message: llm.ChatMessage) -> bool:
    """Whether it stands where the passages would."""
    return _LEFT_OPEN in message.extra


async def looked_up(
    chat_ctx: llm.ChatContext,
) -> tuple[llm.ChatContext, tuple[Source, ...] | None]:
    """The conversation with the passages that were left open, and what is to be cited of them.

    None: nothing was left open.
    """
    for at, item in enumerate(chat_ctx.items):
        if isinstance(item, llm.ChatMessage) and is_left_open(item):
            retrieval: Retrieval = await item.extra[_LEFT_OPEN]()
            copy = chat_ctx.copy()
            copy.items[at] = passages_message(retrieval)
            return copy, retrieval.sources
    return chat_ctx, None


def may_be_misheard(question: llm.ChatMessage) -> bool:
    """Whether it was heard, not typed, and its words are in doubt."""
    confidence = question.transcript_confidence
    return confidence is not None and confidence < _SURE_CONFIDENCE
