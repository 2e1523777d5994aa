"""Piper on this machine: voices that the user has downloaded, one a language. GPL-3, in a process
of its own."""

from typing import TYPE_CHECKING, Any

from agent.settings import AgentSettings
from agent.stages.local.model_files import (
    ModelMissing,
    PiperVoiceFile,
    model_path,
    piper_voices,
)
from agent.stages.providers.provider import HOW_TO_GET_MODELS, Missing, Offer, Provider, Request
from agent.stages.providers.voice import primary_language

if TYPE_CHECKING:
    from livekit.agents import tts

_SETTING = "PIPER_VOICE_PATH"


def _synthesizer(request: Request) -> "tts.TTS[Any] | None":
    from agent.stages.local.synthesizer import LocalTTS

    settings, language = request.settings, request.voice.language
    voice = _voices(settings).get(primary_language(language))
    if voice is None:
        return None
    return LocalTTS(
        settings.piper_socket,
        voice=language.lower(),
        timeout_s=settings.tts_timeout_seconds,
        rate_hz=voice.rate_hz,
        model=f"piper/{voice.name}",
        provider="piper",
    )


def _voices(settings: AgentSettings) -> dict[str, PiperVoiceFile]:
    try:
        return piper_voices(model_path(settings.piper_voice_path, _SETTING))
    except ModelMissing:
        return {}


def _lacks(settings: AgentSettings) -> Missing | None:
    try:
        piper_voices(model_path(settings.piper_voice_path, _SETTING))
    except ModelMissing as error:
        return Missing(str(error), HOW_TO_GET_MODELS)
    return None


PIPER = Provider(
    "piper",
    "Piper",
    speech=Offer(
        _synthesizer,
        needs=((_SETTING,),),
        module="piper",
        extra="piper",
        about="Piper's voices on this machine",
        lacks=_lacks,
        languages_here=lambda settings: frozenset(_voices(settings)),
    ),
)
