"""Words and vectors together, where an embedding service is set.

Both searches run at the same time, and their rankings are merged by reciprocal rank (Cormack,
Clarke and Büttcher 2009), each vote weighed by how good the passage is there: the best of a bad
list counts little. A service that fails or is late is done without.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from agent.knowledge.embeddings import QUERY_TIMEOUT_S, make_embedder
from agent.knowledge.errors import EmbeddingFailed
from agent.knowledge.retrieval import Hit, KnowledgeBase, Retrieval
from agent.knowledge.search import ANSWERABLE_SCORE
from agent.knowledge.speculation import Retriever
from agent.knowledge.vectors import Embedder
from agent.settings import AgentSettings

RANK_OFFSET = 60
"""Of reciprocal-rank merging, as its authors have it."""
CANDIDATES = 20
"""Passages that each search proposes."""

_log = logging.getLogger(__name__)


class HybridKnowledge:
    """A knowledge base that is asked by vectors as well."""

    def __init__(self, base: KnowledgeBase, embedder: Embedder, *, similar: float) -> None:
        """`similar`: from this cosine on a passage is taken to hold the answer."""
        self._base = base
        self._embedder = embedder
        self._similar = similar

    async def retrieve(self, query: str, context: str = "", *, limit: int = 4) -> Retrieval:
        """The passages that meet `query` best. Raises `KnowledgeError`."""
        by_words, by_vectors = await asyncio.gather(
            self._base.retrieve(query, context, limit=CANDIDATES),
            self._near(f"{context} {query}".strip()),
        )
        return replace(by_words, hits=merged(by_words.hits, by_vectors)[:limit])

    async def aclose(self) -> None:
        """Close the connections, the index's too."""
        await self._embedder.aclose()
        await self._base.aclose()

    async def _near(self, text: str) -> tuple[Hit, ...]:
        try:
            async with asyncio.timeout(QUERY_TIMEOUT_S):
                vector = await self._embedder.embed_query(text)
            near = await self._base.nearest(vector[0], self._embedder.name, limit=CANDIDATES)
        except (EmbeddingFailed, TimeoutError) as error:
            _log.warning("no vector of a question", extra={"error": str(error) or "too late"})
            return ()
        return tuple(Hit(passage, scored(cosine, self._similar)) for passage, cosine in near)


def merged(*rankings: Sequence[Hit]) -> tuple[Hit, ...]:
    """One ranking of all; a passage that stands in several keeps its best score."""
    votes: dict[tuple[str, int], float] = {}
    best: dict[tuple[str, int], Hit] = {}
    for ranking in rankings:
        for rank, hit in enumerate(ranking, start=1):
            key = (hit.passage.filename, hit.passage.chunk_index)
            votes[key] = votes.get(key, 0.0) + hit.score / (RANK_OFFSET + rank)
            if key not in best or hit.score > best[key].score:
                best[key] = hit
    return tuple(best[key] for key in sorted(votes, key=lambda key: -votes[key]))


def scored(cosine: float, similar: float) -> float:
    """A cosine on the scale of scores, 0..1: one of `similar` is just enough for an answer."""
    if cosine <= similar:
        return max(0.0, cosine) / similar * ANSWERABLE_SCORE
    return ANSWERABLE_SCORE + (min(1.0, cosine) - similar) / (1 - similar) * (1 - ANSWERABLE_SCORE)


def open_knowledge(settings: AgentSettings, name: str) -> Retriever:
    """The collection `name`, asked as the settings have it.

    Raises `UnknownCollection`, `InvalidCollectionName`, `IndexUnavailable`.
    """
    base = KnowledgeBase.open(settings.knowledge_index_dir, name)
    embedder = make_embedder(settings)
    if embedder is None:
        return base
    return HybridKnowledge(base, embedder, similar=settings.embedding_similarity)
