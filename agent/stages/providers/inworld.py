"""Inworld: synthesis over a WebSocket."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from agent.stages.providers.provider import Offer, Provider, Request
from agent.stages.providers.voice import Catalogue, Named

if TYPE_CHECKING:
    from livekit.agents import tts

_URL = "https://api.inworld.ai/"
VOICES = Catalogue(
    # the vendor's catalogue, as far as existing clients name it
    {
        "Alex": Named("male"),
        "Ashley": Named("female"),
        "Blake": Named("male"),
        "Carter": Named("male"),
        "Clive": Named("male"),
        "Craig": Named("male"),
        "Deborah": Named("female"),
        "Dennis": Named("male"),
        "Dominus": Named("male"),
        "Edward": Named("male"),
        "Elizabeth": Named("female"),
        "Hades": Named("male"),
        "Hana": Named("female"),
        "Julia": Named("female"),
        "Luna": Named("female"),
        "Mark": Named("male"),
        "Nour": Named("female"),
        "Olivia": Named("female"),
        "Omar": Named("male"),
        "Pixie": Named("female"),
        "Priya": Named("female"),
        "Ronald": Named("male"),
        "Sarah": Named("female"),
        "Shaun": Named("male"),
        "Theodore": Named("male"),
        "Timothy": Named("male"),
        "Wendy": Named("female"),
    },
    {
        ("en", "female"): "Ashley",
        ("en", "male"): "Dennis",
        ("ar", "female"): "Nour",
        ("ar", "male"): "Omar",
    },
)


def _synthesizer(request: Request) -> "tts.TTS[Any]":
    from livekit.plugins import inworld

    base = request.variable("INWORLD_BASE_URL", _URL)
    return inworld.TTS(
        api_key=request.variable("INWORLD_API_KEY"),
        voice=VOICES.pick(request.voice),
        language=request.language,
        base_url=base,
        ws_url=_as_websocket(base),
    )


def _as_websocket(url: str) -> str:
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    return urlunsplit(parts._replace(scheme=scheme))


INWORLD = Provider(
    "inworld",
    "Inworld",
    speech=Offer(
        _synthesizer,
        needs=(("INWORLD_API_KEY",),),
        options=("INWORLD_BASE_URL",),
        module="livekit.plugins.inworld",
        voices=VOICES,
    ),
)
