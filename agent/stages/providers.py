"""The table of providers. A new one is a function for each stage it serves, and a row.

The functions import a vendor's plugin when they are called, so that reading the table is cheap.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from agent.settings import AgentSettings
from agent.stages.voices import Voice

if TYPE_CHECKING:
    from livekit.agents import llm, stt, tts

Stage = Literal["recognition", "answers", "speech"]


@dataclass(frozen=True, slots=True)
class Request:
    """What a stage is built for."""

    settings: AgentSettings
    language: str
    """BCP-47."""
    voice: Voice
    collection: str
    """Name of the document collection that the conversation is about."""
    key: str
    """The provider's key; empty for the local one."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One row of the table; a stage it does not serve is None."""

    name: str
    """As the settings name it."""
    label: str
    """As people know it."""
    key_setting: str | None = None
    """Name of the setting with its key."""
    recognizer: "Callable[[Request], stt.STT[Any] | None] | None" = None
    answerer: "Callable[[Request], llm.LLM[Any]] | None" = None
    synthesizer: "Callable[[Request], tts.TTS[Any] | None] | None" = None
    only_by_name: frozenset[Stage] = frozenset()
    """Stages that `auto` leaves to others."""

    @property
    def variable(self) -> str | None:
        """The environment variable of the key."""
        return None if self.key_setting is None else self.key_setting.upper()

    def serves(self, stage: Stage) -> bool:
        """Whether it has that stage at all."""
        match stage:
            case "recognition":
                return self.recognizer is not None
            case "answers":
                return self.answerer is not None
            case "speech":
                return self.synthesizer is not None

    def automatic(self, stage: Stage) -> bool:
        """Whether `auto` may take it for that stage once its key is set."""
        return self.key_setting is not None and stage not in self.only_by_name


def api_key(provider: Provider, settings: AgentSettings) -> str:
    """The provider's key; empty where it is not set or not needed."""
    if provider.key_setting is None:
        return ""
    value = getattr(settings, provider.key_setting)
    return value.get_secret_value() if isinstance(value, SecretStr) else ""


def _local_recognizer(request: Request) -> "stt.STT[Any] | None":
    from agent.stages.local.recognizer import LocalSTT

    if request.language.lower().partition("-")[0] != "en":
        return None
    return LocalSTT(
        request.settings.recognizer_socket,
        language=request.language,
        collection=request.collection,
        timeout_s=request.settings.asr_timeout_seconds,
    )


def _local_answerer(request: Request) -> "llm.LLM[Any]":
    from agent.stages.local.answerer import ExtractiveAnswerer

    return ExtractiveAnswerer(language=request.language)


def _local_synthesizer(request: Request) -> "tts.TTS[Any]":
    from agent.stages.local.synthesizer import LocalTTS

    return LocalTTS(
        request.settings.synthesizer_socket,
        voice=request.voice.espeak,
        timeout_s=request.settings.tts_timeout_seconds,
    )


def _assemblyai_recognizer(request: Request) -> "stt.STT[Any]":
    from livekit.plugins import assemblyai

    return assemblyai.STT(
        api_key=request.key,
        language_codes=[request.language.partition("-")[0]],
        base_url=request.settings.assembly_base_url or "wss://streaming.assemblyai.com",
    )


_GROQ_URL = "https://api.groq.com/openai/v1"
_GROQ_SPEECH_CHARACTERS = 200
"""A longer text is refused (Groq's page on Orpheus)."""


def _groq_recognizer(request: Request) -> "stt.STT[Any]":
    from agent.stages.groq_recognizer import GroqSTT

    return GroqSTT(
        api_key=request.key,
        language=request.language.partition("-")[0],
        base_url=request.settings.groq_base_url or _GROQ_URL,
    )


def _groq_answerer(request: Request) -> "llm.LLM[Any]":
    from livekit.plugins import groq

    return groq.LLM(
        api_key=request.key,
        model=request.settings.groq_model,
        base_url=request.settings.groq_base_url or _GROQ_URL,
    )


def _groq_synthesizer(request: Request) -> "tts.TTS[Any]":
    from livekit.agents import tts
    from livekit.plugins import groq

    from agent.stages.bounded_sentences import BoundedSentences

    arabic = request.language.lower().startswith("ar")
    synthesizer = groq.TTS(
        api_key=request.key,
        model="canopylabs/orpheus-arabic-saudi" if arabic else "canopylabs/orpheus-v1-english",
        voice=request.voice.groq,
        base_url=request.settings.groq_base_url or _GROQ_URL,
    )
    return tts.StreamAdapter(
        tts=synthesizer, sentence_tokenizer=BoundedSentences(_GROQ_SPEECH_CHARACTERS)
    )


def _inworld_synthesizer(request: Request) -> "tts.TTS[Any]":
    from livekit.plugins import inworld

    base = request.settings.inworld_base_url or "https://api.inworld.ai/"
    return inworld.TTS(
        api_key=request.key,
        voice=request.voice.inworld,
        language=request.language,
        base_url=base,
        ws_url=_as_websocket(base),
    )


def _as_websocket(url: str) -> str:
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit(parts._replace(scheme=scheme))


LOCAL = Provider(
    "local",
    "local",
    recognizer=_local_recognizer,
    answerer=_local_answerer,
    synthesizer=_local_synthesizer,
)
NONE = Provider("none", "none", recognizer=lambda _: None, synthesizer=lambda _: None)
"""Does without the stage: turns are typed, answers are read."""

PROVIDERS: tuple[Provider, ...] = (
    Provider("assemblyai", "AssemblyAI", "assembly_api_key", recognizer=_assemblyai_recognizer),
    Provider(
        "groq",
        "Groq",
        "groq_api_key",
        recognizer=_groq_recognizer,
        answerer=_groq_answerer,
        synthesizer=_groq_synthesizer,
        only_by_name=frozenset({"recognition", "speech"}),
    ),
    Provider("inworld", "Inworld", "inworld_api_key", synthesizer=_inworld_synthesizer),
    LOCAL,
    NONE,
)
"""In the order in which `auto` asks for keys."""
