"""ElevenLabs: synthesis over a WebSocket."""

import re
from typing import TYPE_CHECKING, Any

from agent.stages.providers.provider import Offer, Provider, Request
from agent.stages.providers.voice import Catalogue, Named

if TYPE_CHECKING:
    from livekit.agents import tts

_URL = "https://api.elevenlabs.io/v1"
_KEYS = ("ELEVEN_API_KEY", "ELEVENLABS_API_KEY")
_MODEL = "eleven_turbo_v2_5"
VOICES = Catalogue(
    # of those that every account has
    {
        "Adam": Named("male", "pNInz6obpgDQGcFmaJgB"),
        "Brian": Named("male", "nPczCjzI2devNBz1zQrb"),
        "Daniel": Named("male", "onwK4e9ZLuTAKqWW03F9"),
        "Lily": Named("female", "pFZP5JQG7iQjIQuC4Bku"),
        "Sarah": Named("female", "EXAVITQu4vr4xnSDxMaL"),
    },
    {("en", "female"): "Sarah", ("en", "male"): "Brian"},
    others=re.compile(r"[A-Za-z0-9]{20}"),
)


def _synthesizer(request: Request) -> "tts.TTS[Any]":
    from livekit.plugins import elevenlabs

    return elevenlabs.TTS(
        api_key=request.first(*_KEYS),
        voice_id=VOICES.pick(request.voice),
        model=request.variable("ELEVEN_MODEL", _MODEL),
        language=request.primary_language,
        # nothing to decode before it can be heard
        encoding="pcm_24000",
        base_url=request.variable("ELEVEN_BASE_URL", _URL),
    )


ELEVENLABS = Provider(
    "elevenlabs",
    "ElevenLabs",
    speech=Offer(
        _synthesizer,
        needs=(_KEYS,),
        options=("ELEVEN_MODEL", "ELEVEN_BASE_URL"),
        module="livekit.plugins.elevenlabs",
        extra="elevenlabs",
        voices=VOICES,
    ),
)
