"""Gemini: answers over HTTP, with a key of Google's AI Studio."""

from typing import TYPE_CHECKING, Any

from agent.stages.providers.provider import Offer, Provider, Request

if TYPE_CHECKING:
    from livekit.agents import llm

_URL = "https://generativelanguage.googleapis.com"
_KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY")


def _answerer(request: Request) -> "llm.LLM[Any]":
    from google.genai import types
    from livekit.plugins import google

    return google.LLM(
        api_key=request.first(*_KEYS),
        model=request.variable("GEMINI_MODEL", "gemini-2.5-flash"),
        vertexai=False,
        http_options=types.HttpOptions(base_url=request.variable("GOOGLE_GEMINI_BASE_URL", _URL)),
    )


GEMINI = Provider(
    "gemini",
    "Gemini",
    answers=Offer(
        _answerer,
        needs=(_KEYS,),
        options=("GEMINI_MODEL", "GOOGLE_GEMINI_BASE_URL"),
        module="livekit.plugins.google",
        extra="google",
    ),
)
