"""Which provider serves each stage, and why. Pure: no framework, no network, no files.

`auto` takes the first provider whose key is set, else the local one.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from agent.settings import AgentSettings
from agent.stages.errors import StageUnavailable
from agent.stages.providers import LOCAL, PROVIDERS, Provider, Stage, api_key


@dataclass(frozen=True, slots=True)
class Chosen:
    """The provider of one stage."""

    stage: Stage
    provider: str
    label: str
    reason: str

    @property
    def local(self) -> bool:
        """Needs neither key nor network."""
        return self.provider == LOCAL.name

    def __str__(self) -> str:
        return f"{self.stage}: {self.label} ({self.reason})"


@dataclass(frozen=True, slots=True)
class StageChoice:
    """The providers of the three stages."""

    recognition: Chosen
    answers: Chosen
    speech: Chosen

    @property
    def banner(self) -> tuple[str, ...]:
        """One line a stage, for people."""
        return (str(self.recognition), str(self.answers), str(self.speech))

    def hears(self, language: str) -> bool:
        """Whether speech in `language` (BCP-47) is recognised; if not, only typed turns work."""
        return not self.recognition.local or language.lower().partition("-")[0] == "en"


def choose(
    settings: AgentSettings, *, installed: Callable[[str], bool] | None = None
) -> StageChoice:
    """The provider of each stage.

    `installed` tells whether a module can be imported; by default it looks.

    Raises `StageUnavailable` for an unknown name, a provider without its key, and a local stage
    whose library has no wheel here.
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


def _choose(
    stage: Stage, asked: str, settings: AgentSettings, installed: Callable[[str], bool]
) -> Chosen:
    name = asked.strip().lower()
    providers = [provider for provider in PROVIDERS if provider.serves(stage)]
    if name == "auto":
        for provider in providers:
            if provider.automatic(stage) and api_key(provider, settings):
                return Chosen(stage, provider.name, provider.label, str(provider.variable))
        return _local(stage, _LOCAL_REASONS[stage], installed)
    named = next((provider for provider in providers if provider.name == name), None)
    if named is None:
        known = ", ".join(["auto", *(provider.name for provider in providers)])
        raise StageUnavailable(
            f"{_SETTINGS[stage]}={asked}: no such provider of {stage}; one of {known}",
            setting=_SETTINGS[stage],
        )
    reason = f"{_SETTINGS[stage]}={named.name}"
    if named is LOCAL:
        return _local(stage, reason, installed)
    if not api_key(named, settings):
        raise StageUnavailable(
            f"{reason} needs a key: set {named.variable}, or {_SETTINGS[stage]}=auto",
            setting=str(named.variable),
        )
    return Chosen(stage, named.name, named.label, reason)


def _local(stage: Stage, reason: str, installed: Callable[[str], bool]) -> Chosen:
    module = _LOCAL_MODULES[stage]
    if module is not None and not installed(module):
        raise StageUnavailable(
            f"local {stage} is not available: {module} has no wheel for this Python on this "
            f"platform; set {_variables(stage)}",
            setting=_SETTINGS[stage],
        )
    return Chosen(stage, LOCAL.name, LOCAL.label, reason)


def _variables(stage: Stage) -> str:
    return " or ".join(
        str(p.variable) for p in _vendors() if p.serves(stage) and p.automatic(stage)
    )


def _vendors() -> list[Provider]:
    return [provider for provider in PROVIDERS if provider is not LOCAL]


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None
