"""Whatever is killed, whenever: the session goes on or ends, nothing is left, the next one works.

Here each victim once, in one state; `make faults` has every victim in every state.
"""

import pytest
from redis import Redis

from tests.clients.caller import Caller
from tests.clients.faults import COMMANDS, State, Victim, strike
from tests.clients.remains import live_keys, redis_url_of
from tests.clients.stack import Stack, eventually

CASES = {
    Victim.AGENT: State.ACTIVE,
    Victim.HOST: State.SPAWNING,
    Victim.WORKER: State.QUEUED,
    Victim.BEAT: State.READY,
    Victim.API: State.ENDING,
    Victim.REDIS: State.ACTIVE,
    Victim.ROOMS: State.ACTIVE,
}


@pytest.fixture(scope="module")
def stack(lasting_stack: Stack) -> Stack:
    """The instance that other modules use too, with nothing left of their sessions."""

    def nothing_lives() -> bool:
        with Redis.from_url(redis_url_of(lasting_stack), decode_responses=True) as redis:
            return not live_keys(redis)

    eventually(nothing_lives, within_s=60, what="no live keys")
    return lasting_stack


@pytest.mark.parametrize("victim", CASES, ids=str)
async def test_a_session_survives(stack: Stack, victim: Victim) -> None:
    """Catches a session that hangs or leaves something, and a program that does not come back."""
    before = stack.find(COMMANDS[victim]) if victim in COMMANDS else None
    outcome = await strike(stack, victim, CASES[victim])
    print(f"{victim} while {CASES[victim]}: {outcome.notice} ({outcome.after_s:.1f} s)")
    assert outcome.notice.startswith(("the agent answers", "another agent answers", "ended"))
    assert outcome.left == ()
    if before is not None:
        eventually(
            lambda: (found := stack.find(COMMANDS[victim])) and found.pid != before.pid,
            within_s=30,
            what=f"{victim} is back",
        )
    eventually(lambda: is_healthy(stack), within_s=30, what="healthy")


async def test_the_next_session_works(stack: Stack) -> None:
    """Catches what only shows in a session that begins after all of that."""
    async with Caller.start(stack.url) as caller:
        await caller.until_quiet(within_s=30)
        await caller.type("How long do I have to return something?")
        await caller.until(lambda: caller.heard.sources, within_s=30, what="an answer")
        answer = await caller.end()
        assert answer.status_code == 200


def is_healthy(stack: Stack) -> bool:
    """Whether `/health` says so."""
    return stack.http.get("/health").status_code == 200
