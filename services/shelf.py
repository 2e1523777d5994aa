"""The collections that were asked for lately, open, and no more of them than are needed."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from agent.knowledge.retrieval import Retrieval
from agent.knowledge.speculation import Retriever


@dataclass(slots=True)
class _Opened:
    retriever: Retriever
    readers: int = 0


class Shelf:
    """Opens a collection when it is first asked, and closes the one that rested longest.

    `open_collection` blocks for some milliseconds and raises `KnowledgeError`. More than `most` are
    open only while as many are being read.
    """

    def __init__(self, open_collection: Callable[[str], Retriever], *, most: int) -> None:
        self._open_collection = open_collection
        self._most = most
        self._open: OrderedDict[str, _Opened] = OrderedDict()
        self._opening = asyncio.Lock()

    async def retrieve(self, collection: str, query: str, context: str) -> Retrieval:
        """What the collection holds. Raises `KnowledgeError`."""
        opened = await self._get(collection)
        opened.readers += 1  # with no wait before it, in which another could close it
        try:
            await self._close_surplus()
            return await opened.retriever.retrieve(query, context)
        finally:
            opened.readers -= 1

    async def aclose(self) -> None:
        """Close all of them."""
        while self._open:
            _, opened = self._open.popitem()
            await opened.retriever.aclose()

    async def _get(self, collection: str) -> _Opened:
        found = self._open.get(collection)
        if found is None:
            async with self._opening:
                found = self._open.get(collection)
                if found is None:
                    found = _Opened(await asyncio.to_thread(self._open_collection, collection))
                    self._open[collection] = found
        self._open.move_to_end(collection)
        return found

    async def _close_surplus(self) -> None:
        resting = [name for name, opened in self._open.items() if not opened.readers]
        surplus = max(0, len(self._open) - self._most)
        for opened in [self._open.pop(name) for name in resting[:surplus]]:
            await opened.retriever.aclose()
