"""Any other plugin of livekit-agents, by its name: `plugin:rime`.

It is used with its own defaults. A key, model or address is taken from the variables that such
plugins have by custom (`RIME_API_KEY`, `RIME_MODEL`, `RIME_BASE_URL`); others of its own it finds
in the environment by itself.
"""

import importlib
import inspect
import re
from typing import TYPE_CHECKING, Any

from agent.stages.errors import StageUnavailable
from agent.stages.providers.provider import Offer, Provider, Request, Stage

if TYPE_CHECKING:
    from livekit.agents import llm, stt, tts

PREFIX = "plugin:"
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_CLASSES: dict[Stage, str] = {"recognition": "STT", "answers": "LLM", "speech": "TTS"}


def plugin_provider(name: str) -> Provider | None:
    """The provider that `plugin:…` names; None where that is no name of a module."""
    plugin = name.removeprefix(PREFIX)
    if plugin == name or _NAME.fullmatch(plugin) is None:
        return None

    def recognizer(request: Request) -> "stt.STT[Any]":
        made: stt.STT[Any] = _make(plugin, "recognition", request)
        return made

    def answerer(request: Request) -> "llm.LLM[Any]":
        made: llm.LLM[Any] = _make(plugin, "answers", request)
        return made

    def synthesizer(request: Request) -> "tts.TTS[Any]":
        made: tts.TTS[Any] = _make(plugin, "speech", request)
        return made

    module = f"livekit.plugins.{plugin}"
    return Provider(
        name,
        plugin,
        recognition=Offer(recognizer, module=module, automatic=False),
        answers=Offer(answerer, module=module, automatic=False),
        speech=Offer(synthesizer, module=module, automatic=False),
    )


def _make(plugin: str, stage: Stage, request: Request) -> Any:
    module = importlib.import_module(f"livekit.plugins.{plugin}")
    kind = getattr(module, _CLASSES[stage], None)
    if kind is None:
        raise StageUnavailable(
            f"plugin:{plugin} has no {stage}: the plugin has no class {_CLASSES[stage]}",
            setting="",
            stage=stage,
        )
    given = {
        argument: value
        for argument, variable in (
            ("api_key", f"{plugin}_API_KEY"),
            ("model", f"{plugin}_MODEL"),
            ("base_url", f"{plugin}_BASE_URL"),
        )
        if (value := request.variable(variable.upper()))
    }
    if stage == "recognition":
        given["language"] = request.language
    taken = inspect.signature(kind).parameters
    try:
        return kind(**{name: value for name, value in given.items() if name in taken})
    except (TypeError, ValueError) as error:
        # its own words: which key it lacks, and in which variable it looks for it
        raise StageUnavailable(
            f"plugin:{plugin} for {stage}: {error}", setting="", stage=stage
        ) from error
