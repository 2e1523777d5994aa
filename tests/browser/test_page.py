"""The built page in Chromium, over devroom, with an agent that follows a script."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from livekit import api
from playwright.async_api import Browser, expect

from tests.browser.chromium import build_page, chromium
from tests.browser.conftest import MICROPHONE_HZ
from tests.browser.files import serve
from tests.browser.guest import eventually
from tests.browser.page import SESSION_ID, USER, ScriptedAgent, ScriptedApi, TalkPage
from tests.rooms.client import Crowd, heard_frequency_hz
from tests.rooms.server import DevroomProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

AUDIBLE = 0.01
BACK_MS = 40_000
RETURNS = {
    "filename": "returns.md",
    "chunk_index": 2,
    "similarity_score": 0.8,
    "preview": "You can return anything within 30 days.",
}


@pytest.fixture(scope="module")
def page_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serve(build_page(tmp_path_factory.mktemp("dist"))) as url:
        yield url


@pytest.fixture
def sessions(crowd: Crowd) -> ScriptedApi:
    return ScriptedApi(crowd)


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, page_url: str, sessions: ScriptedApi) -> AsyncIterator[TalkPage]:
    page = await TalkPage.open(browser, page_url, sessions)
    yield page
    assert page.errors == []


@pytest_asyncio.fixture(loop_scope="session")
async def agent(page: TalkPage, crowd: Crowd) -> ScriptedAgent:
    """In a conversation with the page."""
    await page.button("Talk").click()
    agent = await ScriptedAgent.join(crowd)
    await expect(page.state).to_have_text("Listening")
    return agent


async def test_talk_brings_both_together(
    page: TalkPage, sessions: ScriptedApi, agent: ScriptedAgent
) -> None:
    """Catches a start that asks for the wrong thing, or a call in which one side is not heard."""
    assert sessions.started == [{"language": "en-US"}]
    track = await agent.member.hear()
    # the page's filters may turn a steady tone down, but not into another
    assert await heard_frequency_hz(track, 0.3) == pytest.approx(MICROPHONE_HZ, abs=10)
    assert await page.loudness(0.3) < AUDIBLE
    await agent.member.play(660)
    await eventually(lambda: _louder(page), what="the agent is heard")


async def _louder(page: TalkPage) -> bool:
    return await page.loudness() > AUDIBLE


async def test_captions_grow_and_stand(page: TalkPage, agent: ScriptedAgent) -> None:
    """Catches lost, doubled or misplaced captions, and words of the user shown as the agent's."""
    await agent.member.hear()
    await agent.user_said("u1", "how long", final=False)
    await expect(page.words_of("user")).to_have_text("how long")
    await expect(page.lines).to_have_attribute("data-final", "false")
    await agent.user_said("u1", "how long may I return it", final=True)
    await agent.be("thinking")
    await expect(page.state).to_have_text("Thinking…")
    await agent.cite(RETURNS)
    await agent.be("speaking")
    writer = await agent.begin("a1")
    await writer.write("Thirty ")
    await expect(page.words_of("assistant")).to_have_text("Thirty")
    await writer.write("days.")
    await writer.aclose(attributes={"lk.transcription_final": "true"})

    await expect(page.words_of("user")).to_have_text("how long may I return it")
    await expect(page.words_of("assistant")).to_have_text("Thirty days.")
    assert await page.lines.evaluate_all("(all) => all.map((line) => line.dataset.final)") == [
        "true",
        "true",
    ]
    await expect(page.tab.get_by_role("log")).to_have_text("Assistant: Thirty days.")


async def test_sources_can_be_read(page: TalkPage, agent: ScriptedAgent) -> None:
    """Catches an answer that does not show what it rests on."""
    await agent.cite(RETURNS)
    await agent.say("a1", "Thirty days.")
    sources = page.lines.locator(".sources")
    await expect(sources.locator("summary")).to_have_text("Sources: returns.md")
    await sources.locator("summary").click()
    await expect(sources.get_by_text("You can return anything")).to_be_visible()
    await expect(sources.get_by_text("passage 3")).to_be_visible()


