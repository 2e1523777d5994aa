"""Sessions in which a person was asked for, as they are reported, listed and joined."""

from dataclasses import replace

import jwt
import pytest

from agent.job import EndReason, Handover, HandoverChanged, HandoverState
from orchestrator.errors import Conflict
from orchestrator.handovers import Handovers
from orchestrator.sessions import decisions
from orchestrator.sessions.memory import MemorySessionStore
from orchestrator.sessions.session import Session, SessionStatus
from orchestrator.settings import Settings
from tests.unit.orchestrator.sessions import FENCE, NOW, POLICY, SESSION_ID, session_in

HANDOVER = Handover(HandoverState.WAITING, "asked for", "about a lamp", NOW, NOW)


def settings() -> Settings:
    return Settings.model_validate(
        {"livekit_url": "ws://x", "livekit_api_key": "key", "livekit_api_secret": "s" * 32}
    )


def reported(session: Session, handover: Handover, fence: int = FENCE) -> Session:
    report = HandoverChanged(session.session_id, fence, NOW, handover)
    return decisions.on_report(session, report, POLICY).session


async def desk(*sessions: Session) -> tuple[Handovers, MemorySessionStore]:
    store = MemorySessionStore(record_ttl_s=60.0, clock=lambda: NOW)
    for session in sessions:
        await store.create(session, limit=10)
    return Handovers(store, settings(), look_every_s=0.0), store


def test_what_an_agent_reports_is_kept_for_the_next() -> None:
    """Catches a hand-over that is lost with its agent, and one of an agent that is stale."""
    session = reported(session_in(SessionStatus.ACTIVE), HANDOVER)
    assert session.handover == HANDOVER
    assert session.job(history_turns=2).handover == HANDOVER
    assert reported(session_in(SessionStatus.ACTIVE), HANDOVER, FENCE - 1).handover is None


def test_what_was_said_goes_with_the_session() -> None:
    """Catches a summary that stays where transcripts do not."""
    session = reported(session_in(SessionStatus.ACTIVE), HANDOVER)
    policy = replace(POLICY, keep_transcripts=False)
    ended = decisions.fail(session, EndReason.AGENT_FAILED, NOW, policy, "x").session
    assert ended.handover is not None
    assert (ended.handover.reason, ended.handover.summary) == ("", "")
    kept = decisions.fail(session, EndReason.AGENT_FAILED, NOW, POLICY, "x").session
    assert kept.handover == HANDOVER


async def test_the_longest_wait_comes_first() -> None:
    """Catches a list with sessions that want nobody, or in another order."""
    late = replace(HANDOVER, asked_at=NOW + 5)
    one = replace(reported(session_in(SessionStatus.ACTIVE), late), session_id="one")
    two = replace(reported(session_in(SessionStatus.READY), HANDOVER), session_id="two")
    content = replace(session_in(SessionStatus.ACTIVE), session_id="content")
    handovers, _ = await desk(one, content, two)
    found = await handovers.all()
    assert [each.session.session_id for each in found.requests] == ["two", "one"]


async def test_waiting_for_news() -> None:
    """Catches an operator who is told nothing new at once, or what is new too late."""
    session = session_in(SessionStatus.ACTIVE)
    handovers, store = await desk(session)
    nothing = await handovers.news("", wait_s=0)
    assert nothing.requests == ()
    assert (await handovers.news(nothing.cursor, wait_s=0.01)).cursor == nothing.cursor
    report = HandoverChanged(session.session_id, FENCE, NOW, HANDOVER)
    await store.update(session.session_id, lambda s: decisions.on_report(s, report, POLICY))
    found = await handovers.news(nothing.cursor, wait_s=60)
    assert [each.handover for each in found.requests] == [HANDOVER]
    assert found.cursor != nothing.cursor


async def test_a_person_joins_as_themselves() -> None:
    """Catches a token for another room, for ever, or in the place of the user or the agent."""
    handovers, _ = await desk(reported(session_in(SessionStatus.ACTIVE), HANDOVER))
    claims = [
        jwt.decode(await handovers.join(SESSION_ID, "Huda"), "s" * 32, algorithms=["HS256"])
        for _ in range(2)
    ]
    assert claims[0]["sub"] != claims[1]["sub"]
    assert claims[0]["sub"].startswith("person-")
    assert (claims[0]["name"], claims[0]["video"]["room"]) == ("Huda", SESSION_ID)
    assert "agent" not in claims[0]["video"]


async def test_nobody_joins_uncalled() -> None:
    """Catches an operator who listens in on a session in which nobody asked for one."""
    handovers, _ = await desk(session_in(SessionStatus.ACTIVE))
    with pytest.raises(Conflict):
        await handovers.join(SESSION_ID, "Huda")
