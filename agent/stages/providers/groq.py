"""Groq: recognition of whole utterances, answers, and synthesis of short texts, over HTTP."""

from typing import TYPE_CHECKING, Any

from agent.stages.providers.provider import Offer, Provider, Request
from agent.stages.providers.voice import Catalogue, Named

if TYPE_CHECKING:
    from livekit.agents import llm, stt, tts

_URL = "https://api.groq.com/openai/v1"
_NEEDS = (("GROQ_API_KEY",),)
_MODULE = "livekit.plugins.groq"
_OPTIONS = ("GROQ_BASE_URL",)
_SPEECH_CHARACTERS = 200
"""A longer text is refused (Groq's page on Orpheus)."""

VOICES = Catalogue(
    {
        "autumn": Named("female", language="en"),
        "diana": Named("female", language="en"),
        "hannah": Named("female", language="en"),
        "austin": Named("male", language="en"),
        "daniel": Named("male", language="en"),
        "troy": Named("male", language="en"),
        "lulwa": Named("female", language="ar"),
        "noura": Named("female", language="ar"),
        "fahad": Named("male", language="ar"),
        "sultan": Named("male", language="ar"),
    },
    {
        ("en", "female"): "autumn",
        ("en", "male"): "troy",
        ("ar", "female"): "noura",
        ("ar", "male"): "fahad",
    },
)


def _recognizer(request: Request) -> "stt.STT[Any]":
    from agent.stages.openai_recognizer import OpenAISTT

    return OpenAISTT(
        model="whisper-large-v3-turbo",
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
        voice=VOICES.pick(request.voice),
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
    speech=Offer(
        _synthesizer,
        needs=_NEEDS,
        options=_OPTIONS,
        module=_MODULE,
        voices=VOICES,
        automatic=False,
    ),
)
