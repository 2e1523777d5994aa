"""A page with LiveKit's client and nothing else, driven from a test."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

from playwright.async_api import Browser, Page

from tests.browser.chromium import FRONTEND, require
from tests.rooms.client import Crowd, token

_CLIENT = FRONTEND / "node_modules" / "livekit-client" / "dist" / "livekit-client.umd.js"
_PROBE = Path(__file__).with_name("probe.js")
_WAIT_S = 20.0


class Guest:
    """One tab, and the room that it is in."""

    def __init__(self, page: Page) -> None:
        self._page = page

    @classmethod
    async def open(cls, browser: Browser, url: str) -> "Guest":
        require(_CLIENT.is_file(), "livekit-client (npm ci in frontend)")
        page = await browser.new_page()
        await page.goto(url)
        await page.add_script_tag(path=_CLIENT)
        await page.add_script_tag(path=_PROBE)
        return cls(page)

    async def run(self, script: str, *arguments: Any) -> Any:
        """Calls a JavaScript function with these arguments; what it returns or resolves to."""
        return await self._page.evaluate(f"(given) => ({script})(...given)", list(arguments))

    async def join(self, crowd: Crowd, identity: str, *, single: bool) -> None:
        jwt = token(crowd.server, identity, crowd.grants())
        options = {"singlePeerConnection": single}
        await self.run("probe.join", crowd.server.url, jwt, options)

    async def frequency_hz(self, track_sid: str) -> float:
        """The strongest frequency of a remote track."""
        return float(await self.run("(sid) => probe.frequencyOf(sid)", track_sid))

    async def events(self) -> list[str]:
        return cast("list[str]", await self.run("() => probe.events"))

    async def until(self, condition: str, what: str, within_s: float = _WAIT_S) -> Any:
        """Waits until a JavaScript expression is true."""
        return await eventually(
            lambda: self.run(f"() => {condition}"), what=what, within_s=within_s
        )


async def eventually(
    look: Callable[[], Awaitable[Any]], *, what: str, within_s: float = _WAIT_S
) -> Any:
    """The first truthy thing seen. Raises AssertionError, naming `what`."""
    try:
        async with asyncio.timeout(within_s):
            while True:
                if seen := await look():
                    return seen
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what}") from None
