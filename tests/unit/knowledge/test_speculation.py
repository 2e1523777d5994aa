"""Looking questions up while they are being said: what is looked up, reused, dropped."""

import asyncio
from dataclasses import dataclass, field

import pytest

from agent.knowledge.errors import IndexUnavailable
from agent.knowledge.retrieval import Retrieval
from agent.knowledge.speculation import Origin, Speculation


@dataclass
class Scripted:
    """Finds nothing, when it is allowed to, and remembers what it was asked."""

    asked: list[tuple[str, str]] = field(default_factory=list)
    free: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False

    async def retrieve(self, query: str, context: str = "") -> Retrieval:
        self.asked.append((query, context))
        await self.free.wait()
        if self.fails:
            raise IndexUnavailable("locked")
        return Retrieval(query, (), context=context)

    async def aclose(self) -> None:
        pass


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def origins(speculation: Speculation) -> list[Origin]:
    return [lookup.origin for lookup in speculation.lookups]


async def test_what_was_found_meanwhile_is_used() -> None:
    """Catches a question that is looked up twice, and one answered under its interim words."""
    retriever = Scripted()
    retriever.free.set()
    speculation = Speculation(retriever)
    speculation.hear("how long is the warranty")
    await settle()
    found = await speculation.retrieve("How long is the warranty?")
    assert found.query == "How long is the warranty?"
    assert len(retriever.asked) == 1
    assert origins(speculation) == [Origin.REUSED]


async def test_what_is_under_way_is_waited_for() -> None:
    """Catches a second look-up beside one of the same words."""
    retriever = Scripted()
    speculation = Speculation(retriever)
    speculation.hear("how long is the warranty")
    await settle()
    turn = asyncio.create_task(speculation.retrieve("How long is the warranty?"))
    await settle()
    retriever.free.set()
    await turn
    assert len(retriever.asked) == 1
    assert origins(speculation) == [Origin.JOINED]


@pytest.mark.parametrize(
    ("said", "context"),
    [("How long is the warranty on brass?", ""), ("How much is the warranty?", ""),
     ("How long is the warranty?", "Do you repair lamps?")],
)  # fmt: skip
async def test_what_does_not_fit_is_looked_up_anew(said: str, context: str) -> None:
    """Catches an answer to half of the question, to another kind of question, or out of context."""
    retriever = Scripted()
    retriever.free.set()
    speculation = Speculation(retriever)
    speculation.hear("how long is the warranty")
    await settle()
    await speculation.retrieve(said, context)
    assert retriever.asked[1:] == [(said, context)]
    assert origins(speculation) == [Origin.FRESH]


async def test_one_at_a_time_and_the_latest_next() -> None:
    """Catches a look-up for every word, queued behind one another."""
    retriever = Scripted()
    speculation = Speculation(retriever)
    for text in ("the", "the warranty", "the warranty on", "the warranty on brass", "the lamps"):
        speculation.hear(text)
        await settle()
    retriever.free.set()
    await settle()
    assert [query for query, _ in retriever.asked] == ["the warranty", "the lamps"]


async def test_a_failure_is_told_by_the_turn_only() -> None:
    """Catches an error that nobody asked for, and one that a turn never hears of."""
    retriever = Scripted(fails=True)
    retriever.free.set()
    speculation = Speculation(retriever)
    speculation.hear("how long is the warranty")
    await settle()
    with pytest.raises(IndexUnavailable):
        await speculation.retrieve("How long is the warranty?")
    retriever.fails = False
    await speculation.retrieve("How long is the warranty?")


async def test_a_cancelled_turn_leaves_the_look_up_to_the_next() -> None:
    """Catches a preemptive answer that takes the real one's passages with it when it is dropped."""
    retriever = Scripted()
    speculation = Speculation(retriever)
    speculation.hear("how long is the warranty")
    await settle()
    preemptive = asyncio.create_task(speculation.retrieve("How long is the warranty"))
    await settle()
    preemptive.cancel()
    with pytest.raises(asyncio.CancelledError):
        await preemptive
    turn = asyncio.create_task(speculation.retrieve("How long is the warranty?"))
    await settle()
    retriever.free.set()
    await turn
    assert len(retriever.asked) == 1


async def test_other_words_end_what_is_under_way() -> None:
    """Catches a turn that waits behind, or is cancelled with, a look-up of other words."""
    retriever = Scripted()
    speculation = Speculation(retriever)
    speculation.hear("how long is the warranty")
    await settle()
    waits = asyncio.create_task(speculation.retrieve("How long is the warranty?"))
    await settle()
    retriever.free.set()
    found = await speculation.retrieve("Do you repair lamps?")
    assert found.query == "Do you repair lamps?"
    assert (await waits).query == "How long is the warranty?"
