"""A room server of its own for each module, and a browser for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.chromium import chromium, write_tone
from tests.browser.files import serve
from tests.clients.stack import free_port
from tests.rooms.client import Crowd
from tests.rooms.server import DevroomProcess

MICROPHONE_HZ = 440


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


@pytest_asyncio.fixture
async def crowd(devroom: DevroomProcess) -> AsyncIterator[Crowd]:
    """Members by the Python SDK, as agents are."""
    async with Crowd(devroom.server, single=False) as crowd:
        yield crowd


@pytest.fixture(scope="session")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tone(tmp_path_factory.mktemp("audio") / "tone.wav", MICROPHONE_HZ)


@pytest_asyncio.fixture
async def browser(tone: Path) -> AsyncIterator[Browser]:
    """Its microphone hears a tone of `MICROPHONE_HZ`."""
    async with chromium(tone) as browser:
        yield browser


@pytest.fixture(scope="session")
def blank_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a page with nothing on it."""
    folder = tmp_path_factory.mktemp("blank")
    (folder / "index.html").write_text("<!doctype html><title>guest</title>")
    with serve(folder) as url:
        yield url
