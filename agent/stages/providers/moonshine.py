"""Moonshine on this machine: models that the user has downloaded, one a language."""

from typing import TYPE_CHECKING, Any

from agent.settings import AgentSettings
from agent.stages.local.model_files import ModelMissing, model_path, moonshine_models
from agent.stages.providers.provider import HOW_TO_GET_MODELS, Missing, Offer, Provider, Request

if TYPE_CHECKING:
    from livekit.agents import stt

_SETTING = "MOONSHINE_MODEL_PATH"


def _recognizer(request: Request) -> "stt.STT[Any] | None":
    from agent.stages.local.recognizer import LocalSTT

    settings = request.settings
    if request.primary_language not in _languages(settings):
        return None
    models = moonshine_models(model_path(settings.moonshine_model_path, _SETTING))
    model = models[request.primary_language]
    return LocalSTT(
        settings.moonshine_socket,
        language=request.language,
        timeout_s=settings.asr_timeout_seconds,
        model=f"moonshine/{model.architecture}-{model.language}",
        provider="moonshine",
    )


def _languages(settings: AgentSettings) -> frozenset[str]:
    try:
        return frozenset(moonshine_models(model_path(settings.moonshine_model_path, _SETTING)))
    except ModelMissing:
        return frozenset()


def _lacks(settings: AgentSettings) -> Missing | None:
    try:
        moonshine_models(model_path(settings.moonshine_model_path, _SETTING))
    except ModelMissing as error:
        return Missing(str(error), HOW_TO_GET_MODELS)
    return None


MOONSHINE = Provider(
    "moonshine",
    "Moonshine",
    recognition=Offer(
        _recognizer,
        needs=((_SETTING,),),
        module="moonshine_voice",
        extra="moonshine",
        about="Moonshine models on this machine",
        lacks=_lacks,
        languages_here=_languages,
    ),
)
