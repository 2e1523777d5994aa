"""Two machines with agents, each with a network of its own, and one with everything else."""

import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.clients.caller import Caller
from tests.clients.machines import Deployment
from tests.clients.network import Network, why_no_network
from tests.clients.remains import live_keys, rooms_of
from tests.clients.stack import eventually

WHY_NOT = why_no_network(strict=bool(os.environ.get("MAJLIS_TEST_STRICT")))
pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))

A_MACHINE_HOLDS = 3
LEASE_S = 3
SETTINGS = {
    "MAX_AGENTS_PER_HOST": str(A_MACHINE_HOLDS),
    "AGENT_POOL_SIZE": "1",
    "AGENT_LEASE_SECONDS": str(LEASE_S),
    "USER_JOIN_TIMEOUT_SECONDS": "300",
}
OTHER = {"east": "west", "west": "east"}


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Two machines, `east` and `west`."""
    network = Network()
    network.open()
    try:
        made = Deployment(tmp_path_factory.mktemp("d"), network, list(OTHER), SETTINGS)
        try:
            made.start()
            yield made
        finally:
            made.stop()
    finally:
        network.close()


def started(deployment: Deployment, count: int) -> dict[str, str]:
    """So many sessions that have their agents; the machine of each."""
    sessions = [deployment.begin() for _ in range(count)]
    for session in sessions:
        deployment.until_status(session, "ready")
    return {session: machine_of(deployment, session) for session in sessions}


def machine_of(deployment: Deployment, session: str) -> str:
    """Where the one agent of a session runs."""
    (machine,) = deployment.agents(session).values()
    return machine


def ended(deployment: Deployment, sessions: list[str]) -> None:
    """End them; nothing of them may be left."""
    for session in sessions:
        deployment.end(session)
    for session in sessions:
        deployment.until_status(session, "ended")
        eventually(lambda s=session: not deployment.agents(s), within_s=30, what="agent gone")  # type: ignore[misc]


async def assert_nothing_is_left(deployment: Deployment) -> None:
    """No room, slot, lease or task."""
    assert not await rooms_of(deployment.server)
    with Redis.from_url(deployment.redis_url, decode_responses=True) as redis:
        eventually(lambda: not live_keys(redis), within_s=30, what="no live keys")


async def test_they_share_the_work_up_to_what_each_holds(deployment: Deployment) -> None:
    """Catches a machine that takes more than it may, one that idles, and a session lost between."""
    sessions = started(deployment, 2 * A_MACHINE_HOLDS)
    assert Counter(sessions.values()) == dict.fromkeys(OTHER, A_MACHINE_HOLDS)
    waiting = deployment.begin()
    assert deployment.status(waiting) in ("queued", "spawning")
    freed, machine = next(iter(sessions.items()))
    deployment.end(freed)
    deployment.until_status(waiting, "ready")
    assert machine_of(deployment, waiting) == machine
    ended(deployment, [*sessions, waiting])
    await assert_nothing_is_left(deployment)


async def test_an_agent_that_dies_is_followed_on_any_machine(deployment: Deployment) -> None:
    """Catches a report of an exit that only its own machine could act on."""
    sessions = started(deployment, 2)
    for session in sessions:
        (killed,) = deployment.agents(session)
        os.kill(killed, signal.SIGKILL)

        def followed(session: str = session, killed: int = killed) -> bool:
            return bool(deployment.agents(session)) and killed not in deployment.agents(session)

        eventually(followed, within_s=30, what="another agent")
        deployment.until_status(session, "ready")
    ended(deployment, list(sessions))
    await assert_nothing_is_left(deployment)


async def test_a_machine_that_dies_is_replaced_by_the_other(deployment: Deployment) -> None:
    """Catches sessions that stay with a machine that is gone, and one that does not come back."""
    sessions = started(deployment, 3)
    lost = max(OTHER, key=list(sessions.values()).count)
    machine = deployment.machines[lost]
    machine.kill_agents()
    for session in sessions:
        deployment.until_on(session, OTHER[lost], within_s=LEASE_S + 40)
        deployment.until_status(session, "ready")
    machine.start_agents()
    machine.until_ready()
    more = started(deployment, A_MACHINE_HOLDS)
    assert set(more.values()) == {lost}
    ended(deployment, [*sessions, *more])
    await assert_nothing_is_left(deployment)


async def test_a_machine_that_is_cut_off_loses_its_calls_to_the_other(
    deployment: Deployment,
) -> None:
    """Catches two agents in one call, a call lost with its machine, and stale agents that stay."""
    async with Caller.start(deployment.url) as caller:
        await caller.until_quiet(within_s=60)
        session = caller.session_id
        home = machine_of(deployment, session)
        (stale,) = deployment.agents(session)
        with deployment.network.without(home):
            deployment.until_on(session, OTHER[home], within_s=LEASE_S + 40)
            deployment.until_status(session, "active")
            await caller.type("How long do I have to return something?")
            await caller.until(lambda: caller.heard.sources, within_s=30, what="an answer")
            another = deployment.begin()
            deployment.until_status(another, "ready", within_s=40)
            assert machine_of(deployment, another) == OTHER[home]
        eventually(lambda: stale not in deployment.agents(session), within_s=30, what="stale gone")
        agents = [m for m in await deployment.members(session) if m != caller_identity(caller)]
        assert len(agents) == 1
        assert machine_of(deployment, session) == OTHER[home]
        ended(deployment, [session, another])
    more = started(deployment, 2 * A_MACHINE_HOLDS)
    assert set(more.values()) == set(OTHER)
    ended(deployment, list(more))
    await assert_nothing_is_left(deployment)


def caller_identity(caller: Caller) -> str:
    """The user's identity in the room."""
    return str(caller.room.local_participant.identity)
