"""The page on the whole product: real agents, real rooms, real speech, no keys.

The browser's microphone is a WAV with a person's voice; what the page shows and plays is judged.
"""

import os
import re
import signal
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from tests.browser.chromium import chromium, close_all, require, write_wav
from tests.browser.guest import eventually
from tests.browser.page import TalkPage
from tests.clients.stack import PROJECT_ROOT, Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPEECH = PROJECT_ROOT / "tests" / "audio" / "austen-0870.wav"
SPOKEN = (
    "and mister john dashwood had then leisure to consider how much there might be prudently in "
    "his power to do for them"
)
BEFORE_S = 9
"""Of silence before the voice, so that the greeting is over."""
BETWEEN_S = 18
AFTER_S = 120
AUDIBLE = 0.01
ANSWER_MS = 30_000
BACK_MS = 45_000
RATE_HZ = 16_000


@pytest.fixture(scope="module", autouse=True)
def built_page() -> None:
    page = PROJECT_ROOT / "frontend" / "dist" / "index.html"
    require(page.is_file(), "frontend/dist (npm run build)")


@pytest.fixture(scope="module")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Silence, the voice, time for an answer, the voice again as for somebody who was not
    understood, and silence for longer than a test takes."""
    second = b"\0\0" * RATE_HZ
    spoken = _pcm(SPEECH)
    pcm = second * BEFORE_S + spoken + second * BETWEEN_S + spoken + second * AFTER_S
    return write_wav(tmp_path_factory.mktemp("audio") / "voice.wav", pcm, RATE_HZ)


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The voice over and over: somebody who never stops."""
    return write_wav(tmp_path_factory.mktemp("audio") / "talker.wav", _pcm(SPEECH), RATE_HZ)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pcm = b"\0\0" * RATE_HZ * 2
    return write_wav(tmp_path_factory.mktemp("audio") / "quiet.wav", pcm, RATE_HZ)


