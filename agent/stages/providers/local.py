"""The stages that need neither key nor network, each behind a server on this machine."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent.stages.providers.inworld import VOICES as INWORLD_VOICES
from agent.stages.providers.provider import Offer, Provider, Request
from agent.stages.providers.voice import Gender, Voice

if TYPE_CHECKING:
    from livekit.agents import llm, stt, tts

_VARIANTS: dict[Gender, tuple[str, ...]] = {
    "female": ("f3", "f2", "f1", "f4", "f5"),
    "male": ("m3", "m1", "m2", "m4", "m7"),
}
_DEEP = {"Hades": "m2", "Dominus": "m2"}
_NAME = re.compile(r"^(?P<language>[a-z]{2,3}(?:-[a-z0-9]{2,8})*)\+(?P<variant>[fm][1-8])$")


class EspeakVoices:
    """espeak-ng's: a language and a variant, `en-us+f3`. Each of Inworld's has one here."""

    def listed(self, language: str) -> Mapping[str, Gender]:
        """None beside those that every synthesiser has."""
        del language
        return {}

    def find(self, name: str) -> tuple[str, Gender | None] | None:
        """Its own names, of any language."""
        named = _NAME.match(name)
        if named is None:
            return None
        return name, "female" if named["variant"].startswith("f") else "male"

    def pick(self, voice: Voice) -> str:
        """The variant asked for, or the one that stands for the name, in the voice's language."""
        named = _NAME.match(voice.name)
        variant = named["variant"] if named else _variant(voice)
        return f"{_espeak_language(voice.language)}+{variant}"


def _variant(voice: Voice) -> str:
    """Each name keeps a timbre of its own; a language's default has the first."""
    variants = _VARIANTS[voice.gender]
    if voice.name in _DEEP:
        return _DEEP[voice.name]
    if voice.name in INWORLD_VOICES.defaults.values() or voice.name not in INWORLD_VOICES.named:
        return variants[0]
    alike = sorted(n for n, named in INWORLD_VOICES.named.items() if named.gender == voice.gender)
    return variants[alike.index(voice.name) % len(variants)]


def _espeak_language(language: str) -> str:
    """espeak-ng's name of a BCP-47 language: `en-US` → `en-us`, `ar-EG` → `ar`."""
    primary, _, region = language.lower().partition("-")
    match primary:
        case "en":
            return "en" if region == "gb" else "en-us"  # its name of British English
        case _:
            return primary


_VOICES = EspeakVoices()


def _recognizer(request: Request) -> "stt.STT[Any] | None":
    from agent.stages.local.recognizer import LocalSTT

    if request.primary_language != "en":
        return None
    return LocalSTT(
        request.settings.recognizer_socket,
        language=request.language,
        collection=request.collection,
        timeout_s=request.settings.asr_timeout_seconds,
    )


def _answerer(request: Request) -> "llm.LLM[Any]":
    from agent.stages.local.answerer import ExtractiveAnswerer

    return ExtractiveAnswerer(language=request.language)


def _synthesizer(request: Request) -> "tts.TTS[Any]":
    from agent.stages.local.synthesizer import LocalTTS

    return LocalTTS(
        request.settings.synthesizer_socket,
        voice=_VOICES.pick(request.voice),
        timeout_s=request.settings.tts_timeout_seconds,
    )


LOCAL = Provider(
    "local",
    "local",
    recognition=Offer(
        _recognizer,
        module="pocketsphinx",
        about="PocketSphinx on this machine, English",
        languages=frozenset({"en"}),
    ),
    answers=Offer(_answerer, about="from the documents"),
    speech=Offer(
        _synthesizer,
        module="espeakng_loader",
        about="espeak-ng on this machine",
        voices=_VOICES,
    ),
)

NONE = Provider(
    "none",
    "none",
    recognition=Offer(lambda _: None, automatic=False, about="turns are typed"),
    speech=Offer(lambda _: None, automatic=False, about="answers are read"),
)
"""Does without the stage."""
