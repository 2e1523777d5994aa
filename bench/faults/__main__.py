"""`make faults`: every part killed in every state of a session; parts away, frozen, out of space.

    python -m bench.faults                              all of it, some twenty minutes
    python -m bench.faults --victims worker API --states active
    python -m bench.faults --only outages

Each session is started, joined and asked from outside. With `--keep` the table is written to
bench/results/faults.md; cells that were not run keep what is there.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.faults import outages
from bench.faults.report import write
from bench.figures import machine
from tests.clients.faults import State, Victim, strike
from tests.clients.stack import Stack, eventually

RESULTS = Path(__file__).resolve().parents[1] / "results"
REDIS_AWAY_S = 20.0
HOST_FROZEN_S = 30.0
QUICK_S = 4.0


def cells(victims: list[Victim], states: list[State]) -> list[tuple[Victim, State]]:
    """All that can be: a session that waits has no agent to kill."""
    return [
        (victim, state)
        for victim in victims
        for state in states
        if not (victim is Victim.AGENT and state is State.QUEUED)
    ]


async def kills(victims: list[Victim], states: list[State]) -> AsyncIterator[dict[str, Any]]:
    """One row for each victim and state, on one instance."""
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        await asyncio.to_thread(stack.start)
        try:
            for victim, state in cells(victims, states):
                await asyncio.to_thread(until_healthy, stack)
                row: dict[str, Any] = {"victim": victim.value, "state": state.value}
                try:
                    row |= asdict(await strike(stack, victim, state))
                except AssertionError as error:
                    row |= {"notice": f"failed: {str(error)[:200]}", "after_s": None, "left": []}
                yield row
        finally:
            await asyncio.to_thread(stack.stop)


async def endured(quick: bool) -> AsyncIterator[dict[str, Any]]:
    """One row for each fault that lasts."""
    away_s = QUICK_S if quick else REDIS_AWAY_S
    frozen_s = QUICK_S if quick else HOST_FROZEN_S
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack(Path(folder))
        await asyncio.to_thread(stack.start)
        try:
            away = outages.redis_away(stack, away_s)
            yield asdict(await outages.endure(stack, "Redis away", away))
            for victim in (Victim.HOST, Victim.REDIS, Victim.ROOMS):
                await asyncio.to_thread(until_healthy, stack)
                stopped = outages.frozen(stack, victim, frozen_s)
                yield asdict(await outages.endure(stack, f"{victim} frozen", stopped))
        finally:
            await asyncio.to_thread(stack.stop)
    async for row in without_space():
        yield row


async def without_space() -> AsyncIterator[dict[str, Any]]:
    """No space left for logs."""
    with tempfile.TemporaryDirectory() as folder, outages.small_disk() as logs:
        stack = Stack(Path(folder), environment={"LOG_DIR": str(logs), "LOG_LEVEL": "DEBUG"})
        await asyncio.to_thread(stack.start)
        try:
            full = outages.no_space(logs, QUICK_S)
            yield asdict(await outages.endure(stack, "no space for logs", full))
        finally:
            await asyncio.to_thread(stack.stop)


def until_healthy(stack: Stack) -> None:
    """Wait until the last fault is over."""

    def healthy() -> bool:
        answer = stack.http.get("/health")
        return answer.status_code == 200

    eventually(healthy, within_s=60, what="healthy")


async def run(given: argparse.Namespace) -> None:
    """Do what was asked for; print each row as it comes."""
    results = RESULTS / "faults.json" if given.keep else None
    victims, states = list(map(Victim, given.victims)), list(map(State, given.states))
    if "kills" in given.only:
        async for row in kills(victims, states):
            _tell("kills", row, results)
    if "outages" in given.only:
        async for row in endured(given.quick):
            _tell("outages", row, results)


def _tell(kind: str, row: dict[str, Any], results: Path | None) -> None:
    row |= {"load_average": machine()["load_average"]}
    print(json.dumps(row), flush=True)
    if results is not None:
        write(kind, row, results)


def main() -> None:
    """Run the matrix."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    kinds = ("kills", "outages")
    arguments.add_argument("--only", nargs="+", choices=kinds, default=kinds)
    arguments.add_argument("--victims", nargs="+", choices=list(Victim), default=list(Victim))
    arguments.add_argument("--states", nargs="+", choices=list(State), default=list(State))
    arguments.add_argument("--quick", action="store_true", help="short outages")
    arguments.add_argument("--keep", action="store_true", help="write to bench/results/")
    asyncio.run(run(arguments.parse_args()))


if __name__ == "__main__":
    main()
