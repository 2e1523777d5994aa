"""Which providers serve each stage, in which order, and why. Pure: no framework, no network.

A stage has a chain of providers: when the first one fails, the next one takes over. `auto` takes
every provider that nothing is missing for, in the order of the table, the local one last; where
that leaves nobody, recognition and speech are done without, and the choice says what would mend
it. A list such as `assemblyai,local` is the chain itself, and whoever is missing there is an error.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from itertools import chain
from typing import Any

from agent.settings import AgentSettings
from agent.stages.errors import StageUnavailable
from agent.stages.providers import (
    LOCAL,
    NONE,
    PROVIDERS,
    Missing,
    Offer,
    Provider,
    Stage,
    find_provider,
)

AUTO = "auto"

Installed = Callable[[str], bool]
"""Whether a module can be imported."""


@dataclass(frozen=True, slots=True)
class StageNames:
    """The providers of one conversation, where it has its own; None: as the settings say.

    Each is a provider's name, or several in the order of fallback, separated by commas.
    """

    recognition: str | None = None
    answers: str | None = None
    speech: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One provider of a chain."""

    provider: str
    label: str
    reason: str
    """Why it is in: what was set, or what it is."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The providers of one stage."""

    stage: Stage
    chain: tuple[Member, ...]
    """In the order in which they are tried; never empty."""
    remedy: str = ""
    """What goes without the stage, and how to have it; empty where nothing is missing."""
    left_out: tuple[str, ...] = ()
    """Whom `auto` would have taken, and what is missing: a line each."""

    @property
    def provider(self) -> str:
        """Name of the first one."""
        return self.chain[0].provider

    @property
    def local(self) -> bool:
        """Whether the local one, which needs neither key nor network, is among them."""
        return self.uses(LOCAL.name)

    def uses(self, provider: str) -> bool:
        """Whether the provider of that name is in the chain."""
        return any(member.provider == provider for member in self.chain)

    @property
    def told(self) -> str:
        """Who serves the stage and why, for people."""
        first, *others = self.chain
        told = [f"{first.label} ({first.reason})", *(other.label for other in others)]
        remedy = f": {self.remedy}" if self.remedy else ""
        left_out = "".join(f"; left out: {line}" for line in self.left_out)
        return ", then ".join(told) + remedy + left_out

    def __str__(self) -> str:
        return f"{self.stage}: {self.told}"


@dataclass(frozen=True, slots=True)
class StageChoice:
    """The providers of the three stages."""

    recognition: Chosen
    answers: Chosen
    speech: Chosen
    settings: AgentSettings = field(repr=False)

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
        return any(
            provider is not NONE
            and provider.recognition is not None
            and provider.recognition.knows_here(language, self.settings)
            for member in self.recognition.chain
            if (provider := find_provider(member.provider)) is not None
        )


def choose(
    settings: AgentSettings,
    names: StageNames | None = None,
    *,
    installed: Installed | None = None,
) -> StageChoice:
    """The providers of each stage: by `names`, and by the settings for what they leave open.

    `installed` tells whether a module can be imported; by default it looks.

    Raises `StageUnavailable` for an unknown name, and for a provider asked for by name whose key
    or library is missing.
    """
    own = names or StageNames()
    present = installed or is_installed
    return StageChoice(
        recognition=choose_stage("recognition", settings, present, own.recognition),
        answers=choose_stage("answers", settings, present, own.answers),
        speech=choose_stage("speech", settings, present, own.speech),
        settings=settings,
    )


def choose_stage(
    stage: Stage, settings: AgentSettings, installed: Installed, name: str | None = None
) -> Chosen:
    """The providers of one stage, as `choose` finds them: by `name`, or by the settings."""
    setting = SETTINGS[stage]
    if name is None:
        return _Choosing(stage, setting, settings.variable(setting), settings, installed).chosen()
    return _Choosing(stage, stage, name, settings, installed).chosen()


SETTINGS: dict[Stage, str] = {
    "recognition": "STT_PROVIDER",
    "answers": "LLM_PROVIDER",
    "speech": "TTS_PROVIDER",
}
_WITHOUT: dict[Stage, str] = {
    "recognition": "only typed turns work; to be heard",
    "answers": "nothing is answered; to have answers",
    "speech": "answers come as text only; to hear them",
}


def all_that_is_missing(
    offer: Offer[Any], settings: AgentSettings, installed: Installed
) -> Iterator[Missing]:
    """What the offer lacks here: keys, its library, models; nothing: it is ready."""
    needed = True
    for group in offer.needs:
        if not any(map(settings.variable, group)):
            needed = False
            yield Missing(f"{group[0]} is not set", f"set {' or '.join(group)}", group[0])
    if offer.module and not installed(offer.module):
        yield Missing(f"{_library(offer.module)} is not installed", _how_to_install(offer))
    elif needed and (lacking := offer.lacks(settings)) is not None:
        yield lacking


