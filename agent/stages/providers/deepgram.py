"""Deepgram: recognition over a WebSocket."""

from typing import TYPE_CHECKING, Any

from agent.stages.providers.provider import Offer, Provider, Request

if TYPE_CHECKING:
    from livekit.agents import stt

_URL = "https://api.deepgram.com/v1/listen"
_MODEL = "nova-3"


def _recognizer(request: Request) -> "stt.STT[Any]":
    from livekit.plugins import deepgram

    return deepgram.STT(
        api_key=request.variable("DEEPGRAM_API_KEY"),
        model=request.variable("DEEPGRAM_MODEL", _MODEL),
        # every Arabic is one to it, while it tells American English from British
        language="ar" if request.primary_language == "ar" else request.language,
        base_url=request.variable("DEEPGRAM_BASE_URL", _URL),
    )


DEEPGRAM = Provider(
    "deepgram",
    "Deepgram",
    recognition=Offer(
        _recognizer,
        needs=(("DEEPGRAM_API_KEY",),),
        options=("DEEPGRAM_MODEL", "DEEPGRAM_BASE_URL"),
        module="livekit.plugins.deepgram",
        extra="deepgram",
    ),
)
