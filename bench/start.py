"""How soon a session is there, as an outside client sees it: `make bench-start`.

Starts sessions one after another over REST, joins each room, and notes when the answer came, when
the agent was in the room, and when its first audible audio arrived. The floors of the same run: a
request that does nothing (`/livez`), and joining a room that nobody else is in yet.

Against a running instance: `python -m bench.start --url http://127.0.0.1:8000`; else it starts one.
"""

import argparse
import asyncio
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.figures import summary_ms
from tests.clients.caller import Caller
from tests.clients.stack import Stack

OPENING_LINE = "Hello! How can I help?"
PAUSE_S = 0.6
"""Between sessions: the machine's idle agents are made good."""
AIMS_P50_MS = {
    "answer_of_start": 10,
    "start_to_agent_in_room": 250,
    "start_to_first_agent_audio": 600,
}


@dataclass(frozen=True, slots=True)
class Start:
    """One session's times in seconds, from the request on unless it says otherwise."""

    answer: float
    agent_in_room: float
    first_audio: float
    caller_joins: float
    """From the answer until the caller is in the room and has published its microphone."""
    nothing: float
    """A request that does nothing."""


async def start_one(url: str) -> Start:
    """Start one session, wait for the agent's first words, end it."""
    async with httpx.AsyncClient(base_url=url, timeout=15) as http:
        await http.get("/livez")
        began = time.monotonic()
        await http.get("/livez")
        nothing = time.monotonic() - began
    async with Caller.start(url, openingLine=OPENING_LINE) as caller:
        joined = time.monotonic()
        heard, began = caller.heard, caller.started_at
        agent_at = await caller.until(lambda: heard.agent_joined_at, within_s=15, what="agent")
        audible = await caller.until(lambda: heard.audible(), within_s=15, what="audio")
        await caller.end()
    return Start(
        answer=caller.answered_at - began,
        agent_in_room=agent_at - began,
        first_audio=audible[0] - began,
        caller_joins=joined - caller.answered_at,
        nothing=nothing,
    )


async def measure(url: str, sessions: int) -> dict[str, dict[str, float]]:
    """Start so many sessions, one after another; the figures by name."""
    starts = []
    for _ in range(sessions):
        starts.append(await start_one(url))
        await asyncio.sleep(PAUSE_S)
    return {
        "answer_of_start": summary_ms([s.answer for s in starts]),
        "start_to_agent_in_room": summary_ms([s.agent_in_room for s in starts]),
        "start_to_first_agent_audio": summary_ms([s.first_audio for s in starts]),
        "floor_request_that_does_nothing": summary_ms([s.nothing for s in starts]),
        "floor_caller_joins_and_publishes": summary_ms([s.caller_joins for s in starts]),
    }


def report(url: str, sessions: int) -> None:
    """Measure and print, each figure with its aim."""
    figures = asyncio.run(measure(url, sessions))
    for name, aim in AIMS_P50_MS.items():
        figures[name]["aim_p50_ms"] = aim
    print(json.dumps({"sessions": sessions, **figures}, indent=2))


def main() -> None:
    """Against a running instance, or one of its own."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", help="a running instance; without it one is started")
    arguments.add_argument("--sessions", type=int, default=30)
    given = arguments.parse_args()
    if given.url:
        report(given.url, given.sessions)
        return
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        stack.start()
        try:
            report(stack.url, given.sessions)
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
