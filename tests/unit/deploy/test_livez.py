"""The container's health check, against servers that answer well, badly and not at all."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deploy.livez import fault


@contextmanager
def answering(status: int) -> Iterator[dict[str, str]]:
    """A server whose `/livez` has this status; the environment that names it."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/livez" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield {"PORT": str(server.server_port)}
        finally:
            server.shutdown()
            thread.join()


def test_an_api_that_answers_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a check that fails always, or that asks the proxy of the container's environment."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with answering(200) as environment:
        assert fault(environment) is None


def test_an_api_that_answers_badly_is_not() -> None:
    """Catches a check that takes any answer."""
    with answering(503) as environment:
        assert fault(environment) == "/livez answers 503"


def test_an_api_that_is_gone_or_speaks_another_language_is_not() -> None:
    """Catches a check that passes, or fails with a traceback, where nothing answers."""
    with answering(200) as environment:
        assert "SSL" in str(fault({**environment, "TLS_CERT_FILE": "cert.pem"}))
    assert "refused" in str(fault(environment))
