"""The table of faults, as a page."""

import json
from pathlib import Path
from typing import Any

from tests.clients.faults import ASK_AGAIN_S, CLEAN_S, State, Victim

HEAD = """\
# Faults

Made by `make faults`: real processes killed with -9, stopped or starved, while a session is in a
given state; what follows is seen by a client over REST and in the room. After each the session is
ended, and processes, rooms and keys in Redis are looked for: what is there still {clean_s:.0f} s
later is named, {left} of {faults} left anything.

Times run from the kill until the user's question is answered (queued, spawning, ready, active) or
until the session is over (ending). They hold the question itself, which takes a tenth of a second
and is asked again after {again_s:g} s, and what the machine did besides: its load average was
{load} on two cores. A session that is ending is held there by an agent that hangs, so that it has
to be killed.

A clock that is set forward or back is an injected one: `tests/unit/orchestrator/test_clock.py`.
"""


def write(kind: str, row: dict[str, Any], results: Path) -> None:
    """Keep one more row, in place of an earlier one of its kind, and write the page anew."""
    results.parent.mkdir(exist_ok=True)
    kept = json.loads(results.read_text()) if results.exists() else {"kills": [], "outages": []}
    name = _name(kind)
    rows = [each for each in kept[kind] if name(each) != name(row)]
    kept[kind] = [*rows, row]
    results.write_text(json.dumps(kept, indent=1) + "\n")
    results.with_suffix(".md").write_text(page(kept))


def page(kept: dict[str, Any]) -> str:
    """The whole page."""
    rows = [row for kind in kept.values() for row in kind]
    loads = [row["load_average"][0] for row in rows]
    head = HEAD.format(
        clean_s=CLEAN_S,
        again_s=ASK_AGAIN_S,
        load=f"{min(loads):.0f} to {max(loads):.0f}",
        left=sum(bool(row["left"]) for row in rows) or "none",
        faults=len(rows),
    )
    return head + _kills(kept["kills"]) + _outages(kept["outages"])


def _name(kind: str) -> Any:
    if kind == "kills":
        return lambda row: (row["victim"], row["state"])
    return lambda row: row["fault"]


def _kills(rows: list[dict[str, Any]]) -> str:
    victims = [victim for victim in Victim if any(row["victim"] == victim for row in rows)]
    by_cell = {(row["victim"], row["state"]): row for row in rows}
    lines = ["", "## Killed", "", _line(["killed while the session is", *State])]
    lines.append(_line(["---"] * (len(State) + 1)))
    lines += [
        _line([victim, *(_cell(by_cell.get((victim, state))) for state in State)])
        for victim in victims
    ]
    return "\n".join(lines) + "\n"


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "–"
    after = "" if row["after_s"] is None else f" ({row['after_s']:.1f} s)"
    left = f"; left: {', '.join(row['left'])}" if row["left"] else ""
    return f"{row['notice']}{after}{left}"


def _outages(rows: list[dict[str, Any]]) -> str:
    names = ["fault", "lasted", "a call that ran", "a start during it", "a new call after", "left"]
    lines = ["", "## Away, frozen, out of space", "", _line(names), _line(["---"] * len(names))]
    for row in rows:
        again, left = f"{row['works_again_after_s']:.1f} s", ", ".join(row["left"]) or "nothing"
        lasted = f"{row['lasted_s']:.0f} s"
        call, start = row["running_call"], row["new_session_meanwhile"]
        lines.append(_line([row["fault"], lasted, call, start, again, left]))
    return "\n".join(lines) + "\n"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
