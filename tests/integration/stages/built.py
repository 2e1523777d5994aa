"""One provider's stage, as the table builds it."""

from typing import Any

from livekit.agents import llm

from agent.settings import AgentSettings
from agent.stages.providers import Request, Stage, find_provider
from agent.stages.voices import resolve_voice

KEY = "the-key-of-a-test"


def built(
    machine: AgentSettings,
    provider: str,
    stage: Stage,
    *,
    language: str = "en-US",
    voice: str | None = None,
    **variables: str,
) -> Any:
    """The stage of that provider's, where the environment has `variables`."""
    settings = AgentSettings.model_validate(
        {**machine.model_dump(), "provider_variables": variables}
    )
    row = find_provider(provider)
    assert row is not None
    offer = row.offer(stage)
    assert offer is not None
    asked = Request(settings, language, resolve_voice(voice, language, "female"), "default")
    made = offer.build(asked)
    assert made is not None
    return made


def question(text: str) -> llm.ChatContext:
    """A conversation in which the user has just asked that."""
    context = llm.ChatContext.empty()
    context.add_message(role="system", content="Answer in one sentence.")
    context.add_message(role="user", content=text)
    return context
