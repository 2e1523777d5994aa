"""`make bench-spawn`: starting and ending agents, measured from outside; prints JSON.

    python -m bench.spawn --quick                  few of everything
    python -m bench.spawn --only joining ending    some parts
    python -m bench.spawn --sessions 100           so many single sessions a part
    LIVEKIT_URL=… LIVEKIT_API_KEY=… LIVEKIT_API_SECRET=… python -m bench.spawn

With `--keep` the figures and their plot are written to bench/results/; parts that were not run keep
the figures that are there. The machine's load average stands beside each part.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.figures import machine
from bench.spawn import burst, churn, joining, memory, stutter, yardstick
from bench.spawn.aims import bars_of
from bench.spawn.plot import draw
from bench.spawn.site import ROOM_SERVER_VARIABLES, Site, site

RESULTS = Path(__file__).resolve().parents[1] / "results"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    singles: int = 30
    """Single sessions of each kind."""
    calls: int = 20
    churned: int = 500
    window_s: float = 12.0


QUICK = Size(singles=5, calls=4, churned=30, window_s=6.0)


@dataclass(frozen=True, slots=True)
class Part:
    """Some figures that are taken together."""

    run: Callable[[Site, Size], Awaitable[dict[str, object]]]
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the instance that it runs on; parts with the same ones share it."""


PARTS: dict[str, Part] = {
    "joining": Part(lambda on, size: joining.agent_in_room(on, size.singles)),
    "audio": Part(lambda on, size: joining.first_audio(on, size.singles)),
    "ending": Part(lambda on, size: joining.ending(on, size.singles)),
    "recovery": Part(lambda on, size: joining.recovery(on, size.singles)),
    "burst": Part(lambda on, _: burst.burst(on, 20)),
    "stutter": Part(lambda on, size: stutter.stutter(on, 20, window_s=size.window_s)),
    "memory": Part(lambda on, size: memory.memory(on, size.calls)),
    "yardstick": Part(
        lambda on, size: yardstick.yardstick(on, size.singles // 2, calls=min(4, size.calls))
    ),
    "churn": Part(lambda on, size: churn.churn(on, size.churned)),
    "cold": Part(
        lambda on, size: joining.agent_in_room(on, size.singles), {"AGENT_POOL_SIZE": "0"}
    ),
    "overload": Part(
        lambda on, _: burst.overload(on, 50), {"MAX_CONCURRENT_SESSIONS": str(burst.CAPACITY)}
    ),
}


async def measure(names: list[str], size: Size) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Run the parts, those with the same settings on one instance; each part's figures."""
    by_settings: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name in names:
        by_settings.setdefault(tuple(PARTS[name].settings.items()), []).append(name)
    for settings, together in by_settings.items():
        with tempfile.TemporaryDirectory() as folder:
            async with site(Path(folder), dict(settings)) as running:
                for name in together:
                    print(f"{name} …", file=sys.stderr, flush=True)
                    before = machine()["load_average"]
                    found = await PARTS[name].run(running, size)
                    load = {"load_average_before": before, **machine()}
                    yield name, {**found, "machine": load}


def main() -> None:
    """Measure, print, and keep if asked to."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    arguments.add_argument("--sessions", type=int, help="single sessions of each kind")
    arguments.add_argument("--calls", type=int, help="calls at once")
    arguments.add_argument("--churned", type=int, help="sessions started and ended in a row")
    arguments.add_argument("--quick", action="store_true", help="few of everything")
    arguments.add_argument("--keep", action="store_true", help="write to bench/results/")
    given = arguments.parse_args()
    size = QUICK if given.quick else Size()
    size = Size(
        given.sessions or size.singles,
        given.calls or size.calls,
        given.churned or size.churned,
        size.window_s,
    )
    rooms = "LiveKit" if os.environ.get(ROOM_SERVER_VARIABLES[0]) else "devroom"
    figures = asyncio.run(_measure_all(given.only, size, keep_as=rooms if given.keep else None))
    print(json.dumps({"rooms": rooms, "parts": figures}, indent=2))


async def _measure_all(names: list[str], size: Size, *, keep_as: str | None) -> dict[str, Any]:
    """The figures by part; each part is kept when it is done."""
    figures: dict[str, Any] = {}
    async for name, found in measure(names, size):
        figures[name] = found
        if keep_as is not None:
            keep({name: found}, keep_as)
    return figures


def keep(figures: dict[str, Any], rooms: str) -> None:
    """Write the figures and draw them, with those of the parts that were not run."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"spawn-{rooms.lower()}.json"
    before = json.loads(path.read_text())["parts"] if path.exists() else {}
    together = {name: {**before, **figures}[name] for name in PARTS if name in before | figures}
    path.write_text(json.dumps({"rooms": rooms, "parts": together}, indent=2) + "\n")
    draw(bars_of(together), f"Agents over {rooms}, against the aims", path.with_suffix(".svg"))


if __name__ == "__main__":
    main()
