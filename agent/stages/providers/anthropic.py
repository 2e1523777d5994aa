"""Anthropic: answers over HTTP."""

from typing import TYPE_CHECKING, Any

from agent.stages.providers.provider import Offer, Provider, Request

if TYPE_CHECKING:
    from livekit.agents import llm

_URL = "https://api.anthropic.com"


def _answerer(request: Request) -> "llm.LLM[Any]":
    from agent.stages.anthropic_answerer import AnthropicLLM

    return AnthropicLLM(
        api_key=request.variable("ANTHROPIC_API_KEY"),
        model=request.variable("ANTHROPIC_MODEL", "claude-sonnet-4-6"),
        base_url=request.variable("ANTHROPIC_BASE_URL", _URL),
    )


ANTHROPIC = Provider(
    "anthropic",
    "Anthropic",
    answers=Offer(
        _answerer,
        needs=(("ANTHROPIC_API_KEY",),),
        options=("ANTHROPIC_MODEL", "ANTHROPIC_BASE_URL"),
        module="livekit.plugins.anthropic",
        extra="anthropic",
    ),
)
