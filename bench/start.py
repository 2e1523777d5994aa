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
from pathlib import Path

import httpx

from bench.figures import summary_ms
from tests.clients.caller import Caller
from tests.clients.stack import Stack

OPENING_LINE = "Hello! How can I help?"
PAUSE_S = 0.5
"""Between sessions: the machine's idle agents are made good."""


async def measure(url: str, sessions: int) -> dict[str, object]:
    """Run the sessions; the figures by name."""
    answers, agents, audio, joins, floor = [], [], [], [], []
    for _ in range(sessions):
        async with httpx.AsyncClient(base_url=url, timeout=15) as http:
            await http.get("/livez")
            began = time.monotonic()
            await http.get("/livez")
            floor.append(time.monotonic() - began)
        async with Caller.start(url, openingLine=OPENING_LINE) as caller:
            joins.append(time.monotonic() - caller.answered_at)
            heard, began = caller.heard, caller.started_at
            await caller.until(lambda: heard.agent_joined_at, within_s=15, what="agent")
            await caller.until(lambda: heard.audible(), within_s=15, what="audio")
            assert heard.agent_joined_at is not None
            answers.append(caller.answered_at - began)
            agents.append(heard.agent_joined_at - began)
            audio.append(heard.audible()[0] - began)
            await caller.end()
        await asyncio.sleep(PAUSE_S)
    return {
        "sessions": sessions,
        "answer_of_start": summary_ms(answers) | {"aim_p50_ms": 10},
        "start_to_agent_in_room": summary_ms(agents) | {"aim_p50_ms": 250},
        "start_to_first_agent_audio": summary_ms(audio) | {"aim_p50_ms": 600},
        "floor_request_that_does_nothing": summary_ms(floor),
        "floor_caller_joins_and_publishes": summary_ms(joins),
    }


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--url", help="a running instance; without it one is started")
    arguments.add_argument("--sessions", type=int, default=30)
    given = arguments.parse_args()
    if given.url:
        print(json.dumps(asyncio.run(measure(given.url, given.sessions)), indent=2))
        return
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        stack.start()
        try:
            print(json.dumps(asyncio.run(measure(stack.url, given.sessions)), indent=2))
        finally:
            stack.stop()


if __name__ == "__main__":
    main()
