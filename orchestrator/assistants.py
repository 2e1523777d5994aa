"""The assistants that sessions can choose here, and choosing one."""

import logging
from collections.abc import Iterator

from agent.assistants.description import Description, HandOver
from agent.assistants.errors import UnknownAssistant
from agent.assistants.files import Assistants, Problem, read_assistants
from agent.job import NO_BRIEF, Brief
from agent.stages.choice import StageChoice, StageNames, choose
from agent.stages.errors import StageUnavailable
from orchestrator.errors import InvalidField
from orchestrator.settings import Settings, SettingsError

NOBODY = Description(name="nobody")
"""Says nothing: the settings say it all."""

WITHOUT_TOOLS = frozenset({"services", "local"})
"""Providers of answers that look documents up, and call no tools."""

_log = logging.getLogger(__name__)


def load_assistants(settings: Settings) -> Assistants:
    """Those of `ASSISTANTS_DIR` whose stages can be had here; the others are problems.

    Raises `SettingsError` where `DEFAULT_ASSISTANT` is none of them.
    """
    found = read_assistants(settings.assistants_dir)
    problems = list(found.problems)
    usable: dict[str, Description] = {}
    for name, description in found.by_name.items():
        try:
            choice = choose(settings, StageNames(**description.stages.model_dump()))
        except StageUnavailable as error:
            problems.append(Problem(found.files[name], f"stages: {error}"))
            continue
        usable[name] = description
        problems += _tools_idle(found.files[name], description, choice)
        problems += _secrets_missing(found.files[name], description, settings)
    default = settings.default_assistant
    if default is not None and default not in usable:
        told = "; ".join(map(str, problems)) or f"there are: {', '.join(usable) or 'none'}"
        raise SettingsError(f"DEFAULT_ASSISTANT: there is no assistant called {default}; {told}")
    return Assistants(usable, tuple(problems), found.files)


def tell_problems(assistants: Assistants) -> None:
    """Log what was wrong with files."""
    for problem in assistants.problems:
        _log.warning("assistant: %s", problem)


def choose_assistant(asked: str | None, settings: Settings, assistants: Assistants) -> Description:
    """The one that was asked for, or the default one, or `NOBODY`. Raises `InvalidField`."""
    name = asked or settings.default_assistant
    if name is None:
        return NOBODY
    try:
        return assistants.named(name)
    except UnknownAssistant:
        raise InvalidField("assistant: there is no assistant of that name.") from None


def brief_of(description: Description) -> Brief:
    """What a job carries of it."""
    if description is NOBODY:
        return NO_BRIEF
    return Brief(
        assistant=description.name,
        instructions=description.instructions,
        stages=description.stages,
        tools=description.tools,
    )


def _tools_idle(file: str, description: Description, choice: StageChoice) -> Iterator[Problem]:
    names = ", ".join(tool.name for tool in description.tools if not isinstance(tool, HandOver))
    if not names:
        return
    first, *others = (member.provider not in WITHOUT_TOOLS for member in choice.answers.chain)
    label = choice.answers.chain[0].label
    if not any((first, *others)):
        yield Problem(file, f"tools: {names}: nobody calls them, as no language model answers")
    elif not first:
        yield Problem(file, f"tools: {names}: called only where the {label} does not answer")


def _secrets_missing(file: str, description: Description, settings: Settings) -> Iterator[Problem]:
    for variable in sorted(description.secrets):
        if not settings.variable(variable):
            message = f"{variable} is not set here; the tools that send it work only where it is"
            yield Problem(file, message)
