"""Whatever is killed comes back, and the next session works."""

import os
import signal

import httpx
import pytest

from tests.clients.caller import Caller
from tests.clients.stack import Stack, eventually

VICTIMS = {
    "worker": "MainProcess",
    "beat": "celery beat",
    "agent host": "agent host",
    "room server": "-m devroom",
    "Redis": "redis-server",
    "API": "-m orchestrator",
}


@pytest.mark.parametrize("victim", VICTIMS)
async def test_the_next_session_works(stack: Stack, victim: str) -> None:
    """Catches a process that is not restarted, or whose death leaves the rest unusable."""
    process = stack.find(VICTIMS[victim])
    assert process is not None, stack.processes()
    os.kill(process.pid, signal.SIGKILL)
    eventually(
        lambda: (found := stack.find(VICTIMS[victim])) and found.pid != process.pid,
        within_s=15,
        what=f"{victim} is back",
    )

    rooms = stack.environment_of("agent host")["LIVEKIT_URL"].replace("ws", "http", 1)

    def healthy() -> bool:
        # the API looks every two seconds; the room server may be gone for less
        try:
            return stack.http.get("/health").status_code == httpx.get(rooms).status_code == 200
        except httpx.HTTPError:
            return False

    eventually(healthy, within_s=30, what="healthy")
    await answered(stack)


async def test_an_agent_that_is_killed_leaves_nothing(stack: Stack) -> None:
    """Catches a session that hangs, or a slot that is lost, when its agent is killed."""
    session = stack.http.post("/api/session/start", json={}).json()["sessionId"]
    stack.await_status(session, "ready")
    agent = stack.agent_of(session)
    assert agent is not None
    os.kill(agent.pid, signal.SIGKILL)
    eventually(
        lambda: (found := stack.agent_of(session)) and found.pid != agent.pid,
        within_s=10,
        what="another agent takes over",
    )
    stack.http.post("/api/session/end", json={"sessionId": session})
    assert stack.agent_of(session) is None
    await answered(stack)


async def answered(stack: Stack) -> None:
    """Hold a short conversation: greeted, asked, answered with a source, ended."""
    async with Caller.start(stack.url) as caller:
        await caller.until_quiet(within_s=30)
        await caller.type("How long do I have to return something?")
        await caller.until(lambda: caller.heard.sources, within_s=15, what="an answer")
        answer = await caller.end()
        assert answer.status_code == 200
