"""How long the start takes, as an outside client sees it."""

import statistics
import time

import httpx

from tests.integration.orchestrator.fake_host import FakeHost

P50_LIMIT_S = 0.05
"""Five times the aim of 10 ms: the machine may be busy with other tests."""


async def test_the_start_is_answered_at_once(api: httpx.AsyncClient, host: FakeHost) -> None:
    """Catches a start that waits for its agent, or for anything slow."""
    took_s: list[float] = []
    for _ in range(30):
        began = time.perf_counter()
        answer = await api.post("/api/session/start", json={})
        took_s.append(time.perf_counter() - began)
        await api.post("/api/session/end", json={"sessionId": answer.json()["sessionId"]})
    print(f"start: p50 {statistics.median(took_s) * 1000:.1f} ms, max {max(took_s) * 1000:.1f} ms")  # noqa: T201
    assert statistics.median(took_s) < P50_LIMIT_S
