"""A room server of its own for each module; one browser and one whole product for all tests.

Starting a browser takes longer than most tests; what a test opens in it is closed after the test.
The browser, and so every test here, lives in one event loop.
"""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.acceptance.conftest import AUSTEN
from tests.browser.chromium import chromium, close_all, write_tone
from tests.browser.files import serve
from tests.clients.stack import PROJECT_ROOT, Stack, free_port
from tests.rooms.client import Crowd
from tests.rooms.server import DevroomProcess

MICROPHONE_HZ = 440
expect.set_options(timeout=20_000)  # ms: a machine may do other things too


@pytest.fixture(scope="module")
def devroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevroomProcess]:
    """On a port that stays its own when it is started again."""
    log = tmp_path_factory.mktemp("devroom") / "devroom.log"
    process = DevroomProcess(log, ("--port", str(free_port())))
    process.start()
    try:
        yield process
    finally:
        process.close()
    assert process.faults() == []


@pytest.fixture(params=["single", "dual"])
def single(request: pytest.FixtureRequest) -> bool:
    """Whether the browser uses one peer connection both ways, or one each way."""
    return bool(request.param == "single")


@pytest_asyncio.fixture(loop_scope="session")
async def crowd(devroom: DevroomProcess) -> AsyncIterator[Crowd]:
    """Members by the Python SDK, as agents are."""
    async with Crowd(devroom.server, single=False) as crowd:
        yield crowd


@pytest.fixture(scope="session")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tone(tmp_path_factory.mktemp("audio") / "tone.wav", MICROPHONE_HZ)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lasting_browser(tone: Path) -> AsyncIterator[Browser]:
    """Its microphone hears a tone of `MICROPHONE_HZ`."""
    async with chromium(tone) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def browser(lasting_browser: Browser) -> AsyncIterator[Browser]:
    """The same, with nothing of another test in it."""
    yield lasting_browser
    await close_all(lasting_browser)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole product, with a page of a novel among the sample documents."""
    documents = tmp_path_factory.mktemp("documents") / "default"
    shutil.copytree(PROJECT_ROOT / "documents" / "default", documents)
    (documents / "austen.md").write_text(AUSTEN)
    environment = {
        "KNOWLEDGE_DIR": str(documents.parent),
        "KEEP_TRANSCRIPTS": "true",
        "USER_REJOIN_TIMEOUT_SECONDS": "15",
    }
    running = Stack(tmp_path_factory.mktemp("stack"), environment=environment)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def blank_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page with nothing on it."""
    folder = tmp_path_factory.mktemp("blank")
    (folder / "index.html").write_text("<!doctype html><title>guest</title>")
    with serve(folder) as url:
        yield url
