"""AssemblyAI: recognition over a WebSocket."""

from typing import TYPE_CHECKING, Any

from agent.stages.providers.provider import Offer, Provider, Request

if TYPE_CHECKING:
    from livekit.agents import stt

_URL = "wss://streaming.assemblyai.com"
_KEYS = ("ASSEMBLY_API_KEY", "ASSEMBLYAI_API_KEY")


def _recognizer(request: Request) -> "stt.STT[Any]":
    from livekit.plugins import assemblyai

    primary = request.primary_language
    return assemblyai.STT(
        api_key=request.first(*_KEYS),
        # who speaks Arabic says English names and terms in between
        language_codes=["ar", "en"] if primary == "ar" else [primary],
        base_url=request.variable("ASSEMBLY_BASE_URL", _URL),
    )


ASSEMBLYAI = Provider(
    "assemblyai",
    "AssemblyAI",
    recognition=Offer(
        _recognizer,
        needs=(_KEYS,),
        options=("ASSEMBLY_BASE_URL",),
        module="livekit.plugins.assemblyai",
    ),
)
