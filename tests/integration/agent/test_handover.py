"""Asking for a person, in a room with one and in one where nobody comes; without a key."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from agent.assistants.description import HandOver
from agent.host_protocol import End
from agent.job import Brief, HandoverChanged, HandoverState, Job, Role, TurnEnded
from agent.phrases import phrases
from tests.integration.agent.processes import HostProcess, alive, job
from tests.integration.agent.user import User
from tests.rooms.server import DevroomProcess

S = HandoverState
HUMAN = "I want to talk to a human"
ARABIC_HUMAN = "أريد التحدث إلى موظف"
RETURNS = "How do I return something that I bought?"


class Call:
    """A user, and an agent that may ask for a person."""

    def __init__(self, host: HostProcess, user: User, wanted: Job) -> None:
        self.host, self.user, self.job = host, user, wanted
        self.pid = host.spawn(wanted)

    def states(self) -> list[HandoverState]:
        """What was reported."""
        return [report.handover.state for report in self.reports()]

    def reports(self) -> list[HandoverChanged]:
        reports = self.host.redis.reports(self.job.session_id)
        return [report for report in reports if isinstance(report, HandoverChanged)]

    def said(self, role: Role) -> list[str]:
        """The turns that were reported of one side."""
        reports = self.host.redis.reports(self.job.session_id)
        return [r.turn.text for r in reports if isinstance(r, TurnEnded) and r.turn.role is role]

    async def until_state(self, state: HandoverState) -> None:
        await self.user.until(lambda: state in self.states(), what=f"{state}", within_s=20)

    async def until_said(self, role: Role, text: str) -> None:
        await self.user.until(lambda: text in self.said(role), what=text, within_s=20)


def brief(wait_s: float) -> Brief:
    return Brief(assistant="shop", tools=(HandOver(kind="hand_over", wait_s=wait_s),))


@pytest.fixture
async def user(devroom: DevroomProcess, session_id: str) -> AsyncIterator[User]:
    async with User(devroom.server, session_id) as user:
        yield user


async def end(call: Call) -> None:
    call.host.ask(End(call.job.session_id))
    await call.user.until(lambda: not alive(call.pid), what="agent gone")


async def test_a_person_takes_over_and_leaves(
    talking_host: HostProcess, devroom: DevroomProcess, user: User, session_id: str
) -> None:
    """Catches an assistant that talks into the conversation of two people, or never again."""
    english = phrases("en-US")
    call = Call(talking_host, user, job(session_id, brief=brief(60.0), opening_line=""))
    await user.until(lambda: "listening" in user.states, what="the agent listens", within_s=20)
    await user.type(HUMAN)
    await call.until_said(Role.ASSISTANT, english.handing_over)
    assert call.states() == [S.WAITING]
    async with User(devroom.server, session_id, "person-huda") as person:
        await call.until_state(S.TAKEN)
        told = await person.until(lambda: person.told_of_handover, what="what it is about")
        assert HUMAN in [each.get("reason") for each in told]
        await user.type(RETURNS)
        await call.until_said(Role.USER, RETURNS)
        # a person who types is no user of the assistant's
        await person.type(RETURNS)
        quiet_at = asyncio.get_running_loop().time()
        await asyncio.sleep(1.0)
        assert person.heard_s(quiet_at) == 0.0
        assert call.said(Role.ASSISTANT)[-1] == english.handing_over
    await call.until_said(Role.ASSISTANT, english.person_left)
    assert call.states() == [S.WAITING, S.TAKEN, S.ENDED]
    answered = len(user.sources)
    await user.type("When are you open?")
    await user.until(lambda: len(user.sources) > answered, what="an answer", within_s=20)
    assert user.sources[-1][1][0]["filename"] == "en/opening-hours.md"
    await user.until(lambda: user.handovers == ["waiting", "taken", "ended"], what="attribute")
    streamed = [each["state"] for each in user.told_of_handover]
    assert streamed == ["waiting", "taken", "ended"]
    assert all("reason" not in each for each in user.told_of_handover)
    assert call.reports()[0].handover.reason == HUMAN
    await end(call)


async def test_nobody_comes(talking_host: HostProcess, user: User, session_id: str) -> None:
    """Catches a user who is left with a silent assistant, in a language that is not theirs."""
    arabic = phrases("ar-EG")
    wanted = job(session_id, brief=brief(1.0), language="ar-EG", opening_line="")
    call = Call(talking_host, user, wanted)
    await user.until(lambda: "listening" in user.states, what="the agent listens", within_s=20)
    await user.type(ARABIC_HUMAN)
    await call.until_said(Role.ASSISTANT, arabic.nobody_came)
    assert call.said(Role.ASSISTANT)[-2:] == [arabic.handing_over, arabic.nobody_came]
    assert call.states() == [S.WAITING, S.MISSED]
    answered = len(user.sources)
    await user.type("ما هي مدة إرجاع المنتج؟")
    await user.until(lambda: len(user.sources) > answered, what="an answer", within_s=20)
    assert user.sources[-1][1][0]["filename"].startswith("ar/")
    await end(call)


async def test_a_successor_keeps_quiet_too(
    talking_host: HostProcess, devroom: DevroomProcess, user: User, session_id: str
) -> None:
    """Catches an agent that takes over from a dead one, and talks while a person does."""
    call = Call(talking_host, user, job(session_id, brief=brief(60.0), opening_line=""))
    await user.until(lambda: "listening" in user.states, what="the agent listens", within_s=20)
    async with User(devroom.server, session_id, "person-huda"):
        await user.type(HUMAN)
        await call.until_state(S.TAKEN)
        successor = replace(call.job, fence=2, attempt=1, handover=call.reports()[-1].handover)
        first, call.pid = call.pid, talking_host.spawn(successor)
        await user.until(lambda: not alive(first), what="the first is gone")
        await user.until(lambda: len(call.states()) == 2, what="the successor is there")
        await user.type(RETURNS)
        await call.until_said(Role.USER, RETURNS)
        assert phrases("en-US").recovered not in call.said(Role.ASSISTANT)
    await call.until_said(Role.ASSISTANT, phrases("en-US").person_left)
    assert call.states()[-1] is S.ENDED
    await end(call)
