"""What a provider is: who serves which stages, what that takes, and how each is built.

A provider's file imports no plugin at its top, so that reading the table is cheap; the functions
that build its stages do.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from agent.settings import AgentSettings
from agent.stages.providers.voice import Voice, Voices, primary_language

if TYPE_CHECKING:
    from livekit.agents import llm, stt, tts

Stage = Literal["recognition", "answers", "speech"]
STAGES: tuple[Stage, ...] = ("recognition", "answers", "speech")
"""In the order of a turn."""

S_co = TypeVar("S_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Request:
    """What a stage is built for."""

    settings: AgentSettings
    language: str
    """BCP-47."""
    voice: Voice
    collection: str
    """Name of the document collection that the conversation is about."""

    def variable(self, name: str, default: str = "") -> str:
        """The value of an environment variable, as `AgentSettings.variable` has it."""
        return self.settings.variable(name) or default

    def first(self, *names: str) -> str:
        """The value of the first of these variables that is set; empty: none is."""
        return next(filter(None, map(self.variable, names)), "")

    @property
    def primary_language(self) -> str:
        """The language without its region: `ar` of `ar-EG`."""
        return primary_language(self.language)


@dataclass(frozen=True, slots=True)
class Missing:
    """What a provider lacks for a stage."""

    what: str
    """`DEEPGRAM_API_KEY is not set`."""
    remedy: str
    """How to have it."""
    variable: str = ""
    """The environment variable to set, where that is the remedy."""

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


HOW_TO_GET_MODELS = "`make models` tells how to get one"


def nothing(_: AgentSettings) -> Missing | None:
    """Nothing else is missing."""
    return None


@dataclass(frozen=True, slots=True)
class Offer(Generic[S_co]):
    """How a provider serves one stage."""

    build: Callable[[Request], S_co | None]
    """None: not in that language. Touches no network."""
    needs: tuple[tuple[str, ...], ...] = ()
    """Environment variables; of each group one must be set. The first one is asked for."""
    options: tuple[str, ...] = ()
    """Environment variables that it reads besides: addresses, models, voices."""
    module: str = ""
    """What `build` imports, and an installation may lack."""
    extra: str = ""
    """Of our package, that brings the module: `pip install -e '.[extra]'`. Empty: there is none."""
    about: str = ""
    """For people: what it is, where the provider's name does not say so."""
    voices: Voices | None = None
    """Of a synthesiser."""
    automatic: bool = True
    """Whether `auto` takes it once nothing is missing; else it is had by its name only."""
    languages: frozenset[str] = frozenset()
    """Primary language subtags that it knows; empty: more than we would list."""
    lacks: Callable[[AgentSettings], Missing | None] = nothing
    """What else is not there, such as a model's files; None: nothing."""
    languages_here: Callable[[AgentSettings], frozenset[str] | None] | None = None
    """The same as `languages`, where settings or files say which; empty: none. It may tell None:
    they do not say."""

    def knows(self, language: str) -> bool:
        """Whether it serves conversations in that language (BCP-47)."""
        return not self.languages or primary_language(language) in self.languages

    def knows_here(self, language: str, settings: AgentSettings) -> bool:
        """The same, with what is on this machine."""
        here = None if self.languages_here is None else self.languages_here(settings)
        return self.knows(language) and (here is None or primary_language(language) in here)


@dataclass(frozen=True, slots=True)
class Provider:
    """One row of the table; a stage it does not serve is None."""

    name: str
    """As the settings name it."""
    label: str
    """As people know it."""
    recognition: "Offer[stt.STT[Any]] | None" = None
    answers: "Offer[llm.LLM[Any]] | None" = None
    speech: "Offer[tts.TTS[Any]] | None" = None

    def offer(self, stage: Stage) -> Offer[Any] | None:
        """How it serves that stage."""
        match stage:
            case "recognition":
                return self.recognition
            case "answers":
                return self.answers
            case "speech":
                return self.speech
