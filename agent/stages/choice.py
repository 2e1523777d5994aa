"""Which provider serves each stage, and why. Pure: no framework, no network, no files.

`auto` takes the first provider whose key is set, else the local one; where that one's library is
not installed, recognition and speech are done without, and the choice says what would mend it.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from agent.settings import AgentSettings
from agent.stages.errors import StageUnavailable
from agent.stages.providers import LOCAL, NONE, PROVIDERS, Stage, api_key


@dataclass(frozen=True, slots=True)
class Chosen:
    """The provider of one stage."""

    stage: Stage
    provider: str
    label: str
    reason: str
    remedy: str = ""
    """What goes without the stage, and how to have it; empty where nothing is missing."""

    @property
    def local(self) -> bool:
        """Needs neither key nor network."""
        return self.provider == LOCAL.name

    @property
    def told(self) -> str:
        """Who serves the stage and why, for people."""
        told = f"{self.label} ({self.reason})"
        return f"{told}: {self.remedy}" if self.remedy else told

    def __str__(self) -> str:
        return f"{self.stage}: {self.told}"


@dataclass(frozen=True, slots=True)
class StageChoice:
    """The providers of the three stages."""

    recognition: Chosen
    answers: Chosen
    speech: Chosen

    @property
    def stages(self) -> tuple[Chosen, Chosen, Chosen]:
        """All three, in the order of a turn."""
        return (self.recognition, self.answers, self.speech)

    @property
    def banner(self) -> tuple[str, ...]:
        """One line a stage, for people."""
        return tuple(map(str, self.stages))

    def hears(self, language: str) -> bool:
        """Whether speech in `language` (BCP-47) is recognised; if not, only typed turns work."""
        if self.recognition.local:
            return language.lower().partition("-")[0] == "en"
        return self.recognition.provider != NONE.name


def choose(
    settings: AgentSettings, *, installed: Callable[[str], bool] | None = None
) -> StageChoice:
    """The provider of each stage.

    `installed` tells whether a module can be imported; by default it looks.

    Raises `StageUnavailable` for an unknown name, and for a provider asked for by name whose key
    or library is missing.
    """
    present = installed or _installed
    return StageChoice(
        recognition=_choose("recognition", settings.stt_provider, settings, present),
        answers=_choose("answers", settings.llm_provider, settings, present),
        speech=_choose("speech", settings.tts_provider, settings, present),
    )


_SETTINGS: dict[Stage, str] = {
    "recognition": "STT_PROVIDER",
    "answers": "LLM_PROVIDER",
    "speech": "TTS_PROVIDER",
}
_LOCAL_REASONS: dict[Stage, str] = {
    "recognition": "PocketSphinx on this machine, English; no provider's key is set",
    "answers": "from the documents; no provider's key is set",
    "speech": "espeak-ng on this machine; no provider's key is set",
}
_LOCAL_MODULES: dict[Stage, str | None] = {
    "recognition": "pocketsphinx",
    "answers": None,
    "speech": "espeakng_loader",
}
_WITHOUT: dict[Stage, str] = {
    "recognition": "only typed turns work; to be heard",
    "answers": "",
    "speech": "answers come as text only; to hear them",
}


def _choose(
    stage: Stage, asked: str, settings: AgentSettings, installed: Callable[[str], bool]
) -> Chosen:
    name = asked.strip().lower()
    providers = [provider for provider in PROVIDERS if provider.serves(stage)]
    if name == "auto":
        for provider in providers:
            if provider.automatic(stage) and api_key(provider, settings):
                return Chosen(stage, provider.name, provider.label, str(provider.variable))
        return _offline(stage, installed)
    named = next((provider for provider in providers if provider.name == name), None)
    if named is None:
        known = ", ".join(["auto", *(provider.name for provider in providers)])
        raise StageUnavailable(
            f"{_SETTINGS[stage]}={asked}: no such provider of {stage}; one of {known}",
            setting=_SETTINGS[stage],
        )
    reason = f"{_SETTINGS[stage]}={named.name}"
    if named is LOCAL and (module := _missing(stage, installed)):
        raise StageUnavailable(
            f"{reason}: {module} is not installed; not every Python and platform has a wheel of "
            f"it. Set {_variables(stage)} and {_SETTINGS[stage]}=auto, or {_SETTINGS[stage]}=none",
            setting=_SETTINGS[stage],
        )
    if named.key_setting is not None and not api_key(named, settings):
        raise StageUnavailable(
            f"{reason} needs a key: set {named.variable}, or {_SETTINGS[stage]}=auto",
            setting=str(named.variable),
        )
    return Chosen(stage, named.name, named.label, reason)


def _offline(stage: Stage, installed: Callable[[str], bool]) -> Chosen:
    """The stage as it is without any key."""
    module = _missing(stage, installed)
    if module is None:
        return Chosen(stage, LOCAL.name, LOCAL.label, _LOCAL_REASONS[stage])
    return Chosen(
        stage,
        NONE.name,
        NONE.label,
        f"{module} is not installed; not every Python and platform has a wheel of it",
        remedy=f"{_WITHOUT[stage]}, set {_variables(stage)}",
    )


def _missing(stage: Stage, installed: Callable[[str], bool]) -> str | None:
    """The library that the local stage needs and that is not there."""
    module = _LOCAL_MODULES[stage]
    return None if module is None or installed(module) else module


def _variables(stage: Stage) -> str:
    return " or ".join(str(p.variable) for p in PROVIDERS if p.serves(stage) and p.automatic(stage))


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
