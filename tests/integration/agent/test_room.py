"""Agents in rooms, heard and seen by a real client."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from livekit import api

from agent.assistants.description import StageProviders
from agent.host_protocol import End
from agent.job import (
    AgentEnded,
    AgentExited,
    AgentJoined,
    Brief,
    EndReason,
    Job,
    Role,
    Turn,
    TurnEnded,
    UserJoined,
    UserLeft,
)
from agent.lease import Leases
from agent.phrases import phrases
from tests.integration.agent.processes import (
    HostProcess,
    RedisProcess,
    alive,
    job,
    until_gone,
)
from tests.integration.agent.user import User
from tests.rooms.server import DevroomProcess

AUDIO = Path(__file__).resolve().parents[2] / "audio"
RETURNS = "How do I return something that I bought?"


class Call:
    """A user and an agent in one room."""

    def __init__(self, host: HostProcess, user: User, wanted: Job, pid: int) -> None:
        self.host = host
        self.user = user
        self.job = wanted
        self.pid = pid

    @property
    def agent(self) -> str:
        return self.job.agent_identity

    def turns(self) -> list[Turn]:
        """What was reported to have been said."""
        reports = self.host.redis.reports(self.job.session_id)
        return [report.turn for report in reports if isinstance(report, TurnEnded)]

    def ended(self) -> AgentEnded | None:
        """Why the agent left."""
        reports = self.host.redis.reports(self.job.session_id)
        return next((r for r in reports if isinstance(r, AgentEnded)), None)

    async def until_gone(self, *, within_s: float = 20.0) -> None:
        """Wait until the agent's process is gone and its exit is reported."""
        await self.user.until(lambda: not alive(self.pid), what="agent gone", within_s=within_s)
        await self.user.until(
            lambda: any(
                isinstance(r, AgentExited) for r in self.host.redis.reports(self.job.session_id)
            ),
            what="exit reported",
        )


@pytest.fixture
async def user(devroom: DevroomProcess, session_id: str) -> AsyncIterator[User]:
    async with User(devroom.server, session_id) as user:
        yield user


@pytest.fixture
async def call(talking_host: HostProcess, user: User, session_id: str) -> AsyncIterator[Call]:
    """A call whose agent has just been asked for."""
    wanted = job(session_id)
    call = Call(talking_host, user, wanted, talking_host.spawn(wanted))
    yield call
    if alive(call.pid):
        talking_host.ask(End(session_id))
    await user.until(lambda: not alive(call.pid), what="agent gone")


async def test_the_user_is_greeted(call: Call) -> None:
    """Catches an agent that is there and silent, or that nobody can see the state of."""
    user = call.user
    await user.until_quiet()
    assert user.agents == [call.agent]
    assert 1.0 < user.heard_s() < 4.0
    await user.until(lambda: user.transcript(call.agent), what="transcript")
    assert user.transcript(call.agent).strip() == call.job.opening_line
    assert "speaking" in user.states
    reports = call.host.redis.reports(call.job.session_id)
    kinds = [type(report) for report in reports]
    assert kinds.index(AgentJoined) < kinds.index(UserJoined) < kinds.index(TurnEnded)
    assert [(t.role, t.text) for t in call.turns()] == [(Role.ASSISTANT, call.job.opening_line)]


async def test_a_typed_question_is_answered_from_the_documents(call: Call) -> None:
    """Catches an answer whose sources come after it, or that rests on none."""
    user = call.user
    await user.until_quiet()
    asked_at = await user.type(RETURNS)
    await user.until_quiet(since=asked_at)
    first_sound = next(at for at in user.audible if at > asked_at)
    sources_at, sources = user.sources[-1]
    assert asked_at < sources_at < first_sound
    assert sources[0]["filename"] == "en/returns.md"
    assert set(sources[0]) == {"filename", "chunk_index", "similarity_score", "preview"}
    await user.until(lambda: len(call.turns()) == 3, what="three turns")
    _, question, answer = call.turns()
    assert (question.role, question.text) == (Role.USER, RETURNS)
    assert answer.sources[0].filename == "en/returns.md"
    assert not answer.interrupted


async def test_what_the_documents_do_not_hold(call: Call) -> None:
    """Catches a client that waits for sources that never come."""
    user = call.user
    await user.until_quiet()
    asked_at = await user.type("qwertz uiop asdfgh")
    await user.until(lambda: user.sources, what="sources")
    assert user.sources[-1][1] == []
    await user.until_quiet(since=asked_at)
    assert "not find" in call.turns()[-1].text