def _pcm(path: Path) -> bytes:
    with wave.open(str(path), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        return file.readframes(file.getnframes())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def quiet_browser(quiet: Path) -> AsyncIterator[Browser]:
    async with chromium(quiet) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def silent_browser(quiet_browser: Browser) -> AsyncIterator[Browser]:
    """A microphone that hears nothing."""
    yield quiet_browser
    await close_all(quiet_browser)


async def greeted(page: TalkPage, talk: str = "Talk") -> None:
    """In a conversation, with the greeting said."""
    await page.button(talk).click()
    await expect(page.words_of("assistant").first).not_to_be_empty(timeout=15_000)
    await expect(page.lines.first).to_have_attribute("data-final", "true", timeout=15_000)


async def answered(page: TalkPage, question: str, source: str) -> None:
    """The question is typed, and its answer is shown with this source, and begins to be heard."""
    before = await page.words_of("assistant").count()
    await page.type(question)
    answer = page.tab.locator(".line[data-role=assistant]").nth(before)
    await expect(answer.locator(".sources summary")).to_contain_text(source, timeout=ANSWER_MS)
    await eventually(lambda: _audible(page), what="the answer is heard")


async def _audible(page: TalkPage) -> bool:
    return await page.loudness(0.5) > AUDIBLE


async def _silent(page: TalkPage) -> bool:
    return await page.loudness(0.5) < AUDIBLE


def session_id(remembered: str) -> str:
    found = re.search(r"session_\d+_[a-z0-9]{9}", remembered)
    assert found is not None
    return found.group()


async def current_session(page: TalkPage) -> str:
    """The session that the page would come back to."""
    return session_id(await page.tab.evaluate("JSON.stringify(sessionStorage)"))


async def test_spoken_question_is_answered_with_its_source(stack: Stack, voice: Path) -> None:
    """Catches a break anywhere between a person's microphone and what they see and hear."""
    async with chromium(voice) as browser:
        page = await TalkPage.open(browser, stack.url)
        await page.button("Talk").click()
        await eventually(lambda: _audible(page), what="the greeting is heard", within_s=15)
        await expect(page.words_of("assistant").first).not_to_be_empty()

        user = page.words_of("user").first
        await expect(user).not_to_be_empty(timeout=ANSWER_MS)
        answer = page.tab.locator(".line[data-role=assistant]", has_text="austen.md").first
        await expect(answer).to_be_visible(timeout=2 * ANSWER_MS)
        await eventually(lambda: _audible(page), what="the answer is heard")
        await expect(answer).to_have_attribute("data-final", "true", timeout=ANSWER_MS)

        understood = set(" ".join(await page.words_of("user").all_inner_texts()).lower().split())
        spoken = set(SPOKEN.split())
        assert len(spoken & understood) / len(spoken) > 0.5, understood
        await expect(page.state).to_have_text("Listening", timeout=ANSWER_MS)
        assert page.errors == []
        assert page.hosts <= {"127.0.0.1", "localhost", None}
        await page.button("End").click()
        await expect(page.tab.get_by_text("The conversation has ended.")).to_be_visible()


async def test_typing_in_english_and_in_arabic(stack: Stack, silent_browser: Browser) -> None:
    """Catches typed questions without an answer, or with one in or from the other language."""
    page = await TalkPage.open(silent_browser, stack.url)
    await greeted(page)
    await answered(page, "How long do I have to return something?", "return")
    await expect(page.lines.last).to_have_attribute("data-final", "true", timeout=ANSWER_MS)
    await page.button("End").click()

    page = await TalkPage.open(silent_browser, stack.url, locale="ar-EG")
    await greeted(page, "تحدّث")
    await answered(page, "ما هي مدة إرجاع المنتجات؟", "ar/")
    words = page.words_of("assistant").last
    assert await words.evaluate("(words) => words.matches(':dir(rtl)')")
    await page.button("إنهاء").click()


async def test_arabic_that_cannot_be_heard_is_said(stack: Stack, silent_browser: Browser) -> None:
    """Catches a person who talks to a machine without a recogniser of Arabic."""
    page = await TalkPage.open(silent_browser, stack.url, locale="ar-EG")
    await greeted(page, "تحدّث")
    try:
        await expect(page.notices).to_contain_text("التعرّف على الكلام غير متاح")
    finally:
        await page.button("إنهاء").click()


async def test_speaking_interrupts(stack: Stack, talker: Path) -> None:
    """Catches an assistant that talks on while somebody speaks."""
    async with chromium(talker) as browser:
        page = await TalkPage.open(browser, stack.url)
        await page.button("Talk").click()
        await page.button("Mute microphone").click()
        identity = await current_session(page)
        await expect(page.state).to_have_text("Listening", timeout=ANSWER_MS)
        await page.type("How long do I have to return something, and what about gifts?")
        await expect(page.state).to_have_text("Speaking", timeout=ANSWER_MS)
        await eventually(lambda: _audible(page), what="the answer is heard")
        await page.button("Unmute microphone").click()
        await eventually(lambda: _silent(page), what="it falls silent", within_s=8)

        async def interrupted() -> bool:
            record: dict[str, Any] = stack.http.get(f"/api/session/{identity}").json()
            turns = record.get("transcript") or []
            return any(turn["role"] == "assistant" and turn["interrupted"] for turn in turns)

        await eventually(interrupted, what="the answer counts as interrupted", within_s=15)
        await page.button("End").click()
        await expect(page.tab.get_by_text("The conversation has ended.")).to_be_visible()


async def test_dropped_link_and_reload(stack: Stack, silent_browser: Browser) -> None:
    """Catches a conversation that does not survive its room server, or a reload of the page."""
    page = await TalkPage.open(silent_browser, stack.url)
    await greeted(page)
    identity = await current_session(page)
    rooms = stack.find("-m devroom")
    assert rooms is not None
    os.kill(rooms.pid, signal.SIGKILL)
    await expect(page.notices).to_contain_text(re.compile("Reconnecting|Trying to come back"))
    await expect(page.notices).to_have_count(0, timeout=BACK_MS)
    await answered(page, "How long do I have to return something?", "return")
    await expect(page.state).to_have_text("Listening", timeout=ANSWER_MS)

    lines = await page.lines.count()
    await page.tab.reload()
    await expect(page.lines).to_have_count(lines)
    await expect(page.state).to_have_text("Listening", timeout=BACK_MS)
    assert await current_session(page) == identity
    assert stack.status(identity) == "active"
    await answered(page, "How much does shipping cost?", "shipping")
    await page.button("End").click()
    stack.await_status(identity, "ended")
