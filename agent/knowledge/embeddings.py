"""Vectors of texts, from a service with OpenAI's `POST /embeddings`: OpenAI, Ollama, vLLM, TEI, …,
or from the model of this machine, whose server speaks the same over a unix socket.

Wire format: https://platform.openai.com/docs/api-reference/embeddings/create
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import numpy as np
from pydantic import BaseModel, SecretStr, ValidationError

from agent.knowledge.errors import EmbeddingFailed
from agent.knowledge.vectors import Vectors
from agent.settings import AgentSettings

OPENAI_URL = "https://api.openai.com/v1"
BATCH = 64
"""Texts in one request."""
MAX_CHARACTERS = 6_000
"""Of one text; more than any passage has."""
QUERY_TIMEOUT_S = 2.0
"""A question does not wait longer; it is then searched for by its words alone."""
PASSAGE_MODEL = "passage"
QUERY_MODEL = "query"
"""What the model of this machine is to embed: some read questions and passages differently."""
_MAX_WAIT_S = 10.0


class _Item(BaseModel):
    index: int
    embedding: list[float]


class _Answer(BaseModel):
    data: list[_Item]


class OpenAIEmbedder:
    """A `vectors.Embedder` over HTTP. Make it after a fork."""

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        key: SecretStr | None = None,
        dimensions: int | None = None,
        timeout_s: float = 30.0,
        max_retries: int = 3,
        retry_delay_s: float = 1.0,
        socket_path: Path | None = None,
        query_model: str | None = None,
    ) -> None:
        """`socket_path`: where the service listens, in place of the address's host. `query_model`:
        the name under which questions are embedded, if it is another."""
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key else {}
        self._url = f"{base_url.rstrip('/')}/embeddings"
        self._model = model
        self._dimensions = dimensions
        self._max_retries = max_retries
        self._retry_delay_s = retry_delay_s
        self._query_model = query_model or model
        at = None if socket_path is None else str(socket_path)
        self._client = httpx.Client(
            headers=headers,
            timeout=timeout_s,
            transport=None if at is None else httpx.HTTPTransport(uds=at),
        )
        self._async_client = httpx.AsyncClient(
            headers=headers,
            timeout=QUERY_TIMEOUT_S,
            transport=None if at is None else httpx.AsyncHTTPTransport(uds=at),
        )

    @property
    def name(self) -> str:
        """The model's, and how many dimensions were asked for."""
        return self._model if self._dimensions is None else f"{self._model}/{self._dimensions}"

    def embed(self, texts: Sequence[str]) -> Iterator[Vectors]:
        """In batches, each tried again where that can help. Raises `EmbeddingFailed`."""
        for start in range(0, len(texts), BATCH):
            yield self._batch(texts[start : start + BATCH])

    async def embed_query(self, text: str) -> Vectors:
        """Tried once. Raises `EmbeddingFailed`."""
        try:
            answer = await self._async_client.post(
                self._url, json=self._body([text], self._query_model)
            )
        except httpx.HTTPError as error:
            raise EmbeddingFailed(_why(error)) from error
        return _vectors(answer, 1)

    async def aclose(self) -> None:
        """Close all connections."""
        self._client.close()
        await self._async_client.aclose()

    def _batch(self, texts: Sequence[str]) -> Vectors:
        for attempt in range(self._max_retries + 1):
            wait_s = min(_MAX_WAIT_S, self._retry_delay_s * 2**attempt)
            try:
                answer = self._client.post(self._url, json=self._body(texts, self._model))
            except httpx.HTTPError as error:
                failure = EmbeddingFailed(_why(error))
                failure.__cause__ = error
            else:
                if answer.status_code != httpx.codes.TOO_MANY_REQUESTS and not (
                    answer.is_server_error
                ):
                    return _vectors(answer, len(texts))
                failure = EmbeddingFailed(f"status {answer.status_code}")
                wait_s = _retry_after(answer) or wait_s
            if attempt < self._max_retries:
                time.sleep(wait_s)
        raise failure

    def _body(self, texts: Sequence[str], model: str) -> dict[str, object]:
        body: dict[str, object] = {
            "model": model,
            "input": [text[:MAX_CHARACTERS] or " " for text in texts],
            "encoding_format": "float",
        }
        if self._dimensions is not None:
            body["dimensions"] = self._dimensions
        return body


class LocalEmbedder(OpenAIEmbedder):
    """The model of this machine. Make it after a fork."""

    def __init__(self, socket_path: Path, model_path: Path, *, timeout_s: float) -> None:
        super().__init__(
            base_url="http://embedder",
            model=PASSAGE_MODEL,
            query_model=QUERY_MODEL,
            timeout_s=timeout_s,
            # it is there or it is being started again: the next look of the indexer tries anew
            max_retries=1,
            retry_delay_s=0.25,
            socket_path=socket_path,
        )
        self._path = model_path

    @property
    def name(self) -> str:
        """The folder's."""
        return f"local/{self._path.name}"


def make_embedder(settings: AgentSettings) -> OpenAIEmbedder | None:
    """The one that the settings name; None where none is set."""
    if settings.embedding_model_path is not None:
        return LocalEmbedder(
            settings.embedder_socket,
            settings.embedding_model_path,
            timeout_s=settings.rag_timeout_seconds,
        )
    if settings.embedding_base_url is None and settings.embedding_api_key is None:
        return None
    return OpenAIEmbedder(
        base_url=settings.embedding_base_url or OPENAI_URL,
        model=settings.embedding_model,
        key=settings.embedding_api_key,
        dimensions=settings.embedding_dimensions,
        timeout_s=settings.rag_timeout_seconds,
        max_retries=settings.max_retries,
        retry_delay_s=settings.retry_delay_seconds,
    )


def _vectors(answer: httpx.Response, count: int) -> Vectors:
    if not answer.is_success:
        raise EmbeddingFailed(f"status {answer.status_code}")
    try:
        items = sorted(_Answer.model_validate_json(answer.content).data, key=lambda i: i.index)
        vectors = np.array([item.embedding for item in items], dtype=np.float32)
    except (ValidationError, ValueError) as error:
        raise EmbeddingFailed("an answer that is none") from error
    fits = vectors.ndim == 2 and len(vectors) == count and vectors.size
    if not fits or not np.isfinite(vectors).all():
        raise EmbeddingFailed("an answer that does not fit the question")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, 1e-12)
    return unit


def _retry_after(answer: httpx.Response) -> float | None:
    told = answer.headers.get("retry-after", "")
    return min(_MAX_WAIT_S, float(told)) if told.isdecimal() else None


def _why(error: httpx.HTTPError) -> str:
    return f"no answer ({type(error).__name__})"
