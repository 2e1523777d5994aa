"""OpenAI, and whatever speaks its API: vLLM, Ollama, LM Studio, whisper and speech servers.

`OPENAI_BASE_URL` alone is enough: most of them want no key. Recognition and synthesis may be at
addresses of their own.
"""

from typing import TYPE_CHECKING, Any

from agent.stages.providers.provider import Offer, Provider, Request
from agent.stages.providers.voice import Catalogue, Named

if TYPE_CHECKING:
    from livekit.agents import llm, stt, tts

_URL = "https://api.openai.com/v1"
_NO_KEY = "none"
_MODULE = "livekit.plugins.openai"
VOICES = Catalogue(
    {
        "alloy": Named("female"),
        "ash": Named("male"),
        "ballad": Named("male"),
        "coral": Named("female"),
        "echo": Named("male"),
        "fable": Named("male"),
        "nova": Named("female"),
        "onyx": Named("male"),
        "sage": Named("female"),
        "shimmer": Named("female"),
    },
    {("en", "female"): "coral", ("en", "male"): "ash"},
)


def _recognizer(request: Request) -> "stt.STT[Any]":
    from agent.stages.openai_recognizer import OpenAISTT

    return OpenAISTT(
        api_key=request.variable("OPENAI_API_KEY", _NO_KEY),
        model=request.variable("OPENAI_STT_MODEL", "gpt-4o-mini-transcribe"),
        language=request.primary_language,
        base_url=request.first("OPENAI_STT_BASE_URL", "OPENAI_BASE_URL") or _URL,
    )


def _answerer(request: Request) -> "llm.LLM[Any]":
    from livekit.plugins import openai

    return openai.LLM(
        api_key=request.variable("OPENAI_API_KEY", _NO_KEY),
        model=request.variable("OPENAI_MODEL", "gpt-4.1-mini"),
        base_url=request.variable("OPENAI_BASE_URL", _URL),
    )


def _synthesizer(request: Request) -> "tts.TTS[Any]":
    from livekit.plugins import openai

    return openai.TTS(
        api_key=request.variable("OPENAI_API_KEY", _NO_KEY),
        model=request.variable("OPENAI_TTS_MODEL", "gpt-4o-mini-tts"),
        # a server that is not OpenAI's has voices of its own
        voice=request.variable("OPENAI_TTS_VOICE") or VOICES.pick(request.voice),
        base_url=request.first("OPENAI_TTS_BASE_URL", "OPENAI_BASE_URL") or _URL,
    )


OPENAI = Provider(
    "openai",
    "OpenAI or compatible",
    recognition=Offer(
        _recognizer,
        needs=(("OPENAI_API_KEY", "OPENAI_STT_BASE_URL", "OPENAI_BASE_URL"),),
        options=("OPENAI_STT_MODEL",),
        module=_MODULE,
        # it hears whole utterances only, and many compatible servers do not hear at all
        automatic=False,
    ),
    answers=Offer(
        _answerer,
        needs=(("OPENAI_API_KEY", "OPENAI_BASE_URL"),),
        options=("OPENAI_MODEL",),
        module=_MODULE,
    ),
    speech=Offer(
        _synthesizer,
        needs=(("OPENAI_API_KEY", "OPENAI_TTS_BASE_URL", "OPENAI_BASE_URL"),),
        options=("OPENAI_TTS_MODEL", "OPENAI_TTS_VOICE"),
        module=_MODULE,
        voices=VOICES,
        automatic=False,
    ),
)
