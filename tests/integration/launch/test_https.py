"""HTTPS with a certificate given by setting: the page, its room server, and their webhooks."""

import http.server
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from livekit import api
from playwright.async_api import expect

from launch.certificate import certified_name
from launch.errors import LaunchError
from tests.browser.chromium import chromium, require, write_wav
from tests.browser.page import TalkPage
from tests.clients.stack import PROJECT_ROOT, Stack, eventually
from tests.integration.launch.certificate import Certificate, self_signed
from tests.rooms.server import API_KEY, API_SECRET, DevroomProcess

SECOND = b"\0\0" * 16_000


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """For `localhost` only, so that whoever goes by the address has to do without its name."""
    return self_signed(tmp_path_factory.mktemp("tls"), ["localhost"])


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Stack]:
    """The whole product with this certificate and nothing else configured."""
    files = {
        "TLS_CERT_FILE": str(certificate.cert_file),
        "TLS_KEY_FILE": str(certificate.key_file),
    }
    stack = Stack(tmp_path_factory.mktemp("stack"), environment=files)
    stack.url = f"https://localhost:{stack.port}"
    stack.http = httpx.Client(base_url=stack.url, verify=_only(certificate), timeout=15)
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()


def _only(certificate: Certificate) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate.cert_file)


async def test_the_page_talks_over_https(secure: Stack, tmp_path: Path) -> None:
    """Catches a page that may not use the microphone, or a room server that it may not open."""
    require((PROJECT_ROOT / "frontend" / "dist" / "index.html").is_file(), "frontend/dist")
    quiet = write_wav(tmp_path / "quiet.wav", SECOND * 2, 16_000)
    async with chromium(quiet, "--ignore-certificate-errors") as browser:
        page = await TalkPage.open(browser, secure.url, ignore_https_errors=True)
        sockets: list[str] = []
        page.tab.on("websocket", lambda opened: sockets.append(opened.url))
        assert await page.tab.evaluate("window.isSecureContext")
        await page.button("Talk").click()
        await expect(page.words_of("assistant").first).not_to_be_empty(timeout=20_000)
        assert {urlsplit(url).scheme for url in sockets} == {"wss"}
        await page.button("End").click()
        ended = page.tab.get_by_text("The conversation has ended.")
        await expect(ended).to_be_visible(timeout=20_000)


def test_rooms_are_told_of_by_the_certificates_name(secure: Stack) -> None:
    """Catches a room server's address that the browser's check of the certificate refuses."""
    assert secure.url in secure.log.read_text()
    started = secure.http.post("/api/session/start", json={}).json()
    url = urlsplit(started["serverUrl"])
    assert (url.scheme, url.hostname) == ("wss", "localhost")
    secure.await_status(started["sessionId"], "ready")
    secure.http.post("/api/session/end", json={"sessionId": started["sessionId"]})


def test_the_room_servers_api_answers_by_tls(secure: Stack, certificate: Certificate) -> None:
    """Catches a TLS port that has a page but no room server behind it."""
    started = secure.http.post("/api/session/start", json={}).json()
    secure.await_status(started["sessionId"], "ready")
    inherited = secure.environment_of("-m orchestrator")
    grants = api.VideoGrants(room_list=True)
    token = (
        api.AccessToken(inherited["LIVEKIT_API_KEY"], inherited["LIVEKIT_API_SECRET"])
        .with_grants(grants)
        .to_jwt()
    )
    url = started["serverUrl"].replace("wss", "https", 1)
    with httpx.Client(base_url=url, verify=_only(certificate)) as client:
        answer = client.post(
            "/twirp/livekit.RoomService/ListRooms",
            json={},
            headers={"Authorization": f"Bearer {token}"},
        )
    rooms = [room["name"] for room in answer.json()["rooms"]]
    secure.http.post("/api/session/end", json={"sessionId": started["sessionId"]})
    assert started["roomName"] in rooms
    assert "was not delivered" not in (secure.data_dir / "logs" / "devroom.log").read_text()


class _Heard(http.server.BaseHTTPRequestHandler):
    events: list[bytes]

    def do_POST(self) -> None:
        self.events.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def _listening(certificate: Certificate) -> Iterator[tuple[str, list[bytes]]]:
    """An https server on an address that its certificate does not name; what it is told."""
    events: list[bytes] = []
    handler = type("Heard", (_Heard,), {"events": events})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"https://127.0.0.1:{server.server_port}/hook", events
    finally:
        server.shutdown()
        serving.join()
        server.server_close()


@pytest.mark.parametrize("theirs", [True, False])
async def test_webhooks_accept_that_certificate_and_no_other(
    tmp_path: Path, certificate: Certificate, *, theirs: bool
) -> None:
    """Catches webhooks that are lost for the certificate's name, or told to anybody."""
    other = tmp_path / "other"
    other.mkdir()
    served = certificate if theirs else self_signed(other, ["localhost"])
    with _listening(served) as (url, events):
        trusted = ("--webhook-url", url, "--webhook-cert", str(certificate.cert_file))
        devroom = DevroomProcess(tmp_path / "devroom.log", ("--port", "0", *trusted))
        devroom.start()
        try:
            livekit_url = devroom.url
            async with api.LiveKitAPI(livekit_url, API_KEY, API_SECRET) as client:
                await client.room.create_room(api.CreateRoomRequest(name="den"))
            if theirs:
                eventually(lambda: events, within_s=20, what="the event")
                assert b"room_started" in events[0]
            else:
                told = "was not delivered"
                eventually(lambda: told in devroom.log.read_text(), within_s=40, what=told)
                assert events == []
        finally:
            devroom.close()


@pytest.mark.parametrize("broken", ["empty", "other key"])
def test_what_is_no_certificate_stops_the_start(
    tmp_path: Path, certificate: Certificate, broken: str
) -> None:
    """Catches a server that starts, and then answers nobody, or a traceback."""
    other = self_signed(tmp_path, ["localhost"])
    cert_file = tmp_path / "empty.pem" if broken == "empty" else certificate.cert_file
    (tmp_path / "empty.pem").touch()
    with pytest.raises(LaunchError, match="TLS_CERT_FILE"):
        certified_name(cert_file, other.key_file)
    files = ("--tls-cert", str(cert_file), "--tls-key", str(other.key_file))
    ended = subprocess.run(
        [sys.executable, "-m", "devroom", "--port", "0", *files],
        cwd=PROJECT_ROOT,
        env={"LIVEKIT_API_KEY": API_KEY, "LIVEKIT_API_SECRET": API_SECRET},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1, ended.stderr


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["majlis.example.org", "www.example.org"], "majlis.example.org"),
        (["*.example.org", "talk.example.org"], "talk.example.org"),
        (["192.0.2.7"], "192.0.2.7"),
        (["2001:db8::7"], "[2001:db8::7]"),
        (["*.example.org"], None),
    ],
)
def test_the_name_of_a_certificate(tmp_path: Path, names: list[str], expected: str | None) -> None:
    """Catches a room server's address that no browser can reach, such as a wildcard."""
    made = self_signed(tmp_path, names)
    assert certified_name(made.cert_file, made.key_file) == expected
