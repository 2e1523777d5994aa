"""What there is for each stage, what is ready, what is missing, and which voices will be heard.

From the settings and this machine's files alone; it tells the names of variables, never a value.
"""

import pkgutil
from dataclasses import dataclass
from importlib.machinery import PathFinder
from typing import Any

from agent.settings import AgentSettings
from agent.stages.choice import (
    SETTINGS,
    Chosen,
    Installed,
    all_that_is_missing,
    choose_stage,
    is_installed,
)
from agent.stages.errors import StageUnavailable
from agent.stages.languages import spoken_language
from agent.stages.providers import NONE, PROVIDERS, STAGES, Missing, Offer, Stage, find_provider
from agent.stages.providers.plugin import PREFIX
from agent.stages.providers.voice import Voice
from agent.stages.voices import list_voices, resolve_voice


@dataclass(frozen=True, slots=True)
class Standing:
    """One provider of one stage."""

    provider: str
    label: str
    about: str
    languages: tuple[str, ...]
    """Primary subtags of those it knows; empty: more than are listed."""
    automatic: bool
    """Whether `auto` takes it once nothing is missing."""
    missing: tuple[Missing, ...]
    """Empty: it is ready."""


@dataclass(frozen=True, slots=True)
class StageSurvey:
    """One stage."""

    stage: Stage
    setting: str
    """The environment variable that names its providers."""
    chain: tuple[str, ...]
    """Who is in use, in the order of fallback; empty: the settings ask for what is not there."""
    told: str
    """The same with the reasons, or what is wrong, for people."""
    providers: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who will speak a voice, and what it is called there."""

    provider: str
    voice: str


@dataclass(frozen=True, slots=True)
class SpokenVoice:
    """A voice that a client may ask for."""

    voice: Voice
    speakers: tuple[Speaker, ...]
    """In the order of fallback; empty: answers come as text only."""


def survey_stages(
    settings: AgentSettings, *, installed: Installed | None = None
) -> tuple[StageSurvey, ...]:
    """The three stages, in the order of a turn."""
    present = installed or is_installed
    chosen = _chosen(settings, present)
    return tuple(
        StageSurvey(
            stage,
            SETTINGS[stage],
            tuple(member.provider for member in one.chain) if isinstance(one, Chosen) else (),
            one.told if isinstance(one, Chosen) else str(one),
            _standings(stage, settings, present),
        )
        for stage, one in chosen.items()
    )


def survey_voices(
    settings: AgentSettings, language: str, *, installed: Installed | None = None
) -> tuple[SpokenVoice, ...]:
    """The voices to offer for a language (BCP-47), by name."""
    speech = _chosen(settings, installed or is_installed)["speech"]
    chain = speech.chain if isinstance(speech, Chosen) else ()
    offers = [
        (provider.name, provider.speech)
        for member in chain
        if (provider := find_provider(member.provider)) is not None
        and provider.speech is not None
        and provider is not NONE
        and provider.speech.knows_here(language, settings)
    ]
    first = offers[0][1].voices if offers else None
    return tuple(
        SpokenVoice(
            voice,
            tuple(
                Speaker(name, voice.name if offer.voices is None else offer.voices.pick(voice))
                for name, offer in offers
            ),
        )
        for voice in list_voices(spoken_language(language, settings), first)
    )


def _languages(offer: Offer[Any], settings: AgentSettings) -> tuple[str, ...]:
    """Those that it knows here, sorted; none where they are not listed."""
    here = None if offer.languages_here is None else offer.languages_here(settings)
    return tuple(sorted(offer.languages if here is None else here))


def default_voice(settings: AgentSettings, language: str) -> Voice:
    """The voice of a session in that language that names none."""
    spoken = spoken_language(language, settings)
    return resolve_voice(settings.default_voice, spoken, settings.tts_voice_gender)


def installed_plugins() -> tuple[str, ...]:
    """Other plugins of livekit-agents that are installed, as settings name them; sorted."""
    path = None
    for part in ("livekit", "plugins"):
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return ()
        path = list(spec.submodule_search_locations or ())
    ours = {
        offer.module.rpartition(".")[2]
        for provider in PROVIDERS
        for stage in STAGES
        if (offer := provider.offer(stage)) is not None
    }
    found = {module.name for module in pkgutil.iter_modules(path)}
    return tuple(f"{PREFIX}{name}" for name in sorted(found - ours))


def _chosen(
    settings: AgentSettings, installed: Installed
) -> dict[Stage, Chosen | StageUnavailable]:
    """Each stage by itself, so that what is wrong with one hides no other."""
    found: dict[Stage, Chosen | StageUnavailable] = {}
    for stage in STAGES:
        try:
            found[stage] = choose_stage(stage, settings, installed)
        except StageUnavailable as error:
            found[stage] = error
    return found


def _standings(stage: Stage, settings: AgentSettings, installed: Installed) -> tuple[Standing, ...]:
    return tuple(
        Standing(
            provider.name,
            provider.label,
            offer.about,
            _languages(offer, settings),
            offer.automatic,
            tuple(all_that_is_missing(offer, settings, installed)),
        )
        for provider in PROVIDERS
        if (offer := provider.offer(stage)) is not None
    )