async def test_typing_reaches_the_agent(page: TalkPage, agent: ScriptedAgent) -> None:
    """Catches typed words that are not sent, not shown, or left standing in the field."""
    await page.type("What about gifts?")
    await expect(page.words_of("user")).to_have_text("What about gifts?")
    await expect(page.tab.locator(".composer input")).to_have_value("")

    async def arrived() -> bool:
        return agent.typed == ["What about gifts?"]

    await eventually(arrived, what="the agent gets it")


async def test_mute_and_unmute(page: TalkPage, agent: ScriptedAgent) -> None:
    """Catches a microphone that goes on sending when the page says that it does not."""
    await agent.member.hear()
    await page.button("Mute microphone").click()
    await agent.member.next("track_muted")
    await page.button("Unmute microphone").click()
    await agent.member.next("track_unmuted")


async def test_end_ends_it_for_all(
    page: TalkPage, sessions: ScriptedApi, agent: ScriptedAgent
) -> None:
    """Catches sessions that live on after *End*, or an end that cannot be followed by a start."""
    await agent.say("a1", "Goodbye.")
    await expect(page.lines).to_have_count(1)
    await page.button("End").click()
    await expect(page.tab.get_by_text("The conversation has ended.")).to_be_visible()
    await expect(page.lines).to_have_count(1)
    assert sessions.ended == [SESSION_ID]
    await agent.member.next("participant_disconnected")
    await page.button("Talk again").click()
    await expect(page.state).to_have_text("Listening")
    await expect(page.lines).to_have_count(0)


@pytest.mark.parametrize(
    ("permissions", "words"),
    [([], "No microphone was found."), (None, "The microphone is blocked.")],
    ids=["missing", "blocked"],
)
async def test_without_a_microphone_typing_works(
    page_url: str,
    sessions: ScriptedApi,
    crowd: Crowd,
    permissions: list[str] | None,
    words: str,
) -> None:
    """Catches a page that is of no use, or says nothing, when it gets no microphone."""
    async with chromium() as browser:
        page = await TalkPage.open(browser, page_url, sessions)
        if permissions is None:
            await page.tab.add_init_script(_BLOCK_MICROPHONE)
            await page.tab.reload()
        else:
            await page.tab.context.grant_permissions(["microphone"])
        await page.button("Talk").click()
        agent = await ScriptedAgent.join(crowd)
        await expect(page.notices).to_contain_text(words)
        await expect(page.button("Try again")).to_be_visible()
        await page.type("Can you read me?")

        async def arrived() -> bool:
            return agent.typed == ["Can you read me?"]

        await eventually(arrived, what="the agent gets it")


_BLOCK_MICROPHONE = """
    navigator.mediaDevices.getUserMedia = () =>
        Promise.reject(new DOMException('Permission denied', 'NotAllowedError'));
"""


async def test_arabic_reads_from_right_to_left(
    browser: Browser, page_url: str, sessions: ScriptedApi, crowd: Crowd
) -> None:
    """Catches an Arabic page that is English in part, laid out or spoken to as English."""
    page = await TalkPage.open(browser, page_url, sessions, locale="ar-EG")
    root = page.tab.locator("html")
    await expect(root).to_have_attribute("dir", "rtl")
    await expect(root).to_have_attribute("lang", "ar")
    latin = re.compile("[A-Za-z]{2,}")
    shown = (await page.tab.locator("body").inner_text()).replace("English", "")
    assert not latin.search(shown), shown
    await page.button("تحدّث").click()
    assert sessions.started == [{"language": "ar-EG"}]
    agent = await ScriptedAgent.join(crowd)
    await expect(page.state).to_have_text("يستمع")
    await agent.say("a1", "أهلًا وسهلًا، كيف أساعدك؟")
    await agent.say("a2", "The file is called returns.md")
    directions = page.words_of("assistant")
    await expect(directions).to_have_count(2)
    assert await directions.evaluate_all(
        "(all) => all.map((words) => words.matches(':dir(rtl)'))"
    ) == [True, False]

    await page.button("English").click()
    await expect(root).to_have_attribute("dir", "ltr")
    await expect(page.state).to_have_text("Listening")
    await expect(page.lines).to_have_count(2)


