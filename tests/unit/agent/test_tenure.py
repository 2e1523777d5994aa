"""How long an agent goes on, in a time that only the test moves."""

from dataclasses import dataclass, field

import pytest
from redis.exceptions import ConnectionError as RedisGone

from agent.job import AgentState
from agent.lease import Pulse
from agent.tenure import OUTAGE_GRACE_S, Tenure, TenureEnd

TTL_S = 15.0
PULSE = Pulse(AgentState.LISTENING, cpu=0.1, memory_mib=90.0, at=0.0)


@dataclass
class ScriptedLease:
    """Held by us, by another, or in a Redis that is away, by the time."""

    now: float = 0.0
    away_from: float = float("inf")
    away_until: float = float("inf")
    taken_at: float = float("inf")
    calls: list[tuple[str, float]] = field(default_factory=list)

    async def renew(self, session_id: str, fence: int, pulse: Pulse) -> bool:
        assert pulse is PULSE
        return self._answer("renew")

    async def regain(self, session_id: str, fence: int, host: str) -> bool:
        return self._answer("regain")

    def _answer(self, what: str) -> bool:
        self.calls.append((what, self.now))
        if self.away_from <= self.now < self.away_until:
            raise RedisGone
        return self.now < self.taken_at

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def tenure(self) -> Tenure:
        return Tenure(
            self,
            session_id="session_a",
            fence=1,
            host="host",
            ttl_s=TTL_S,
            pulse=lambda: PULSE,
            clock=lambda: self.now,
            sleep=self.sleep,
        )


async def test_renewed_three_times_a_life() -> None:
    """Catches a lease that one lost renewal lets run out."""
    lease = ScriptedLease(taken_at=30.0)
    assert await lease.tenure().keep() is TenureEnd.LOST
    assert [at for _, at in lease.calls] == [5.0, 10.0, 15.0, 20.0, 25.0, 30.0]


async def test_taken_by_another_before_joining() -> None:
    """Catches a stale agent that joins, and so throws out the rightful one."""
    assert await ScriptedLease(taken_at=0.0).tenure().is_lost()
    assert not await ScriptedLease().tenure().is_lost()


async def test_redis_away_before_joining() -> None:
    """Catches a session that fails as Redis blinks at its start."""
    assert not await ScriptedLease(away_from=0.0).tenure().is_lost()


async def test_redis_away_for_less_than_the_lease() -> None:
    """Catches a call that is lost with one restart of Redis; no lease ran out, none is regained."""
    lease = ScriptedLease(away_from=5.0, away_until=8.0, taken_at=100.0)
    assert await lease.tenure().keep() is TenureEnd.LOST
    assert lease.now == 100.0
    assert {what for what, _ in lease.calls} == {"renew"}


async def test_redis_away_for_longer_than_the_lease() -> None:
    """Catches every call of a deployment ending as Redis was away for 20 s."""
    lease = ScriptedLease(away_from=5.0, away_until=40.0, taken_at=100.0)
    assert await lease.tenure().keep() is TenureEnd.LOST
    assert lease.now == 100.0
    assert ("regain", 40.0) in lease.calls
    assert ("renew", 45.0) in lease.calls


async def test_taken_while_redis_was_out_of_reach() -> None:
    """Catches an agent that takes its session back from the one that took over."""
    lease = ScriptedLease(away_from=5.0, away_until=40.0, taken_at=30.0)
    assert await lease.tenure().keep() is TenureEnd.LOST
    assert lease.now == 40.0


async def test_redis_gone_for_good() -> None:
    """Catches an agent that nobody sees and nobody ends, talking for ever."""
    lease = ScriptedLease(away_from=0.0)
    assert await lease.tenure().keep() is TenureEnd.OUT_OF_SIGHT
    assert lease.now == pytest.approx(TTL_S + OUTAGE_GRACE_S, abs=TTL_S / 2)
