"""Stages that run as services of their own, wherever their URLs point (docs/services.md)."""

from typing import TYPE_CHECKING, Any

from agent.settings import AgentSettings
from agent.stages.providers.provider import Offer, Provider, Request
from agent.stages.providers.voice import primary_language

if TYPE_CHECKING:
    from livekit.agents import llm, stt, tts


def _recognizer(request: Request) -> "stt.STT[Any] | None":
    from agent.stages.services.recognizer import ServiceSTT

    settings = request.settings
    known = _recognized(settings)
    if known is not None and request.primary_language not in known:
        return None
    return ServiceSTT(
        settings.asr_service_url,
        language=request.language,
        collection=request.collection,
        token=settings.services_token,
        timeout_s=settings.asr_timeout_seconds,
    )


def _answerer(request: Request) -> "llm.LLM[Any]":
    from agent.stages.services.answerer import ServiceLLM

    settings = request.settings
    return ServiceLLM(
        settings.rag_service_url,
        language=request.language,
        collection=request.collection,
        token=settings.services_token,
        timeout_s=settings.rag_timeout_seconds,
    )


def _synthesizer(request: Request) -> "tts.TTS[Any]":
    from agent.stages.services.synthesizer import ServiceTTS

    settings = request.settings
    return ServiceTTS(
        settings.tts_service_url,
        language=request.voice.language,
        voice=request.voice.name,
        gender=request.voice.gender,
        token=settings.services_token,
        timeout_s=settings.tts_timeout_seconds,
    )


def _recognized(settings: AgentSettings) -> frozenset[str] | None:
    """Primary subtags that the service knows; None: whichever it is asked for."""
    return frozenset(map(primary_language, settings.asr_service_languages)) or None


SERVICES = Provider(
    "services",
    "service",
    recognition=Offer(
        _recognizer,
        needs=(("ASR_SERVICE_URL",),),
        options=("SERVICES_TOKEN", "ASR_SERVICE_LANGUAGES"),
        languages_here=_recognized,
    ),
    answers=Offer(_answerer, needs=(("RAG_SERVICE_URL",),), options=("SERVICES_TOKEN",)),
    speech=Offer(_synthesizer, needs=(("TTS_SERVICE_URL",),), options=("SERVICES_TOKEN",)),
)
"""First in the table: whoever sets such an address means it to be used."""
