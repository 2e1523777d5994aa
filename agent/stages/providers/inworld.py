"""Inworld: synthesis over a WebSocket."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from agent.stages.providers.provider import Offer, Provider, Request

if TYPE_CHECKING:
    from livekit.agents import tts

_URL = "https://api.inworld.ai/"


def _synthesizer(request: Request) -> "tts.TTS[Any]":
    from livekit.plugins import inworld

    base = request.variable("INWORLD_BASE_URL", _URL)
    return inworld.TTS(
        api_key=request.variable("INWORLD_API_KEY"),
        voice=request.voice.inworld,
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
    ),
)
