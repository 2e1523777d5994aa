"""LiveKit's stock frontend, by the published parts that agent-starter-react is made of."""

import subprocess
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route, expect

from tests.browser.chromium import FRONTEND, INTERCEPTED, chromium, require
from tests.browser.guest import eventually
from tests.browser.page import TalkPage
from tests.clients.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANSWER_MS = 30_000
AUDIBLE = 0.01


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built stock frontend."""
    require((FRONTEND / "node_modules").is_dir(), "frontend/node_modules (npm ci)")
    folder = tmp_path_factory.mktemp("starter")
    vite = FRONTEND / "node_modules" / ".bin" / "vite"
    config = FRONTEND / "tests" / "starter" / "vite.config.ts"
    subprocess.run(
        [vite, "build", "--config", config, "--outDir", folder, "--emptyOutDir"],
        cwd=FRONTEND,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return folder


async def open_starter(browser: Browser, stack: Stack, starter: Path) -> TalkPage:
    """Its files, seen on the address of the product, so that `/api/token` is the real one."""
    context = await browser.new_context()
    page = TalkPage(await context.new_page())

    async def serve(route: Route) -> None:
        name = route.request.url.removeprefix(f"{stack.url}/starter/").split("?")[0]
        await route.fulfill(path=starter / name)

    await page.tab.route("**/starter/**", serve)
    await page.tab.goto(f"{stack.url}/starter/index.html")
    return page


async def test_stock_frontend_joins_talks_and_ends(stack: Stack, starter: Path, tone: Path) -> None:
    """Catches an answer of `/api/token`, a state or a transcript that these parts do not take."""
    async with chromium(tone, INTERCEPTED) as browser:
        page = await open_starter(browser, stack, starter)
        async with page.tab.expect_response("**/api/token") as response:
            await page.button("Start call").click()
        answer = await (await response.value).json()
        assert {"serverUrl", "roomName", "participantName", "participantToken"} <= set(answer)

        state = page.tab.locator("output")
        await expect(state).to_have_text("speaking", timeout=ANSWER_MS)
        greeting = page.tab.locator("li[data-type=agentTranscript]").first
        await expect(greeting).not_to_be_empty()

        async def audible() -> bool:
            return await page.loudness(0.5) > AUDIBLE

        await eventually(audible, what="the greeting is heard")
        await expect(state).to_have_text("listening", timeout=ANSWER_MS)

        await page.tab.locator("input").fill("How long do I have to return something?")
        await page.button("Send").click()
        await expect(page.tab.locator("li[data-type=agentTranscript]").nth(1)).not_to_be_empty(
            timeout=ANSWER_MS
        )
        stack.await_status(answer["roomName"], "active")
        await page.button("End call").click()
        await expect(page.button("Start call")).to_be_visible()
        stack.await_status(answer["roomName"], "ended", within_s=90)
