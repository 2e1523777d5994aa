"""What a start says of the services, and what it takes from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from agent.stages.choice import choose
from launch.services import languages, look_at_services
from launch.settings import LaunchSettings


@contextmanager
def service(body: str, status: int = 200) -> Iterator[str]:
    """A service that says this of itself; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def settings(**given: object) -> LaunchSettings:
    return LaunchSettings.model_validate({"provider_variables": {}, **given})


def test_without_services_nobody_is_asked() -> None:
    """Catches a start that waits for a service which nobody set."""
    assert look_at_services(settings(), choose(settings())) == ()


def test_a_service_says_what_it_is() -> None:
    """Catches languages that the agents do not hear of."""
    body = '{"status": "healthy", "model": "pocketsphinx", "languages": ["en"], "new": 1}'
    with service(body) as url:
        ours = settings(asr_service_url=url)
        found = look_at_services(ours, choose(ours))
    assert [one.told for one in found] == [f"ASR_SERVICE_URL: {url}: healthy (pocketsphinx; en)"]
    assert languages(found) == "en"


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ('{"status": "unhealthy"}', 503, "it says that it cannot serve"),
        ("<html>", 200, "it answers 200, and not as a service does"),
        ("x" * 100_000, 200, "it says too much of itself"),
    ],
)
def test_one_that_is_not_well_is_told_of(body: str, status: int, why: str) -> None:
    """Catches a start that fails, or says nothing, for a service that is not there yet."""
    with service(body, status) as url:
        ours = settings(tts_service_url=url)
        (found,) = look_at_services(ours, choose(ours))
    assert found.health is None
    assert found.why == why
    assert languages((found,)) == ""


def test_secrets_in_an_address_are_not_told() -> None:
    """Catches a password in a log."""
    ours = settings(rag_service_url="http://user:secret@127.0.0.1:1/base?key=secret")
    (found,) = look_at_services(ours, choose(ours))
    assert "secret" not in found.told
    assert "does not answer" in found.told
