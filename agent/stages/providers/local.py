"""The stages that need neither key nor network, each behind a server on this machine."""

from typing import TYPE_CHECKING, Any

from agent.stages.providers.provider import Offer, Provider, Request

if TYPE_CHECKING:
    from livekit.agents import llm, stt, tts


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
        voice=request.voice.espeak,
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
    speech=Offer(_synthesizer, module="espeakng_loader", about="espeak-ng on this machine"),
)

NONE = Provider(
    "none",
    "none",
    recognition=Offer(lambda _: None, automatic=False, about="turns are typed"),
    speech=Offer(lambda _: None, automatic=False, about="answers are read"),
)
"""Does without the stage."""
