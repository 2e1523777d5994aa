"""`/test` in real Chromium: `MediaRecorder`, `decodeAudioData`, both protocols."""

import tempfile
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.browser.chromium import chromium, close_all, require, write_wav
from tests.clients.stack import PROJECT_ROOT
from tests.integration.gateway.conftest import SETTINGS
from tests.integration.gateway.doors import Doors, open_doors

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEECH = PROJECT_ROOT / "tests" / "audio" / "go-forward.wav"
QUESTION = "How many days do I have to send something back?"
WITHIN_MS = 30_000


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    require((PROJECT_ROOT / "frontend" / "dist" / "test.html").is_file(), "the page (make page)")
    with (
        tempfile.TemporaryDirectory(prefix="mj") as folder,
        open_doors(Path(folder), SETTINGS) as doors,
    ):
        yield doors


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def speaking_browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """Its microphone says "go forward ten meters" over and over."""
    with wave.open(str(SPEECH)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    at = np.arange(3 * len(samples)) / 3
    louder = np.interp(at, np.arange(len(samples)), samples).astype("<i2").tobytes()
    folder = tmp_path_factory.mktemp("audio")
    spoken = write_wav(folder / "spoken.wav", louder + bytes(48_000), 48_000)
    async with chromium(spoken) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def page(doors: Doors, speaking_browser: Browser) -> AsyncIterator[Page]:
    page = await speaking_browser.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    await page.goto(f"http://localhost:{doors.port}/test")
    yield page
    await close_all(speaking_browser)
    assert faults == []


async def connect(page: Page, protocol: str, **options: str) -> None:
    await page.select_option("[name=protocol]", protocol)
    for name in ("audio_format", "pacing"):
        await page.select_option(f"[name={name}]", options.get(name, ""))
    await page.click("#connect")
    await expect(page.locator("#talk")).to_be_enabled(timeout=WITHIN_MS)


async def message(page: Page, part: str) -> None:
    """Wait until a message that contains this is shown."""
    await expect(page.locator("#messages li", has_text=part).first).to_be_visible(timeout=WITHIN_MS)


async def played(page: Page) -> tuple[float, float]:
    """Seconds of audio, and of silence between its chunks."""
    gaps = page.locator("#gaps")
    length = float(await gaps.get_attribute("data-length") or 0)
    return length, float(await gaps.get_attribute("data-gaps") or 0)


async def test_speaking_a_turn(page: Page) -> None:
    """Catches a browser's recording that is not understood, or chunks that it cannot play."""
    await connect(page, "conversation")
    await page.click("#microphone")
    await page.wait_for_timeout(3200)
    await page.click("#microphone")
    await message(page, '"type":"complete"')
    words = page.locator("#messages li", has_text='"is_final":true').first
    await expect(words).to_contain_text("forward")
    for step in ("transcript", "rag_response", "first audio", "complete"):
        await expect(page.locator("#steps tr", has_text=step).first).to_be_visible()
    length_s, _ = await played(page)
    assert length_s > 0.5


async def test_every_format_plays_as_long_in_chromium(page: Page) -> None:
    """Catches silence that a decoder leaves at the ends of a chunk: it would be heard as a gap."""
    lengths = {}
    for audio_format in ("wav", "mp3"):
        await connect(page, "conversation", audio_format=audio_format, pacing="none")
        await page.fill("#text", QUESTION)
        await page.click("#send")
        await expect(page.locator("#state")).to_have_text("idle", timeout=WITHIN_MS)
        await page.wait_for_function(
            "() => document.querySelectorAll('#steps tr').length > 3"
            " && Number(document.getElementById('gaps').dataset.length) > 3",
            timeout=WITHIN_MS,
        )
        await page.wait_for_timeout(500)
        lengths[audio_format], _ = await played(page)
        await page.click("#disconnect")
        await expect(page.locator("#connect")).to_be_enabled()
    # an encoder's delay would be 70 ms a chunk
    assert lengths["mp3"] == pytest.approx(lengths["wav"], abs=0.03)


async def test_a_file_and_interrupting_over_the_duplex_protocol(page: Page) -> None:
    """Catches a page that does not stop, or says too soon that it has played everything."""
    await connect(page, "orchestrate", pacing="none")
    await page.fill("#text", QUESTION)
    await page.click("#send")
    await expect(page.locator("#state")).to_have_text("speaking", timeout=WITHIN_MS)
    await page.wait_for_timeout(300)
    await page.click("#interrupt")
    await message(page, '"playback_control"')
    await expect(page.locator("#state")).to_have_text("listening", timeout=WITHIN_MS)
    await page.click("#microphone")
    await message(page, '"type":"transcript"')
    await expect(page.locator("#state")).to_have_text("speaking", timeout=WITHIN_MS)
    await page.click("#microphone")
    await expect(page.locator("#state")).to_have_text("listening", timeout=WITHIN_MS)
    await message(page, '"playback_done"')
