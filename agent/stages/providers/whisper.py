"""faster-whisper on this machine: a model that the user has downloaded, in many languages."""

from typing import TYPE_CHECKING, Any

from agent.settings import AgentSettings
from agent.stages.local.model_files import ModelMissing, model_path, whisper_languages
from agent.stages.providers.provider import HOW_TO_GET_MODELS, Missing, Offer, Provider, Request

if TYPE_CHECKING:
    from livekit.agents import stt

_SETTING = "WHISPER_MODEL_PATH"


def _recognizer(request: Request) -> "stt.STT[Any] | None":
    from agent.stages.local.recognizer import LocalSTT

    settings = request.settings
    if request.primary_language not in _languages(settings):
        return None
    return LocalSTT(
        settings.whisper_socket,
        language=request.language,
        timeout_s=settings.asr_timeout_seconds,
        model=f"faster-whisper/{model_path(settings.whisper_model_path, _SETTING).name}",
        provider="whisper",
    )


def _languages(settings: AgentSettings) -> frozenset[str]:
    try:
        return whisper_languages(model_path(settings.whisper_model_path, _SETTING))
    except ModelMissing:
        return frozenset()


def _lacks(settings: AgentSettings) -> Missing | None:
    try:
        whisper_languages(model_path(settings.whisper_model_path, _SETTING))
    except ModelMissing as error:
        return Missing(str(error), HOW_TO_GET_MODELS)
    return None


WHISPER = Provider(
    "whisper",
    "faster-whisper",
    recognition=Offer(
        _recognizer,
        needs=((_SETTING,),),
        options=("WHISPER_COMPUTE_TYPE",),
        module="faster_whisper",
        extra="whisper",
        about="a Whisper model on this machine",
        lacks=_lacks,
        languages_here=_languages,
    ),
)
