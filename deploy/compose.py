"""Reads the compose file with its variables filled in, as Compose does.

Source: https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md

VariableMissing
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

COMPOSE_FILE = Path(__file__).resolve().parent.parent / "docker-compose.celery.yml"

Yaml = str | int | float | bool | None | list["Yaml"] | dict[str, "Yaml"]

_NAME = re.compile(r"[A-Za-z_]\w*")
_BRACED = re.compile(r"([A-Za-z_]\w*)(?:(:?)([-+?])(.*))?", re.DOTALL)


class VariableMissing(Exception):
    """`${NAME:?why}` and it is not set."""


def composed(variables: Mapping[str, str]) -> dict[str, Any]:
    """The file as Compose sees it with these variables."""
    made = interpolated(yaml.safe_load(COMPOSE_FILE.read_text()), variables)
    if not isinstance(made, dict):
        raise TypeError("not a mapping")
    return made


def published(service: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """`7882/udp` → (address, port) of this machine."""
    found = {}
    for entry in service.get("ports", []):
        address, outside, inside = entry.rsplit(":", 2)
        found[inside] = (address, int(outside))
    return found


def interpolated(value: Yaml, variables: Mapping[str, str]) -> Yaml:
    """A parsed file with its variables filled in; keys stay as they are."""
    match value:
        case str():
            return substitute(value, variables)
        case list():
            return [interpolated(entry, variables) for entry in value]
        case dict():
            return {key: interpolated(entry, variables) for key, entry in value.items()}
        case _:
            return value


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """One string. Raises `VariableMissing`, and `ValueError` for a `$` that begins nothing."""
    done, at = "", 0
    while (dollar := text.find("$", at)) >= 0:
        done += text[at:dollar]
        rest = text[dollar + 1 :]
        if rest.startswith("$"):
            done, at = done + "$", dollar + 2
        elif rest.startswith("{"):
            end = _closing_brace(text, dollar + 1)
            done, at = done + _braced(text[dollar + 2 : end], variables), end + 1
        elif name := _NAME.match(rest):
            done, at = done + variables.get(name[0], ""), dollar + 1 + name.end()
        else:
            raise ValueError(f"a $ that begins nothing: {text}")
    return done + text[at:]


def _closing_brace(text: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at
    raise ValueError(f"a brace that is not closed: {text}")


def _braced(expression: str, variables: Mapping[str, str]) -> str:
    parts = _BRACED.fullmatch(expression)
    if parts is None:
        raise ValueError(f"not an expression: {expression}")
    name, colon, operator, other = parts.groups()
    value = variables.get(name)
    counts_as_set = value is not None and (value != "" or not colon)
    match operator:
        case "-" if not counts_as_set:
            return substitute(other, variables)
        case "+":
            return substitute(other, variables) if counts_as_set else ""
        case "?" if not counts_as_set:
            raise VariableMissing(f"{name}: {substitute(other, variables)}")
        case _:
            return value or ""