async def test_vendors_that_are_down(
    talking_host: HostProcess, user: User, session_id: str
) -> None:
    """Catches a call that is silent, deaf or over because its vendors refuse it."""
    stages = StageProviders(
        recognition="assemblyai,local", answers="groq,local", speech="inworld,local"
    )
    wanted = replace(job(session_id), brief=Brief(stages=stages))
    call = Call(talking_host, user, wanted, talking_host.spawn(wanted))
    try:
        await user.until_quiet()
        assert user.heard_s() > 1.0
        asked_at = await user.type(RETURNS)
        await user.until_quiet(since=asked_at)
        await user.until(lambda: len(call.turns()) == 3, what="an answer", within_s=30)
        await user.speak(AUDIO / "go-forward.wav")
        await user.until(lambda: len(call.turns()) >= 5, what="another answer", within_s=30)
    finally:
        talking_host.ask(End(session_id))
        await user.until(lambda: not alive(call.pid), what="agent gone")
    _, question, answer, spoken, _ = call.turns()[:5]
    assert question.text == RETURNS
    assert answer.sources[0].filename == "en/returns.md"
    assert "forward" in spoken.text


async def test_a_typed_turn_interrupts(call: Call) -> None:
    """Catches an answer that goes on, and a history of what was never heard."""
    user = call.user
    await user.until_quiet()
    asked_at = await user.type(RETURNS)
    await user.until(lambda: user.heard_s(asked_at) > 0.8, what="an answer")
    again_at = await user.type("When are you open?")
    await user.until_quiet(since=again_at)
    await user.until(lambda: len(call.turns()) >= 5, what="five turns")
    answers = [turn for turn in call.turns() if turn.role is Role.ASSISTANT]
    assert [turn.interrupted for turn in answers] == [False, True, False]
    assert len(answers[1].text.split()) < 12


async def test_speech_is_understood_and_interrupts(call: Call) -> None:
    """Catches a deaf agent, and one that talks on while the user speaks."""
    user = call.user
    await user.until_quiet()
    asked_at = await user.type(RETURNS)
    await user.until(lambda: user.heard_s(asked_at) > 0.5, what="an answer")
    await user.speak(AUDIO / "go-forward.wav")
    await user.until(lambda: "forward" in user.transcript("user"), what="the user's words")
    await user.until(lambda: len(call.turns()) >= 4, what="the spoken turn")
    _, _, answer, spoken = call.turns()[:4]
    assert answer.interrupted
    assert spoken.role is Role.USER
    assert "forward" in spoken.text
    assert any(not final for who, _, final in user.said if who == "user")


async def test_ending_is_prompt_and_silent(call: Call) -> None:
    """Catches an agent that talks on after the session was ended."""
    user = call.user
    await user.until(lambda: user.heard_s() > 0.8, what="the greeting")
    ended_at = time.monotonic()
    call.host.ask(End(call.job.session_id))
    await call.until_gone()
    await user.until(lambda: not user.agents, what="nobody there")
    await asyncio.sleep(0.5)
    assert user.heard_s(ended_at) < 0.6  # of the 1.2 s that were left of the greeting
    assert call.ended() is None
    (greeting,) = call.turns()
    assert greeting.interrupted
    assert len(greeting.text) < len(call.job.opening_line)


async def test_a_user_who_leaves(call: Call) -> None:
    """Catches an agent that stays in a room that its user has left."""
    user = call.user
    await user.until(lambda: user.agents, what="the agent")
    await user.room.disconnect()
    await call.until_gone()
    ended = call.ended()
    assert ended is not None
    assert ended.reason is EndReason.USER_LEFT


async def test_a_page_that_is_reloaded(call: Call, devroom: DevroomProcess) -> None:
    """Catches a conversation that is over, or deaf, after its user came back."""
    await call.user.until_quiet()
    await call.user.room.disconnect()
    async with User(devroom.server, call.job.session_id) as again:
        await again.until(lambda: again.agents == [call.agent], what="the same agent")
        asked_at = await again.type(RETURNS)
        await again.until_quiet(since=asked_at)
        assert again.sources[-1][1]
        await again.speak(AUDIO / "go-forward.wav")
        await again.until(lambda: "forward" in again.transcript("user"), what="the user's words")
    kinds = [type(report) for report in call.host.redis.reports(call.job.session_id)]
    assert kinds.count(UserJoined) == 2
    assert kinds.count(UserLeft) >= 1
    assert alive(call.pid)


