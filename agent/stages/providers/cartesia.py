"""Cartesia: synthesis over a WebSocket."""

import re
from typing import TYPE_CHECKING, Any

from agent.stages.providers.provider import Offer, Provider, Request
from agent.stages.providers.voice import Catalogue, Named

if TYPE_CHECKING:
    from livekit.agents import tts

_URL = "https://api.cartesia.ai"
_MODEL = "sonic-3"
_TIMED = {"de", "en", "es", "fr"}
"""Languages whose words it tells the times of."""
VOICES = Catalogue(
    # those that the vendor names for voice agents; they speak every language of the model
    {
        "Katie": Named("female", "f786b574-daa5-4673-aa0c-cbe3e8534c02"),
        "Kiefer": Named("male", "228fca29-3a0a-435c-8728-5cb483251068"),
        "Tessa": Named("female", "6ccbfb76-1fc6-48f7-b71d-91ac6298247b"),
        "Kyle": Named("male", "c961b81c-a935-4c17-bfb3-ba2239de8c2f"),
    },
    {("en", "female"): "Katie", ("en", "male"): "Kiefer"},
    others=re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
)


def _synthesizer(request: Request) -> "tts.TTS[Any]":
    from livekit.plugins import cartesia

    return cartesia.TTS(
        api_key=request.variable("CARTESIA_API_KEY"),
        voice=VOICES.pick(request.voice),
        model=request.variable("CARTESIA_MODEL", _MODEL),
        language=request.primary_language,
        base_url=request.variable("CARTESIA_BASE_URL", _URL),
        word_timestamps=request.primary_language in _TIMED,
    )


CARTESIA = Provider(
    "cartesia",
    "Cartesia",
    speech=Offer(
        _synthesizer,
        needs=(("CARTESIA_API_KEY",),),
        options=("CARTESIA_MODEL", "CARTESIA_BASE_URL"),
        module="livekit.plugins.cartesia",
        extra="cartesia",
        voices=VOICES,
    ),
)
