"""Groq: recognition of whole utterances, answers, and synthesis of short texts, over HTTP."""

from typing import TYPE_CHECKING, Any

from agent.stages.providers.provider import Offer, Provider, Request

if TYPE_CHECKING:
    from livekit.agents import llm, stt, tts

_URL = "https://api.groq.com/openai/v1"
_NEEDS = (("GROQ_API_KEY",),)
_MODULE = "livekit.plugins.groq"
_OPTIONS = ("GROQ_BASE_URL",)
_SPEECH_CHARACTERS = 200
"""A longer text is refused (Groq's page on Orpheus)."""


def _recognizer(request: Request) -> "stt.STT[Any]":
    from agent.stages.groq_recognizer import GroqSTT

    return GroqSTT(
        api_key=request.variable("GROQ_API_KEY"),
        language=request.primary_language,
        base_url=request.variable("GROQ_BASE_URL", _URL),
    )


def _answerer(request: Request) -> "llm.LLM[Any]":
    from livekit.plugins import groq

    return groq.LLM(
        api_key=request.variable("GROQ_API_KEY"),
        model=request.settings.groq_model,
        base_url=request.variable("GROQ_BASE_URL", _URL),
    )


def _synthesizer(request: Request) -> "tts.TTS[Any]":
    from livekit.agents import tts
    from livekit.plugins import groq

    from agent.stages.bounded_sentences import BoundedSentences

    arabic = request.primary_language == "ar"
    synthesizer = groq.TTS(
        api_key=request.variable("GROQ_API_KEY"),
        model="canopylabs/orpheus-arabic-saudi" if arabic else "canopylabs/orpheus-v1-english",
        voice=request.voice.groq,
        base_url=request.variable("GROQ_BASE_URL", _URL),
    )
    return tts.StreamAdapter(
        tts=synthesizer, sentence_tokenizer=BoundedSentences(_SPEECH_CHARACTERS)
    )


GROQ = Provider(
    "groq",
    "Groq",
    recognition=Offer(_recognizer, needs=_NEEDS, options=_OPTIONS, module=_MODULE, automatic=False),
    answers=Offer(_answerer, needs=_NEEDS, options=("GROQ_MODEL", *_OPTIONS), module=_MODULE),
    speech=Offer(_synthesizer, needs=_NEEDS, options=_OPTIONS, module=_MODULE, automatic=False),
)
