"""The machine's clock is set forward or back by an hour while a session is on its way."""

from dataclasses import dataclass, field

import pytest

from orchestrator.sessions import decisions
from orchestrator.sessions.decisions import Action, Decision, EndAgent, SpawnAgent
from orchestrator.sessions.session import Session, SessionStatus
from orchestrator.sessions.sightings import Sighting
from tests.unit.orchestrator.sessions import NOW, POLICY, session_in

S = SessionStatus
HOUR_S = 3600.0
HELD = Sighting(lease=True, process=True, agent_in_room=True)
LOST = Sighting(lease=False, process=False, agent_in_room=False)
CHECK_S = 5.0
BOUND_S = 3 * POLICY.spawn_timeout_s
"""In which time anything that is stuck must be on its way again, or over."""


@dataclass
class Deployment:
    """What the beat schedule does to one session, on a clock that can be set."""

    session: Session
    now: float = NOW
    actions: list[Action] = field(default_factory=list)

    def look_after(self, seen: Sighting, for_s: float) -> None:
        """Check up and tidy up for so long."""
        until = self.now + for_s
        while self.now < until:
            self.now += CHECK_S
            self._take(decisions.check_up(self.session, seen, at=self.now, policy=POLICY))
            self._take(decisions.tidy_up(self.session, self.now, POLICY))

    def _take(self, decision: Decision) -> None:
        self.session = decision.session
        self.actions += decision.actions


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
@pytest.mark.parametrize("status", [S.READY, S.ACTIVE])
def test_a_call_does_not_notice(status: SessionStatus, jump_s: float) -> None:
    """Catches a call that is taken for lost, or ended, because a clock was set."""
    deployment = Deployment(session_in(status))
    deployment.look_after(HELD, 30)
    deployment.now += jump_s
    deployment.look_after(HELD, BOUND_S)
    assert deployment.session.status is status
    assert deployment.actions == []


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
@pytest.mark.parametrize("status", [S.QUEUED, S.SPAWNING, S.READY, S.ACTIVE])
def test_an_agent_that_is_lost_is_still_missed(status: SessionStatus, jump_s: float) -> None:
    """Catches a session that waits for an agent until the clock has caught up with it."""
    deployment = Deployment(session_in(status))
    deployment.now += jump_s
    deployment.look_after(LOST, BOUND_S)
    spawned = any(isinstance(action, SpawnAgent) for action in deployment.actions)
    assert spawned or deployment.session.is_over


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S])
def test_a_session_that_is_ending_ends(jump_s: float) -> None:
    """Catches a slot that is held until the clock has caught up with it."""
    deployment = Deployment(session_in(S.ENDING))
    deployment.now += jump_s
    deployment.look_after(LOST, BOUND_S)
    assert deployment.session.is_over


def test_an_agent_out_of_its_room_is_missed_after_the_clock_was_set_back() -> None:
    """Catches an agent that nobody hears and that counts as just gone for an hour."""
    out = Sighting(lease=True, process=True, agent_in_room=False)
    deployment = Deployment(session_in(S.ACTIVE))
    deployment.look_after(out, CHECK_S)
    assert deployment.session.missed_since is not None
    deployment.now -= HOUR_S
    deployment.look_after(out, BOUND_S)
    assert any(isinstance(action, SpawnAgent) for action in deployment.actions)


def test_an_end_is_asked_for_again_after_the_clock_was_set_back() -> None:
    """Catches an agent that was never told to end, as its task was lost."""
    deployment = Deployment(session_in(S.ENDING))
    deployment.now -= HOUR_S
    deployment.look_after(HELD, POLICY.end_again_after_s + 2 * CHECK_S)
    assert any(isinstance(action, EndAgent) for action in deployment.actions)
