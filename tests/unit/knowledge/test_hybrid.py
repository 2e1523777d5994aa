"""Vectors: their service, their place in the index, and how they are merged with words."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from agent.knowledge.embeddings import OpenAIEmbedder
from agent.knowledge.errors import EmbeddingFailed
from agent.knowledge.hybrid import HybridKnowledge, merged, open_knowledge, scored
from agent.knowledge.index import CollectionReport, index_directory
from agent.knowledge.passages import Passage
from agent.knowledge.retrieval import Hit, KnowledgeBase
from agent.knowledge.search import ANSWERABLE_SCORE
from agent.settings import AgentSettings
from tests.unit.knowledge.embedding_service import (
    KEY,
    MODEL,
    Service,
    embedding_service,
    vector,
)


@pytest.fixture
def service() -> Iterator[Service]:
    """An embedding service."""
    with embedding_service() as service:
        yield service


def embedder(service: Service, key: str = KEY, *, dimensions: int | None = None) -> OpenAIEmbedder:
    return OpenAIEmbedder(
        base_url=service.url,
        model=MODEL,
        key=SecretStr(key),
        dimensions=dimensions,
        max_retries=2,
        retry_delay_s=0.0,
    )


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """Two documents, one of which says `wireless network`."""
    folder = tmp_path / "documents" / "shop"
    folder.mkdir(parents=True)
    (folder / "guests.md").write_text("# For guests\nThe wireless network is open to everybody.")
    (folder / "lamps.md").write_text("# Lamps\nBrass lamps carry a warranty of five years.")
    return folder.parent


def index(documents: Path, embedder: OpenAIEmbedder) -> CollectionReport:
    (outcome,) = index_directory(documents, documents.parent / "index", embedder=embedder)
    assert isinstance(outcome, CollectionReport)
    return outcome


def opened(documents: Path, embedder: OpenAIEmbedder) -> tuple[KnowledgeBase, HybridKnowledge]:
    base = KnowledgeBase.open(documents.parent / "index", "shop")
    return base, HybridKnowledge(base, embedder, similar=0.5)


async def test_vectors_find_what_words_do_not(service: Service, documents: Path) -> None:
    """Catches a paraphrase that stays unanswered although the vectors know it."""
    index(documents, embedder(service))
    base, hybrid = opened(documents, embedder(service))
    assert not base.search("Do you have wifi?").answerable
    found = await hybrid.retrieve("Do you have wifi?")
    assert found.answerable
    assert found.hits[0].passage.filename == "guests.md"
    assert found.sources[0].similarity_score > ANSWERABLE_SCORE
    nothing = await hybrid.retrieve("Who was the president of France?")
    assert not nothing.answerable
    base.close()


async def test_vectors_follow_the_documents(service: Service, documents: Path) -> None:
    """Catches vectors of passages that are gone, and all passages embedded again for one."""
    embeds = embedder(service)
    index(documents, embeds)
    base, hybrid = opened(documents, embeds)
    await hybrid.retrieve("wifi")
    (documents / "shop" / "guests.md").unlink()
    (documents / "shop" / "new.md").write_text("The internet is for guests.")
    service.asked.clear()
    index(documents, embeds)
    assert service.asked == [["new\n\nThe internet is for guests."]]
    found = await hybrid.retrieve("wifi")
    assert [hit.passage.filename for hit in found.hits][:1] == ["new.md"]
    assert "guests.md" not in {hit.passage.filename for hit in found.hits}
    base.close()


async def test_another_model_is_not_compared(service: Service, documents: Path) -> None:
    """Catches cosines between vectors of two models, and old ones that stay."""
    index(documents, embedder(service))
    base, hybrid = opened(documents, embedder(service, dimensions=32))
    assert not (await hybrid.retrieve("wifi")).answerable
    index(documents, embedder(service, dimensions=32))
    assert (await hybrid.retrieve("wifi")).answerable
    base.close()


async def test_without_the_service_words_do(service: Service, documents: Path) -> None:
    """Catches an outage of the service that becomes one of ours."""
    service.bad_answers = [(500, b"{}")] * 3
    report = index(documents, embedder(service))
    assert report.passages == 2
    assert [problem.why for problem in report.problems] == ["status 500"]
    base, hybrid = opened(documents, embedder(service))
    service.bad_answers = [(503, b"")]
    found = await hybrid.retrieve("How long is the warranty on brass lamps?")
    assert found.answerable
    base.close()
    assert index(documents, embedder(service)).problems == ()


@pytest.mark.parametrize(
    "answer",
    [b"no JSON", b"{}", b'{"data": []}', b'{"data": [{"index": 0, "embedding": []}]}',
     b'{"data": [{"index": 0, "embedding": ["x"]}]}',
     b'{"data": [{"index": 0, "embedding": [NaN]}]}'],
)  # fmt: skip
async def test_answers_that_are_none(service: Service, answer: bytes) -> None:
    """Catches rubbish that becomes a vector, or an exception that nobody expects."""
    service.bad_answers = [(200, answer)]
    with pytest.raises(EmbeddingFailed):
        await embedder(service).embed_query("text")


async def test_errors_tell_no_key_and_no_text(service: Service) -> None:
    """Catches a secret or a caller's words in an error, and a wrong key that is tried again."""
    wrong = embedder(service, key="sk-wrong")
    with pytest.raises(EmbeddingFailed, match="status 401"):
        await wrong.embed_query("what the caller said")
    with pytest.raises(EmbeddingFailed, match="status 401"):
        list(wrong.embed(["what the caller said"]))
    gone = OpenAIEmbedder(base_url="http://127.0.0.1:9", model=MODEL, max_retries=0)
    with pytest.raises(EmbeddingFailed, match="no answer"):
        await gone.embed_query("what the caller said")


