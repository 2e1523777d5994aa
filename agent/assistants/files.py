"""Reading a folder of assistants. A file that is wrong is told of, and the others are read."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import yaml
from pydantic import ValidationError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from agent.assistants.description import Description, HttpTool
from agent.assistants.errors import UnknownAssistant

MAX_FILE_BYTES = 65_536
MAX_FILES = 200
MAX_DEPTH = 32
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file is not an assistant."""

    file: str
    message: str
    line: int | None = None
    """From 1; None where the file as a whole is wrong."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Assistants:
    """All that can be chosen, by name, and what was wrong with the other files."""

    by_name: Mapping[str, Description] = field(default_factory=lambda: MappingProxyType({}))
    problems: tuple[Problem, ...] = ()
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The name of each one's file."""

    def named(self, name: str) -> Description:
        """Raises `UnknownAssistant`."""
        try:
            return self.by_name[name]
        except KeyError:
            raise UnknownAssistant(name) from None


def read_assistants(folder: Path) -> Assistants:
    """Every `.yaml` and `.yml` file of the folder, by name; none where there is no folder."""
    by_name: dict[str, Description] = {}
    files: dict[str, str] = {}
    problems: list[Problem] = []
    for path in _files(folder, problems):
        try:
            description = _read(path)
        except _Wrong as wrong:
            problems += (Problem(path.name, message, line) for line, message in wrong.found)
            continue
        name = description.name
        if name in by_name:
            problems.append(Problem(path.name, f"name: {name} is the assistant of {files[name]}"))
        else:
            by_name[name], files[name] = description, path.name
    return Assistants(MappingProxyType(by_name), tuple(problems), MappingProxyType(files))


class _Wrong(Exception):
    """What is wrong with one file: (line or None, message) for each."""

    def __init__(self, *found: tuple[int | None, str]) -> None:
        super().__init__()
        self.found = found


def _files(folder: Path, problems: list[Problem]) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(Problem(str(folder), f"cannot be read: {error.strerror}"))
        return []
    if len(found) > MAX_FILES:
        left_out = f"{len(found) - MAX_FILES} files are left out: at most {MAX_FILES} are read"
        problems.append(Problem(str(folder), left_out))
    return found[:MAX_FILES]


def _read(path: Path) -> Description:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _Wrong((None, f"cannot be read: {error.strerror}")) from error
    if len(content) > MAX_FILE_BYTES:
        raise _Wrong((None, f"is larger than {MAX_FILE_BYTES} bytes"))
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _Wrong((None, "is not UTF-8")) from error
    return _parse(text)


def _parse(text: str) -> Description:
    try:
        tree = _tree(text)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise _Wrong((line, error.problem or "is not YAML")) from error
    except (yaml.YAMLError, ValueError) as error:
        raise _Wrong((None, "is not YAML")) from error
    if not isinstance(data, dict):
        raise _Wrong((1, "must be a mapping: `name: …`, `instructions: …`"))
    try:
        description = Description.model_validate(data)
    except ValidationError as error:
        found = [
            _told(tree, each["loc"], _message(each["type"], each["msg"])) for each in error.errors()
        ]
        raise _Wrong(*sorted(found)) from error
    _check_schemas(tree, description)
    return description


def _tree(text: str) -> Node:
    """The document's nodes, which know their lines. No references, depth or key twice."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            # a short file could stand for a very long one
            raise _Wrong((_line(event), "references (*name) cannot be used"))
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _Wrong((_line(event), "is nested too deeply"))
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    if tree is None:
        raise _Wrong((None, "is empty"))
    _check_keys(tree)
    return tree


def _line(event: yaml.Event) -> int | None:
    return None if event.start_mark is None else event.start_mark.line + 1


def _check_keys(node: Node) -> None:
    if isinstance(node, SequenceNode):
        for item in node.value:
            _check_keys(item)
    if not isinstance(node, MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, ScalarNode):
            raise _Wrong((line, "a key must be a word"))
        if key.value in seen:
            raise _Wrong((line, f"{key.value}: is there twice"))
        seen.add(key.value)
        _check_keys(value)


def _told(tree: Node, location: Iterable[int | str], message: str) -> tuple[int, str]:
    """Where in the file it is wrong, and what."""
    node, line, names = tree, tree.start_mark.line + 1, list[str]()
    parts = tuple(location)
    for at, part in enumerate(parts):
        found = _child(node, part)
        if found is not None:
            line, node = found
        elif at < len(parts) - 1:
            continue  # pydantic's own: the kind of a tool
        names.append(part if isinstance(part, str) else str(part + 1))
    return line, f"{' '.join(names)}: {message}" if names else message


def _message(kind: str, message: str) -> str:
    return "there is no such key" if kind == "extra_forbidden" else message


def _child(node: Node, part: int | str) -> tuple[int, Node] | None:
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    return None


def _check_schemas(tree: Node, description: Description) -> None:
    for number, tool in enumerate(description.tools):
        if isinstance(tool, HttpTool):
            for path, message in _schema_errors(tool):
                raise _Wrong(_told(tree, ("tools", number, "parameters", *path), message))


def _schema_errors(tool: HttpTool) -> Iterator[tuple[tuple[int | str, ...], str]]:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    for error in validator.iter_errors(tool.parameters):
        yield tuple(error.absolute_path), "is no JSON schema: " + error.message[:200]