def what_is_missing(
    offer: Offer[Any], settings: AgentSettings, installed: Installed
) -> Missing | None:
    """The first thing that the offer lacks here; None: it is ready."""
    return next(all_that_is_missing(offer, settings, installed), None)


@dataclass(frozen=True, slots=True)
class _Choosing:
    """The choice for one stage."""

    stage: Stage
    source: str
    """Who asked: the setting's name, or the stage's where the conversation has its own."""
    asked: str
    settings: AgentSettings
    installed: Installed

    def chosen(self) -> Chosen:
        names = [name.strip().lower() for name in self.asked.split(",") if name.strip()]
        if not names:
            raise self._unavailable(f"{self.source} is empty; one of {self._known()}", "")
        if NONE.name in names and len(names) > 1:
            raise self._unavailable(f"{self._reason}: none goes with no other", "")
        members: list[Member] = []
        left_out: list[str] = []
        for name in names:
            if name == AUTO:
                found, left_out = self._automatic()
                members += found
            else:
                members.append(self._named(name))
        if not members:
            return self._without()
        once: dict[str, Member] = {}
        for member in members:
            once.setdefault(member.provider, member)
        return Chosen(self.stage, tuple(once.values()), left_out=tuple(left_out))

    def _automatic(self) -> tuple[list[Member], list[str]]:
        members: list[Member] = []
        left_out: list[str] = []
        for provider, offer in self._offers():
            if not offer.automatic:
                continue
            missing = what_is_missing(offer, self.settings, self.installed)
            if missing is None:
                alone = provider is LOCAL and not members and not left_out
                members.append(self._member(provider, offer, alone=alone))
            elif any(map(self.settings.variable, chain.from_iterable(offer.needs))):
                # somebody wants it: a part of what it needs is set
                left_out.append(f"{provider.label}: {missing}")
        return members, left_out

    def _member(self, provider: Provider, offer: Offer[Any], *, alone: bool) -> Member:
        keys = [next(filter(self.settings.variable, group)) for group in offer.needs]
        reason = " and ".join(keys) or offer.about
        if alone:
            reason += "; no provider's key is set"
        return Member(provider.name, provider.label, reason)

    def _named(self, name: str) -> Member:
        provider = find_provider(name)
        offer = None if provider is None else provider.offer(self.stage)
        if provider is None or offer is None:
            raise self._unavailable(
                f"{self._reason}: no such provider of {self.stage}; one of {self._known()}", ""
            )
        missing = what_is_missing(offer, self.settings, self.installed)
        if missing is not None:
            raise self._unavailable(
                f"{self._reason}: {provider.label}: {missing}; "
                f"or {self.source}=auto{self._or_none(offer)}",
                missing.variable,
            )
        return Member(provider.name, provider.label, self._reason)

    def _without(self) -> Chosen:
        """The stage is not had at all: not even the local provider is there."""
        offer = LOCAL.offer(self.stage)
        missing = offer and what_is_missing(offer, self.settings, self.installed)
        if NONE.offer(self.stage) is None:
            raise self._unavailable(f"{self._reason}: {missing}", "")
        nobody = Member(NONE.name, NONE.label, str(missing))
        keys = " or ".join(
            " and ".join(group[0] for group in offer.needs)
            for _, offer in self._offers()
            if offer.automatic and offer.needs
        )
        return Chosen(self.stage, (nobody,), remedy=f"{_WITHOUT[self.stage]}, set {keys}")

    def _or_none(self, offer: Offer[Any]) -> str:
        there = NONE.offer(self.stage) is not None and not offer.needs
        return f", or {self.source}=none" if there else ""

    def _offers(self) -> list[tuple[Provider, Offer[Any]]]:
        return [(row, offer) for row in PROVIDERS if (offer := row.offer(self.stage)) is not None]

    def _known(self) -> str:
        return ", ".join([AUTO, *(provider.name for provider, _ in self._offers())])

    @property
    def _reason(self) -> str:
        return f"{self.source}={self.asked.strip().lower()}"

    def _unavailable(self, message: str, variable: str) -> StageUnavailable:
        return StageUnavailable(message, setting=variable or SETTINGS[self.stage], stage=self.stage)


def is_installed(module: str) -> bool:
    """Whether a module can be imported. Imports nothing, not even the packages it is in."""
    if module in sys.modules:
        return sys.modules[module] is not None  # by None an import is refused
    path = None
    for part in module.split("."):
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return False
        path = list(spec.submodule_search_locations or ())
    return True


def _library(module: str) -> str:
    """What people install: `livekit-plugins-deepgram` for `livekit.plugins.deepgram`."""
    return module.replace(".", "-") if module.startswith("livekit.plugins.") else module


def _how_to_install(offer: Offer[Any]) -> str:
    if offer.extra:
        return f"pip install -e '.[{offer.extra}]'"
    if offer.module.startswith("livekit.plugins."):
        return f"pip install {_library(offer.module)}"
    return "not every Python and platform has a wheel of it"
