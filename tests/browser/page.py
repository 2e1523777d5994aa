"""The page as a person sees it, with a session API and an agent that follow a script."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from livekit import api, rtc
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.rooms.client import Crowd, Member, token

SESSION_ID = "session_1730462400000_abc123xyz"
USER = "user-1"


@dataclass
class ScriptedApi:
    """Stands in for the orchestrator: its sessions live in the room of `crowd`."""

    crowd: Crowd
    started: list[dict[str, Any]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    record: dict[str, str | None] = field(
        default_factory=lambda: {"status": "active", "endReason": None}
    )
    failure: int | None = None
    """The HTTP status with which starts fail."""

    async def answer(self, route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path == "/api/session/start":
            self.started.append(_sent(route))
            await self._answer_start(route)
        elif path == "/api/session/end":
            self.ended.append(_sent(route)["sessionId"])
            await route.fulfill(json={"success": True, "message": "ended"})
        else:
            assert path == f"/api/session/{SESSION_ID}"
            await route.fulfill(json={"success": True, "sessionId": SESSION_ID, **self.record})

    async def _answer_start(self, route: Route) -> None:
        if self.failure is not None:
            error = {"success": False, "error": {"code": "x", "message": "x"}}
            await route.fulfill(status=self.failure, json=error)
            return
        await route.fulfill(
            json={
                "success": True,
                "sessionId": SESSION_ID,
                "token": token(self.crowd.server, USER, self.crowd.grants()),
                "serverUrl": self.crowd.server.url,
                "roomName": self.crowd.room_name,
                "message": "Session created. Voice agent is being spawned.",
            }
        )


def _sent(route: Route) -> dict[str, Any]:
    document = route.request.post_data_json
    assert isinstance(document, dict)
    return document


class ScriptedAgent:
    """An agent that says what the test tells it to, in the way livekit-agents says it."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.typed: list[str] = []
        self._readers: set[Any] = set()
        member.room.register_text_stream_handler("lk.chat", self._on_chat)

    @classmethod
    async def join(cls, crowd: Crowd, **attributes: str) -> Self:
        jwt = (
            api.AccessToken(crowd.server.api_key, crowd.server.api_secret)
            .with_identity("agent-1")
            .with_kind("agent")
            .with_grants(crowd.grants(agent=True, can_update_own_metadata=True))
            .to_jwt()
        )
        agent = cls(await crowd.join_with(jwt))
        await agent.set(**{"lk.agent.state": "listening", **attributes})
        return agent

    async def set(self, **attributes: str) -> None:
        await self.member.local.set_attributes(attributes)

    async def be(self, state: str) -> None:
        await self.set(**{"lk.agent.state": state})

    async def user_said(self, segment: str, text: str, *, final: bool) -> None:
        """What it understood so far: a stream for each result, under the user's name."""
        user = self.member.room.remote_participants[USER]
        track = next(iter(user.track_publications), "")
        await self.member.local.send_text(
            text,
            topic="lk.transcription",
            attributes={
                "lk.segment_id": segment,
                "lk.transcribed_track_id": track,
                "lk.transcription_final": "true" if final else "false",
            },
        )

    async def begin(self, segment: str) -> rtc.TextStreamWriter:
        """Its own words, to be written as they are spoken; `aclose` makes them final."""
        return await self.member.local.stream_text(
            topic="lk.transcription",
            attributes={"lk.segment_id": segment, "lk.transcription_final": "false"},
        )

    async def say(self, segment: str, *words: str) -> None:
        writer = await self.begin(segment)
        for word in words:
            await writer.write(word)
        await writer.aclose(attributes={"lk.transcription_final": "true"})

    async def cite(self, *sources: Mapping[str, Any]) -> None:
        message = json.dumps({"sources": sources}, ensure_ascii=False)
        await self.member.local.send_text(message, topic="majlis.sources")

    def _on_chat(self, reader: rtc.TextStreamReader, _: str) -> None:
        task = asyncio.create_task(self._keep(reader))
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _keep(self, reader: rtc.TextStreamReader) -> None:
        self.typed.append(await reader.read_all())


class TalkPage:
    """One tab with the page in it."""

    def __init__(self, page: Page) -> None:
        self.tab = page
        self.hosts: set[str | None] = set()
        self.errors: list[str] = []
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname))
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    @classmethod
    async def open(
        cls,
        browser: Browser,
        url: str,
        sessions: ScriptedApi | None = None,
        *,
        locale: str = "en-US",
        **options: Any,
    ) -> Self:
        context = await browser.new_context(locale=locale, **options)
        page = cls(await context.new_page())
        if sessions is not None:
            await page.tab.route("**/api/**", sessions.answer)
        await page.tab.goto(url)
        await page.tab.get_by_role("main").wait_for()
        return page

    @property
    def lines(self) -> Locator:
        """The captions, oldest first."""
        return self.tab.locator(".line")

    @property
    def state(self) -> Locator:
        """What the assistant is doing, in a word."""
        return self.tab.get_by_test_id("agent-state")

    @property
    def notices(self) -> Locator:
        return self.tab.locator(".notice")

    def button(self, name: str) -> Locator:
        return self.tab.get_by_role("button", name=name, exact=True)

    def words_of(self, role: str) -> Locator:
        return self.tab.locator(f".line[data-role={role}] .words")

    async def type(self, text: str) -> None:
        await self.tab.locator(".composer input").fill(text)
        await expect(self.tab.locator(".composer button")).to_be_enabled(timeout=20_000)
        await self.tab.keyboard.press("Enter")

    async def loudness(self, seconds: float = 1.0) -> float:
        """The loudest moment of what the page plays, as root mean square of -1..1."""
        return float(await self.tab.evaluate(_LOUDNESS, seconds * 1000))


_LOUDNESS = """async (forMs) => {
    const playing = [...document.querySelectorAll('audio')].filter(
        ({ srcObject, muted, volume, paused }) => srcObject && !muted && !paused && volume > 0);
    const audio = new AudioContext();
    const analysers = playing.map(({ srcObject }) => {
        const analyser = new AnalyserNode(audio, { fftSize: 2048 });
        new MediaStreamAudioSourceNode(audio, { mediaStream: srcObject }).connect(analyser);
        return analyser;
    });
    const samples = new Float32Array(2048);
    let loudest = 0;
    const until = performance.now() + forMs;
    while (performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 30));
        for (const analyser of analysers) {
            analyser.getFloatTimeDomainData(samples);
            const square = samples.reduce((sum, sample) => sum + sample * sample, 0);
            loudest = Math.max(loudest, Math.sqrt(square / samples.length));
        }
    }
    await audio.close();
    return loudest;
}"""
