"""What each figure aims at, and where among the figures of the parts it is found."""

from dataclasses import dataclass
from functools import reduce
from typing import Any

from bench.spawn.plot import Bar

Parts = dict[str, Any]
JOINS = "joining.start_to_agent_in_room"
GAP = "longest_gap_between_packets_ms"


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure should not pass `most`; where `above` is given, not pass that figure by more."""

    name: str
    where: str
    """Keys, with points between them."""
    most: float
    unit: str = "ms"
    above: str | None = None


AIMS = (
    Aim("start to agent in the room, p50", f"{JOINS}.p50_ms", 150),
    Aim("start to agent in the room, p95", f"{JOINS}.p95_ms", 300),
    Aim("the same cold, p50", "cold.start_to_agent_in_room.p50_ms", 50, above=f"{JOINS}.p50_ms"),
    Aim("start to first audio heard, p50", "audio.start_to_first_agent_audio.p50_ms", 500),
    Aim("20 starts at once, all there", "burst.all_agents_in_their_rooms_ms", 3000),
    Aim("50 starts at once, accepted and lost", "overload.lost", 0, ""),
    Aim("idle child, unique memory", "memory.idle_child_unique_mib.max", 12, "MiB"),
    Aim("child in a call, unique memory", "memory.child_in_a_call_unique_mib.max", 70, "MiB"),
    Aim("host and 20 calls, total memory", "memory.host_and_20_calls_total_mib", 2048, "MiB"),
    Aim("kill -9 to another agent, p95", "recovery.killed_to_another_agent.p95_ms", 2000),
    Aim("end to all gone, p95", "ending.end_to_all_gone.p95_ms", 1000),
    Aim("left after sessions in a row", "churn.left_in_all", 0, ""),
    Aim(
        "longest gap in a call while 20 start",
        f"stutter.while_they_start.{GAP}",
        40,
        above=f"stutter.control.{GAP}",
    ),
)


def bars_of(parts: Parts) -> list[Bar]:
    """The figures that there are, against their aims."""
    bars = []
    for aim in AIMS:
        value = look_up(parts, aim.where)
        base = 0.0 if aim.above is None else look_up(parts, aim.above)
        if value is not None and base is not None:
            bars.append(Bar(aim.name, value, round(base + aim.most, 1), aim.unit))
    return bars


def look_up(parts: Parts, where: str) -> float | None:
    """A figure; None where its part was not run, or could not be measured here."""
    try:
        found: Any = reduce(_inside, where.split("."), parts)
    except KeyError:
        return None
    return found if isinstance(found, int | float) else None


def _inside(outer: Any, key: str) -> Any:
    return outer[key]
