"""`python -m agent.stages.local.embedding_server`: an embedding model behind a unix socket.

It speaks OpenAI's `POST /embeddings`, as `agent.knowledge.embeddings` does; the model is at
`EMBEDDING_MODEL_PATH`, and nothing is ever fetched. Each connection has a process of its own.
"""

import json
import logging
import os
import socket
from collections.abc import Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError
from tokenizers import Tokenizer

from agent.knowledge.embeddings import BATCH, MAX_CHARACTERS, QUERY_MODEL
from agent.settings import AgentSettings
from agent.stages.local import fork_server
from agent.stages.local.listening import Service
from agent.stages.local.model_files import ModelBroken, ModelMissing, model_path
from agent.stages.local.onnx import open_session

_MAX_TOKENS = 512
_MAX_BODY_BYTES = 8 * BATCH * MAX_CHARACTERS
_IDLE_S = 600.0
_AT_ONCE = 8
"""Texts in one run of the model, which pads them to the longest."""
_MODELS = ("model.onnx", "model_quantized.onnx", "model_qint8_avx512_vnni.onnx")


class Options(BaseModel):
    """`majlis.json` beside the model: how it wants to be used. All of it has a default."""

    query_prefix: str = ""
    passage_prefix: str = ""
    pooling: Literal["mean", "cls"] = "mean"
    max_tokens: Annotated[int, Field(ge=8, le=8192)] = _MAX_TOKENS


class EmbeddingModel:
    """A sentence encoder: `model.onnx` and `tokenizer.json` in a folder."""

    def __init__(self, folder: Path) -> None:
        """Raises `ModelMissing`, `ModelBroken`."""
        self.options = _options(folder)
        self._session = open_session(_model_file(folder))
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:
            raise ModelMissing(f"EMBEDDING_MODEL_PATH: no tokenizer.json in {folder}") from error
        self._tokenizer.enable_truncation(self.options.max_tokens)
        self._tokenizer.enable_padding()
        self._inputs = {given.name for given in self._session.get_inputs()}

    def embed(self, texts: Sequence[str], *, query: bool) -> NDArray[np.float32]:
        """A row a text, each of length 1."""
        prefix = self.options.query_prefix if query else self.options.passage_prefix
        rows = [
            self._run([prefix + text for text in texts[at : at + _AT_ONCE]])
            for at in range(0, len(texts), _AT_ONCE)
        ]
        return np.concatenate(rows)

    def _run(self, texts: list[str]) -> NDArray[np.float32]:
        encoded = self._tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in encoded], dtype=np.int64)
        mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        feed = {name: value for name, value in given.items() if name in self._inputs}
        (hidden, *_) = self._session.run(None, feed)
        if hidden.ndim == 3:
            hidden = hidden[:, 0] if self.options.pooling == "cls" else _mean(hidden, mask)
        lengths = np.linalg.norm(hidden, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (hidden / np.maximum(lengths, 1e-12)).astype(np.float32)
        return unit


def _mean(hidden: NDArray[np.float32], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    """Over the tokens that are none of the padding."""
    weights = mask[:, :, None].astype(np.float32)
    mean: NDArray[np.float32] = (hidden * weights).sum(1) / np.maximum(weights.sum(1), 1e-9)
    return mean


def _options(folder: Path) -> Options:
    file = folder / "majlis.json"
    if not file.is_file():
        return Options()
    try:
        return Options.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise ModelMissing(f"EMBEDDING_MODEL_PATH: {file} cannot be read") from error


def _model_file(folder: Path) -> Path:
    places = [folder / sub / name for sub in ("", "onnx") for name in _MODELS]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise ModelMissing(f"EMBEDDING_MODEL_PATH: no model.onnx in {folder}")
    return found


class _Request(BaseModel):
    model: str = ""
    input: Annotated[
        list[Annotated[str, Field(max_length=MAX_CHARACTERS)]], Field(max_length=BATCH)
    ]


def serve(model: EmbeddingModel, sock: socket.socket) -> None:
    """Answer what one peer asks, until it closes."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _IDLE_S

        def do_POST(self) -> None:
            try:
                length = int(self.headers.get("Content-Length", ""))
                if not 0 <= length <= _MAX_BODY_BYTES:
                    raise ValueError("a body of no or too great a length")
                request = _Request.model_validate_json(self.rfile.read(length))
            except ValueError:
                self.close_connection = True
                self._answer(HTTPStatus.BAD_REQUEST, {"error": {"message": "no such request"}})
                return
            vectors = model.embed(request.input, query=request.model == QUERY_MODEL)
            data = [
                {"object": "embedding", "index": index, "embedding": vector.tolist()}
                for index, vector in enumerate(vectors)
            ]
            self._answer(HTTPStatus.OK, {"object": "list", "model": request.model, "data": data})

        def _answer(self, status: HTTPStatus, body: dict[str, object]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Nothing: what is asked is what users say."""

        def address_string(self) -> str:
            return ""

    Handler(sock, ("", 0), None)  # type: ignore[arg-type]  # it asks its server for nothing


def service(settings: AgentSettings) -> Service:
    """The embedding model of this machine, loaded and warm."""
    # threads of the tokenizer's own would be missing in every fork
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    model = EmbeddingModel(model_path(settings.embedding_model_path, "EMBEDDING_MODEL_PATH"))
    try:
        model.embed(["Hello."], query=True)
    except Exception as error:
        raise ModelBroken(f"the embedding model does not run: {error}") from error
    return Service(
        title="majlis embedder",
        socket_path=settings.embedder_socket,
        max_connections=4 * settings.max_agents_per_host,
        serve=lambda sock: serve(model, sock),
    )


if __name__ == "__main__":
    _settings = AgentSettings()
    logging.basicConfig(level=_settings.log_level)
    fork_server.main(lambda: service(_settings))
