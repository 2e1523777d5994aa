"""Reads a Dockerfile and a .dockerignore: as much of their formats as ours use.

DockerfileError
"""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

KNOWN = frozenset(
    {
        *("CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "RUN", "STOPSIGNAL"),
        *("USER", "VOLUME", "WORKDIR"),
    }
)


class DockerfileError(Exception):
    """Something that Docker would refuse, or that we do not read."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """`COPY --from=page a b` is `COPY`, `{"from": "page"}`, `("a", "b")`.

    The shell form of `RUN`, `CMD` and `ENTRYPOINT` has one word, the command line; `ENV` has one
    word for each `NAME=value`; `HEALTHCHECK` has the words of its `CMD`.
    """

    name: str
    flags: Mapping[str, str]
    words: tuple[str, ...]
    is_shell: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """From one `FROM` to the next."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def last(self, name: str) -> Instruction:
        """The one that holds, of those that replace each other. Raises `DockerfileError`."""
        for instruction in reversed(self.instructions):
            if instruction.name == name:
                return instruction
        raise DockerfileError(f"{self.name} has no {name}")

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`ENV` upon what the base image has."""
        made = dict(base)
        for instruction in self.instructions:
            if instruction.name == "ENV":
                before = dict(made)
                for word in instruction.words:
                    name, value = word.split("=", 1)
                    made[name] = _expanded(value, before)
        return made


def parse_dockerfile(text: str) -> list[Stage]:
    """Its stages, in order. Raises `DockerfileError`."""
    stages: list[Stage] = []
    for line in _logical_lines(text):
        name, _, rest = line.partition(" ")
        name, rest = name.upper(), rest.strip()
        if name == "FROM":
            match = re.fullmatch(r"(\S+)\s+AS\s+(\S+)", rest, re.IGNORECASE)
            if match is None:
                raise DockerfileError(f"a stage without a name: {line}")
            stages.append(Stage(match[2], match[1], ()))
        elif name not in KNOWN or not stages:
            raise DockerfileError(f"not understood: {line}")
        else:
            stage = stages[-1]
            made = (*stage.instructions, _instruction(name, rest))
            stages[-1] = Stage(stage.name, stage.base, made)
    return stages


def _logical_lines(text: str) -> list[str]:
    lines: list[str] = []
    going_on = False
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        goes_on = stripped.endswith("\\")
        part = stripped.removesuffix("\\").strip()
        if going_on:
            lines[-1] = f"{lines[-1]} {part}"
        else:
            lines.append(part)
        going_on = goes_on
    return lines


def _instruction(name: str, rest: str) -> Instruction:
    flags: dict[str, str] = {}
    while match := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
        flags[match[1]] = match[2]
        rest = rest[match.end() :]
    if name == "HEALTHCHECK":
        command, _, rest = rest.partition(" ")
        if command != "CMD":
            raise DockerfileError(f"HEALTHCHECK without CMD: {rest}")
    if rest.startswith("["):
        try:
            return Instruction(name, flags, tuple(json.loads(rest)))
        except ValueError as error:
            raise DockerfileError(f"{name}: no JSON, so Docker takes it for a line") from error
    if name in {"RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK"}:
        return Instruction(name, flags, (rest,), is_shell=True)
    words = shlex.split(rest) if name == "ENV" else rest.split()
    return Instruction(name, flags, tuple(words))


def _expanded(value: str, environment: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda match: environment.get(match[1], ""), value)


class Ignored:
    """What a .dockerignore keeps out of the build's context; the last line that matches decides."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._rules: list[tuple[re.Pattern[str], bool]] = []
        for line in lines:
            pattern = line.strip()
            if not pattern or pattern.startswith("#"):
                continue
            kept = pattern.startswith("!")
            self._rules.append((_pattern(pattern.removeprefix("!").strip("/")), kept))

    def __contains__(self, path: PurePosixPath) -> bool:
        ignored = False
        with_parents = [str(part) for part in (path, *path.parents) if str(part) != "."]
        for pattern, kept in self._rules:
            if any(pattern.fullmatch(part) for part in with_parents):
                ignored = not kept
        return ignored


def _pattern(pattern: str) -> re.Pattern[str]:
    translated = ""
    for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern):
        match part:
            case "**/":
                translated += "(?:.*/)?"
            case "**":
                translated += ".*"
            case "*":
                translated += "[^/]*"
            case "?":
                translated += "[^/]"
            case _:
                translated += re.escape(part)
    return re.compile(translated)
