"""A service with OpenAI's `POST /v1/embeddings`, true to its wire, for one test."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from agent.knowledge.words import is_content, words

KEY = "sk-test"
MODEL = "test-embedding"
DIMENSIONS = 64
MEANINGS = {"wifi": "internet", "wireless": "internet", "network": "internet", "انترنت": "internet"}
"""Words that the service takes for the same."""


@dataclass
class Service:
    """What it was asked, and how it is to answer: these first, then well."""

    url: str = ""
    asked: list[list[str]] = field(default_factory=list)
    bad_answers: list[tuple[int, bytes]] = field(default_factory=list)


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """A bag of meanings; the same for the same text, of any length."""
    found = [0.0] * dimensions
    for word in filter(is_content, words(text)):
        digest = hashlib.sha256(MEANINGS.get(word, word).encode()).digest()
        found[int.from_bytes(digest[:4]) % dimensions] += 3.0
    return found


@contextmanager
def embedding_service() -> Iterator[Service]:
    """Listens on loopback until the block ends."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                self._answer(401, _error("Incorrect API key provided.", "invalid_api_key"))
            elif self.path != "/v1/embeddings" or body["model"] != MODEL:
                self._answer(404, _error("The model does not exist.", "model_not_found"))
            elif service.bad_answers:
                self._answer(*service.bad_answers.pop(0))
            else:
                service.asked.append(body["input"])
                self._answer(200, _good(body["input"], body.get("dimensions", DIMENSIONS)))

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            if status == 429:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


def _good(texts: list[str], dimensions: int) -> bytes:
    data = [
        {"object": "embedding", "index": index, "embedding": vector(text, dimensions)}
        for index, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    # nothing promises an order
    answer = {"object": "list", "data": data[::-1], "model": MODEL, "usage": usage}
    return json.dumps(answer).encode()


def _error(message: str, code: str) -> bytes:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return json.dumps({"error": error}).encode()
