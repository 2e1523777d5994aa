"""Which collections the answering service keeps open."""

import asyncio

import pytest

from agent.knowledge import UnknownCollection
from agent.knowledge.retrieval import Retrieval
from services.shelf import Shelf

SLOW = "slow"


class Collection:
    """One that is slow answers only when it may."""

    def __init__(self, name: str, library: "Library") -> None:
        self.name = name
        self.closed = False
        self._library = library

    async def retrieve(self, query: str, context: str = "") -> Retrieval:
        if self.name == SLOW:
            self._library.slow_asked.set()
            await self._library.slow_may_answer.wait()
        assert not self.closed, f"{self.name} was closed while it was asked"
        return Retrieval(query, (), context=context)

    async def aclose(self) -> None:
        self.closed = True


class Library:
    """Every collection that was opened, in order."""

    def __init__(self, *missing: str) -> None:
        self.opened: list[Collection] = []
        self.slow_asked = asyncio.Event()
        self.slow_may_answer = asyncio.Event()
        self._missing = missing

    def open(self, name: str) -> Collection:
        if name in self._missing:
            raise UnknownCollection(name)
        self.opened.append(Collection(name, self))
        return self.opened[-1]

    def still_open(self) -> list[str]:
        return [each.name for each in self.opened if not each.closed]


async def _ask(shelf: Shelf, *names: str) -> None:
    async with asyncio.timeout(10):
        for name in names:
            assert (await shelf.retrieve(name, "hours", "")).query == "hours"


async def test_the_one_that_rested_longest_is_closed() -> None:
    """Catches collections that stay open for ever, and one closed that is asked again and again."""
    library = Library()
    shelf = Shelf(library.open, most=2)
    await _ask(shelf, "a", "b", "a", "c")
    assert library.still_open() == ["a", "c"]
    await _ask(shelf, "b")
    assert library.still_open() == ["c", "b"]
    await shelf.aclose()
    assert library.still_open() == []


async def test_one_that_is_being_read_is_not_closed() -> None:
    """Catches an answer that fails because others asked for other documents."""
    library = Library()
    shelf = Shelf(library.open, most=1)
    await _ask(shelf, "a")
    async with asyncio.TaskGroup() as group:
        group.create_task(_ask(shelf, SLOW))
        await asyncio.wait_for(library.slow_asked.wait(), 10)
        await _ask(shelf, "b", "c")
        assert library.still_open() == [SLOW, "c"]
        library.slow_may_answer.set()
    await _ask(shelf, "d")
    assert library.still_open() == ["d"]
    await shelf.aclose()


async def test_many_who_ask_for_one_that_is_not_open() -> None:
    """Catches a collection that is opened once for each of them."""
    library = Library()
    shelf = Shelf(library.open, most=1)
    await asyncio.gather(*(_ask(shelf, "a") for _ in range(5)))
    assert len(library.opened) == 1
    await shelf.aclose()


async def test_one_that_there_is_not() -> None:
    """Catches a miss that keeps a place, or that keeps others from being opened."""
    library = Library("missing")
    shelf = Shelf(library.open, most=1)
    with pytest.raises(UnknownCollection):
        await _ask(shelf, "missing")
    await _ask(shelf, "a")
    assert library.still_open() == ["a"]
    await shelf.aclose()