async def test_language_that_cannot_be_heard_is_typed(
    browser: Browser, page_url: str, sessions: ScriptedApi, crowd: Crowd
) -> None:
    """Catches a person talking to a machine that cannot hear them, while it records."""
    page = await TalkPage.open(browser, page_url, sessions, locale="ar-EG")
    await page.button("تحدّث").click()
    agent = await ScriptedAgent.join(crowd, **{"majlis.speech": "off"})
    await expect(page.notices).to_contain_text("التعرّف على الكلام غير متاح")

    async def silent() -> bool:
        user = agent.member.room.remote_participants.get(USER)
        return user is not None and not user.track_publications

    await eventually(silent, what="the microphone is off")


async def test_answers_that_can_only_be_read_are_announced(page: TalkPage, crowd: Crowd) -> None:
    """Catches a person who waits for a voice that will not come."""
    await page.button("Talk").click()
    await ScriptedAgent.join(crowd, **{"majlis.voice": "off"})
    await expect(page.notices).to_contain_text("Answers come in writing")


@pytest.mark.parametrize(
    ("status", "words"),
    [(429, "All places are taken"), (503, "The service is not working"), (401, "credentials")],
)
async def test_refusals_are_said_in_plain_words(
    page: TalkPage, sessions: ScriptedApi, status: int, words: str
) -> None:
    """Catches a *Talk* that does nothing visible, or cannot be pressed again."""
    sessions.failure = status
    await page.button("Talk").click()
    await expect(page.tab.get_by_role("alert")).to_contain_text(words)
    await expect(page.button("Talk")).to_be_enabled()


async def test_agent_that_does_not_come(page: TalkPage, sessions: ScriptedApi) -> None:
    """Catches waiting without a word, and waiting for a session that has failed."""
    await page.button("Talk").click()
    await expect(page.state).to_have_text("Waiting for the assistant…")
    await expect(page.notices).to_contain_text("longer than usual", timeout=20_000)
    sessions.record = {"status": "failed", "endReason": "not_placed"}
    await expect(page.tab.get_by_text("The assistant could not continue.")).to_be_visible()


async def test_reload_comes_back_into_the_session(
    page: TalkPage, sessions: ScriptedApi, agent: ScriptedAgent
) -> None:
    """Catches a reload that ends the session, begins another, or forgets what was said."""
    await agent.member.hear()
    await agent.say("a1", "Hello.")
    await expect(page.lines).to_have_count(1)
    await page.tab.reload()
    await expect(page.state).to_have_text("Listening")
    await expect(page.words_of("assistant")).to_have_text("Hello.")
    assert len(sessions.started) == 1
    assert sessions.ended == []
    track = await agent.member.hear()
    assert await heard_frequency_hz(track, 0.3) == pytest.approx(MICROPHONE_HZ, abs=10)
    await agent.say("a2", "Welcome back.")
    await expect(page.lines).to_have_count(2)


async def test_reload_after_the_end_begins_anew(
    page: TalkPage, sessions: ScriptedApi, agent: ScriptedAgent
) -> None:
    """Catches a page that waits for a session that is over."""
    await expect(page.state).to_have_text("Listening")
    sessions.record = {"status": "ended", "endReason": "user_lost"}
    await page.tab.reload()
    await expect(page.tab.get_by_role("alert")).to_have_text("That conversation is over.")
    await expect(page.button("Talk")).to_be_enabled()