async def test_an_idle_user(call: Call) -> None:
    """Catches a call that nobody hangs up, and an end without a word."""
    user = call.user
    await user.until_quiet()
    quiet_at = time.monotonic()
    await call.until_gone(within_s=20)
    ended = call.ended()
    assert ended is not None
    assert ended.reason is EndReason.IDLE
    assert user.heard_s(quiet_at) > 0.3


async def test_a_room_that_is_deleted(call: Call, devroom: DevroomProcess) -> None:
    """Catches an agent that outlives its room."""
    await call.user.until_quiet()
    server = devroom.server
    client = api.LiveKitAPI(server.url, server.api_key, server.api_secret)
    await client.room.delete_room(api.DeleteRoomRequest(room=call.job.session_id))
    await client.aclose()
    await call.until_gone()
    ended = call.ended()
    assert ended is not None
    assert ended.reason is EndReason.ROOM_GONE


async def test_a_lost_lease(call: Call, redis_process: RedisProcess) -> None:
    """Catches a stale agent that goes on, or that ends the session of its successor."""
    await call.user.until(lambda: call.user.agents, what="the agent")
    redis_process.client.hset(Leases.key(call.job.session_id), "fence", "99")
    await call.until_gone()
    assert call.ended() is None


async def test_a_successor_takes_over(call: Call) -> None:
    """Catches two agents in a room, a throw-out that never ends, and a greeting said twice."""
    user = call.user
    await user.until_quiet()
    history = (Turn(Role.USER, RETURNS, at=1.0), Turn(Role.ASSISTANT, "By post.", at=2.0))
    successor = replace(call.job, fence=2, attempt=1, history=history)
    spawned_at = time.monotonic()
    pid = call.host.spawn(successor)
    await user.until(lambda: not alive(call.pid), what="the first is gone")
    await user.until_quiet(since=spawned_at)
    assert user.agents == [call.agent]
    assert call.turns()[-1].text == phrases("en-US").recovered
    assert alive(pid)
    call.pid = pid


async def test_a_late_stale_agent_does_not_join(
    call: Call, redis_process: RedisProcess, session_id: str
) -> None:
    """Catches an agent without a lease that throws the rightful one out of the room."""
    await call.user.until_quiet()
    redis_process.client.hset(Leases.key(f"{session_id}_other"), "fence", "7")
    late = job(f"{session_id}_other")
    pid = call.host.spawn(late)
    redis_process.client.hset(Leases.key(late.session_id), "fence", "7")
    await call.user.until(lambda: not alive(pid), what="the late one is gone")
    assert AgentEnded not in [type(r) for r in redis_process.reports(late.session_id)]


def test_a_user_who_never_comes(
    talking_host: HostProcess, redis_process: RedisProcess, session_id: str
) -> None:
    """Catches an agent that waits for ever."""
    pid = talking_host.spawn(job(session_id))
    until_gone([pid], within_s=20)
    (ended,) = (r for r in redis_process.reports(session_id) if isinstance(r, AgentEnded))
    assert ended.reason is EndReason.USER_NEVER_CAME


async def test_arabic(talking_host: HostProcess, user: User, session_id: str) -> None:
    """Catches a language without a recogniser that cannot be typed in, or is not spoken."""
    wanted = job(session_id, language="ar-EG", opening_line="مرحبًا! كيف يمكنني مساعدتك؟")
    call = Call(talking_host, user, wanted, talking_host.spawn(wanted))
    await user.until_quiet()
    asked_at = await user.type("ما هي مدة إرجاع المنتج؟")
    await user.until_quiet(since=asked_at)
    assert user.sources[-1][1][0]["filename"].startswith("ar/")
    talking_host.ask(End(session_id))
    await call.until_gone()


async def test_draining_ends_calls_politely(talking_host: HostProcess, call: Call) -> None:
    """Catches calls that are cut off without a word; the last test, as it ends the host."""
    user = call.user
    await user.until_quiet()
    told_at = time.monotonic()
    talking_host.kill(signal.SIGTERM)
    await call.until_gone(within_s=20)
    ended = call.ended()
    assert ended is not None
    assert ended.reason is EndReason.DRAINED
    assert user.heard_s(told_at) > 0.3
    assert talking_host.wait(within_s=20) == 0
    log = talking_host.log.read_text()
    for secret in (RETURNS, "forward", "eyJ", call.job.opening_line, "text: "):
        assert secret not in log
