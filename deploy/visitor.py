"""A person with a browser: `python -m deploy.visitor URL MICROPHONE.wav`.

Opens the page in Chromium, talks, hears the greeting, types a question and reads the answer; tells
over which addresses. Exit code 0: all of that.
"""

import asyncio
import sys
from pathlib import Path

from playwright.async_api import expect

from tests.browser.chromium import chromium
from tests.browser.page import TalkPage

AUDIBLE = 0.01
WITHIN_MS = 30_000
QUESTION = "When is the clinic open?"

KEEP_CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = new Proxy(window.RTCPeerConnection, {
    construct(kind, options) {
        const made = new kind(...options);
        window.connections.push(made);
        return made;
    },
});"""
ADDRESSES = """async () => {
    const told = [];
    for (const connection of window.connections) {
        const stats = await connection.getStats();
        for (const pair of stats.values()) {
            if (pair.type !== 'candidate-pair' || pair.state !== 'succeeded' || !pair.nominated)
                continue;
            const remote = stats.get(pair.remoteCandidateId);
            told.push(`${remote.address || 'what it learnt'}:${remote.port}/${remote.protocol}`);
        }
    }
    return told;
}"""


async def visit(url: str, microphone: Path) -> None:
    """Raises `AssertionError` at what does not work."""
    # as https would be; Chromium gives the microphone to no other page from elsewhere
    async with chromium(microphone, f"--unsafely-treat-insecure-origin-as-secure={url}") as browser:
        context = await browser.new_context(locale="en-US")
        await context.add_init_script(KEEP_CONNECTIONS)
        page = TalkPage(await context.new_page())
        await page.tab.goto(url)
        await page.button("Talk").click()
        said = page.words_of("assistant")
        await expect(said.first).not_to_be_empty(timeout=WITHIN_MS)
        if await page.loudness(2.0) < AUDIBLE:
            raise AssertionError("the greeting is not heard")
        print(f"  greeted; media over {', '.join(await page.tab.evaluate(ADDRESSES))}")
        await page.type(QUESTION)
        await expect(said.nth(1)).not_to_be_empty(timeout=WITHIN_MS)
        print("  a question is answered")
        await page.button("End").click()
        await expect(page.tab.get_by_text("The conversation has ended.")).to_be_visible()
        if page.errors:
            raise AssertionError(f"errors in the page: {page.errors}")


if __name__ == "__main__":
    asyncio.run(visit(sys.argv[1], Path(sys.argv[2])))