async def test_room_that_is_deleted_is_told_with_the_reason(
    page: TalkPage, sessions: ScriptedApi, agent: ScriptedAgent, crowd: Crowd
) -> None:
    """Catches a page that tries to come back into a session that was ended on purpose."""
    await expect(page.state).to_have_text("Listening")
    sessions.record = {"status": "ended", "endReason": "idle"}
    server = crowd.server
    url = server.url.replace("ws", "http", 1)
    async with api.LiveKitAPI(url, server.api_key, server.api_secret) as livekit:
        await livekit.room.delete_room(api.DeleteRoomRequest(room=crowd.room_name))
    await expect(page.tab.get_by_text("because nobody spoke for a while")).to_be_visible()


@pytest.mark.parametrize("stop", ["kill", "stop"])
async def test_dropped_link_is_told_and_mended(
    devroom: DevroomProcess, page: TalkPage, agent: ScriptedAgent, crowd: Crowd, stop: str
) -> None:
    """Catches a page that is silent about a dropped link, or stays out once it is back."""
    await agent.member.hear()
    await agent.say("a1", "Hello.")
    await expect(page.lines).to_have_count(1)
    getattr(devroom, stop)()
    await expect(page.notices).to_contain_text(re.compile("Reconnecting|Trying to come back"))
    devroom.start()
    await expect(page.notices).to_have_count(0, timeout=BACK_MS)
    successor = await ScriptedAgent.join(crowd)
    await expect(page.state).to_have_text("Listening")
    track = await successor.member.hear()
    assert await heard_frequency_hz(track, 0.3) == pytest.approx(MICROPHONE_HZ, abs=10)
    await successor.say("a2", "Here again.")
    await expect(page.lines).to_have_count(2)


async def test_what_is_typed_right_after_a_drop_arrives(
    devroom: DevroomProcess, page: TalkPage, agent: ScriptedAgent
) -> None:
    """Catches words sent as soon as the page allows it, and lost as its link is not ready yet."""
    await expect(page.state).to_have_text("Listening")
    devroom.kill()
    await expect(page.notices).to_contain_text(re.compile("Reconnecting|Trying to come back"))
    devroom.start()
    await agent.member.next("reconnected", within_s=BACK_MS / 1000)
    await expect(page.notices).to_have_count(0, timeout=BACK_MS)
    await page.type("Are you there?")

    async def arrived() -> bool:
        return agent.typed == ["Are you there?"]

    await eventually(arrived, what="the agent gets it")


async def test_keyboard_is_enough(page: TalkPage, crowd: Crowd) -> None:
    """Catches controls that only a mouse can reach."""
    for _ in range(3):  # language, name, talk
        await page.tab.keyboard.press("Tab")
    await page.tab.keyboard.press("Enter")
    await ScriptedAgent.join(crowd)
    await expect(page.state).to_have_text("Listening")
    reached = []
    for _ in range(5):
        await page.tab.keyboard.press("Tab")
        reached.append(await page.tab.evaluate("document.activeElement.ariaLabel"))
    assert {"Conversation", "Mute microphone", "Type a message"} <= set(reached), reached


async def test_page_needs_nobody_else(page: TalkPage, agent: ScriptedAgent) -> None:
    """Catches fonts, scripts or anything else that comes from other machines."""
    await agent.say("a1", "Hello.")
    assert page.hosts <= {"localhost", "127.0.0.1", None}, page.hosts


async def test_phone_and_desktop_fit(
    browser: Browser, page_url: str, sessions: ScriptedApi, tmp_path: Path
) -> None:
    """Catches a page that must be scrolled sideways, or whose controls are out of sight."""
    for locale in ("en-US", "ar-EG"):
        for width, height in ((320, 568), (390, 844), (1280, 800)):
            page = await TalkPage.open(
                browser,
                page_url,
                sessions,
                locale=locale,
                viewport={"width": width, "height": height},
            )
            await page.tab.locator(".talk").click()
            await expect(page.tab.locator(".composer input")).to_be_in_viewport(ratio=1)
            await expect(page.tab.locator(".end")).to_be_in_viewport(ratio=1)
            wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
            await page.tab.wait_for_function(wide, timeout=5_000)
            await page.tab.context.close()