def test_batches(service: Service) -> None:
    """Catches vectors that belong to another text, a batch that is too large, no second attempt."""
    service.bad_answers = [(429, b"{}")]
    texts = [f"number {n}" for n in range(130)]
    batches = list(embedder(service).embed(texts))
    assert [len(batch) for batch in batches] == [64, 64, 2]
    expected = np.array([vector(text) for text in texts])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(np.concatenate(batches), expected)


def hit(name: str, score: float) -> Hit:
    return Hit(Passage(name, 0, "", "", ""), score)


def test_merging() -> None:
    """Catches a weak first place that wins over a strong one, and a passage that stands twice."""
    by_words = [hit("weak", 0.2), hit("both", 0.15)]
    by_vectors = [hit("strong", 0.7), hit("both", 0.6)]
    merge = merged(by_words, by_vectors)
    assert [(each.passage.filename, each.score) for each in merge] == [
        ("both", 0.6), ("strong", 0.7), ("weak", 0.2),
    ]  # fmt: skip


def test_scores_mean_the_same() -> None:
    """Catches a cosine shown as if it were a share of the question."""
    assert scored(0.5, 0.5) == ANSWERABLE_SCORE
    assert scored(1.0, 0.5) == 1.0
    assert scored(-1.0, 0.5) == 0.0
    assert scored(0.4, 0.5) < ANSWERABLE_SCORE < scored(0.6, 0.5)


def test_vectors_are_used_where_they_are_set(service: Service, documents: Path) -> None:
    """Catches a setting without effect, and vectors that nobody asked for."""
    index(documents, embedder(service))
    folder = documents.parent
    (folder / "index").rename(folder / "knowledge")
    plain = AgentSettings(_env_file=None, data_dir=folder)  # type: ignore[call-arg] # pydantic's
    assert isinstance(open_knowledge(plain, "shop"), KnowledgeBase)
    given = plain.model_copy(update={"embedding_base_url": service.url})
    assert isinstance(open_knowledge(given, "shop"), HybridKnowledge)
