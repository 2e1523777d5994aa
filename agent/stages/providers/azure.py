"""Azure: recognition and synthesis by its Speech service, answers by its OpenAI models."""

import re
from typing import TYPE_CHECKING, Any

from agent.stages.providers.provider import Offer, Provider, Request
from agent.stages.providers.voice import Catalogue, Named, primary_language

if TYPE_CHECKING:
    from livekit.agents import llm, stt, tts

_SPEECH = (("AZURE_SPEECH_KEY",), ("AZURE_SPEECH_REGION",))
_MODULE = "livekit.plugins.azure"
_API_VERSION = "2024-10-21"
VOICES = Catalogue(
    {
        "en-US-JennyNeural": Named("female", language="en"),
        "en-US-AriaNeural": Named("female", language="en"),
        "en-US-GuyNeural": Named("male", language="en"),
        "en-GB-SoniaNeural": Named("female", language="en"),
        "en-GB-RyanNeural": Named("male", language="en"),
        "ar-EG-SalmaNeural": Named("female", language="ar"),
        "ar-EG-ShakirNeural": Named("male", language="ar"),
        "ar-SA-ZariyahNeural": Named("female", language="ar"),
        "ar-SA-HamedNeural": Named("male", language="ar"),
    },
    {
        ("en", "female"): "en-US-JennyNeural",
        ("en", "male"): "en-US-GuyNeural",
        ("ar", "female"): "ar-EG-SalmaNeural",
        ("ar", "male"): "ar-EG-ShakirNeural",
    },
    others=re.compile(r"(?P<language>[a-z]{2,3}-[A-Z]{2})-[A-Za-z]+Neural"),
)


def _recognizer(request: Request) -> "stt.STT[Any]":
    from livekit.agents import NOT_GIVEN
    from livekit.plugins import azure

    endpoint = request.variable("AZURE_STT_ENDPOINT")
    return azure.STT(
        speech_key=request.variable("AZURE_SPEECH_KEY"),
        # the service is found by one of the two
        speech_region=NOT_GIVEN if endpoint else request.variable("AZURE_SPEECH_REGION"),
        speech_endpoint=endpoint or NOT_GIVEN,
        language=_with_region(request.language),
    )


def _with_region(language: str) -> str:
    """Azure hears the languages of countries: `ar` and `ar-XA` are none."""
    defaults = {"ar": "ar-EG", "ar-XA": "ar-EG", "en": "en-US"}
    return defaults.get(language, language)


def _synthesizer(request: Request) -> "tts.TTS[Any]":
    from livekit.plugins import azure

    voice = VOICES.pick(request.voice)
    return azure.TTS(
        speech_key=request.variable("AZURE_SPEECH_KEY"),
        speech_region=request.variable("AZURE_SPEECH_REGION"),
        speech_endpoint=request.variable("AZURE_SPEECH_ENDPOINT") or None,
        voice=voice,
        language=voice.rpartition("-")[0] or primary_language(request.language),
    )


def _answerer(request: Request) -> "llm.LLM[Any]":
    from livekit.plugins import openai

    deployment = request.variable("AZURE_OPENAI_DEPLOYMENT", "gpt-4o")
    return openai.LLM.with_azure(
        model=deployment,
        azure_deployment=deployment,
        azure_endpoint=request.variable("AZURE_OPENAI_ENDPOINT"),
        api_key=request.variable("AZURE_OPENAI_API_KEY"),
        api_version=request.variable("OPENAI_API_VERSION", _API_VERSION),
    )


AZURE = Provider(
    "azure",
    "Azure",
    recognition=Offer(
        _recognizer,
        needs=_SPEECH,
        options=("AZURE_STT_ENDPOINT",),
        module=_MODULE,
        extra="azure",
    ),
    answers=Offer(
        _answerer,
        needs=(("AZURE_OPENAI_API_KEY",), ("AZURE_OPENAI_ENDPOINT",)),
        options=("AZURE_OPENAI_DEPLOYMENT", "OPENAI_API_VERSION"),
        module="livekit.plugins.openai",
    ),
    speech=Offer(
        _synthesizer,
        needs=_SPEECH,
        options=("AZURE_SPEECH_ENDPOINT",),
        module=_MODULE,
        extra="azure",
        voices=VOICES,
    ),
)
