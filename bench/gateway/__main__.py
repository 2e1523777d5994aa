"""`make bench-gateway`: the WebSocket doors with stages that take no time; prints JSON.

    python -m bench.gateway --quick                    few of everything: two minutes
    python -m bench.gateway --only turns connects      some parts

Beside the doors, in the same run: a bare echo server, and Pipecat where BENCH_PIPECAT_PYTHON names
an interpreter that has it (requirements-pipecat.txt). With `--keep` figures and plot are written to
bench/results/; parts that were not run keep the figures that are there.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.figures import machine
from bench.gateway import measure
from bench.gateway.measure import Figures, Pace
from bench.gateway.servers import (
    DUPLEX,
    FLOOR,
    PIPECAT_DETECTED,
    PIPECAT_MANUAL,
    PIPECAT_PYTHON,
    TURNS,
    TURNS_MP3,
    TURNS_PACED,
    Candidate,
    pipecat,
)
from bench.spawn.plot import Bar, draw

RESULTS = Path(__file__).resolve().parents[1] / "results"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    connections: tuple[int, ...] = (1, 10, 50, 100)
    few: tuple[int, ...] = (1, 10)
    """Connections for MP3 and for Pipecat, which need more of the processor."""
    pace: Pace = field(default_factory=Pace)
    times: int = 30
    sessions: int = 20
    conversations: int = 50


QUICK = Size(
    connections=(1, 10),
    few=(1,),
    pace=Pace(window_s=4.0, cycle_s=3.2, short_cycle_s=1.6, fewest_turns=4, talk_s=1.0),
    times=4,
    sessions=5,
    conversations=10,
)


async def _turns(size: Size) -> Figures:
    return {
        TURNS.name: await measure.turns(TURNS, size.connections, size.pace),
        TURNS_MP3.name: await measure.turns(TURNS_MP3, size.few, size.pace),
        FLOOR.name: await measure.turns(FLOOR, size.connections, size.pace),
        **await _beside(lambda c: measure.turns(c, size.few, size.pace), manual=True),
    }


async def _interrupts(size: Size) -> Figures:
    return {
        DUPLEX.name: await measure.interrupts(DUPLEX, size.times),
        FLOOR.name: await measure.interrupts(FLOOR, size.times),
        **await _beside(lambda c: measure.interrupts(c, size.times), manual=True),
    }


async def _connects(size: Size) -> Figures:
    return {
        TURNS.name: await measure.connects(TURNS, size.times),
        DUPLEX.name: await measure.connects(DUPLEX, size.times),
        FLOOR.name: await measure.connects(FLOOR, size.times),
        **await _beside(lambda c: measure.connects(c, size.times), manual=True),
    }


async def _cost(size: Size) -> Figures:
    return {
        DUPLEX.name: await measure.cost(DUPLEX, size.sessions, size.pace),
        TURNS.name: await measure.cost(TURNS, size.sessions, size.pace),
        FLOOR.name: await measure.cost(FLOOR, size.sessions, size.pace),
        **await _beside(lambda c: measure.cost(c, size.sessions, size.pace), manual=False),
    }


async def _real_time(size: Size) -> Figures:
    return await measure.real_time(TURNS_PACED, size.conversations, 2, size.pace)


async def _beside(run: Callable[[Candidate], Awaitable[Figures]], *, manual: bool) -> Figures:
    other = pipecat(manual=manual)
    return {} if other is None else {other.name: await run(other)}


PARTS: dict[str, Callable[[Size], Awaitable[Figures]]] = {
    "turns": _turns,
    "interrupts": _interrupts,
    "connects": _connects,
    "cost": _cost,
    "real_time": _real_time,
}


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure that should not pass `most`.

    Keys of where it is found are separated by `>`; `{}` stands for whose it is: ours, and
    Pipecat's where it has one.
    """

    name: str
    where: str
    most: float
    ours: str = ""
    pipecat: str = ""
    unit: str = "ms"


AIMS = (
    Aim("end of turn to first audio, p50", "turns>{}>1>p50_ms", 8, TURNS.name, PIPECAT_MANUAL),
    Aim("the same as MP3, p50", "turns>{}>1>p50_ms", 25, TURNS_MP3.name),
    Aim("interrupt to stop, p50", "interrupts>{}>p50_ms", 5, DUPLEX.name, PIPECAT_MANUAL),
    Aim("connect to ready, p50", "connects>{}>p50_ms", 8, TURNS.name, PIPECAT_MANUAL),
    Aim(
        "CPU a session-minute",
        "cost>{}>cpu_s_per_session_minute",
        1.2,
        DUPLEX.name,
        PIPECAT_DETECTED,
        "s",
    ),
    Aim(
        "memory an extra session",
        "cost>{}>memory_mib_per_extra_session",
        1,
        DUPLEX.name,
        PIPECAT_DETECTED,
        "MiB",
    ),
    Aim("gaps in 50 conversations", "real_time>gaps", 0, unit=""),
)


def bars(parts: Figures) -> list[Bar]:
    """The figures that there are, against their aims and beside Pipecat's."""
    found = []
    for aim in AIMS:
        value = _at(parts, aim.where.format(aim.ours))
        pipecats = _at(parts, aim.where.format(aim.pipecat)) if aim.pipecat else None
        if value is not None:
            beside = "" if pipecats is None else f"Pipecat {pipecats:g}"
            found.append(Bar(aim.name, value, aim.most, aim.unit, beside))
    return found


def _at(parts: Figures, where: str) -> float | None:
    inner: Any = parts
    for key in where.split(">"):
        inner = inner.get(key, {}) if isinstance(inner, dict) else {}
    return inner if isinstance(inner, int | float) else None


async def run(names: list[str], size: Size) -> Figures:
    """Run the parts, one after another."""
    figures: Figures = {}
    for name in names:
        sys.stderr.write(f"{name} …\n")
        figures[name] = {"machine": machine(), **await PARTS[name](size)}
    return figures


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--keep", action="store_true", help="write to bench/results")
    given = parser.parse_args()
    figures = asyncio.run(run(given.only, QUICK if given.quick else Size()))
    print(json.dumps(figures, indent=2))
    if pipecat(manual=True) is None:
        sys.stderr.write(f"Pipecat was left out: {PIPECAT_PYTHON} is not set.\n")
    if given.keep:
        keep(figures)


def keep(figures: Figures) -> None:
    """Write figures and plot beside those of other parts."""
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / "gateway.json"
    kept = json.loads(file.read_text()) if file.exists() else {}
    kept |= figures
    file.write_text(json.dumps(kept, indent=2) + "\n")
    draw(bars(kept), "WebSocket doors, stages that take no time", RESULTS / "gateway.svg")


if __name__ == "__main__":
    main()
