"""The tool with which an assistant asks for a person."""

from collections.abc import Callable
from typing import Any

from livekit.agents import llm
from livekit.agents.llm import function_tool

from agent.assistants.description import HAND_OVER

MAX_REASON_CHARS = 300
MAX_SUMMARY_CHARS = 2_000

AskForPerson = Callable[[str, str], None]
"""Takes why a person is asked for, and what the conversation was about so far."""

_SCHEMA = {
    "name": HAND_OVER,
    "description": (
        "Bring a person of the staff into this conversation, who takes it over from you. Use it "
        "when the user asks for a person, or when you cannot help. The user is told by itself: say "
        "nothing about it."
    ),
    "parameters": {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "description": "Why, in one sentence."},
            "summary": {
                "type": "string",
                "description": "What the person must know of the conversation so far.",
            },
        },
        "required": ["reason", "summary"],
    },
}


def hand_over_tool(ask: AskForPerson) -> llm.Tool:
    """The tool; `ask` tells the user and everybody else."""

    async def call(raw_arguments: dict[str, Any]) -> None:
        reason, summary = (str(raw_arguments.get(key) or "") for key in ("reason", "summary"))
        # nothing is returned, so that the model adds nothing to what the user is told
        ask(reason.strip()[:MAX_REASON_CHARS], summary.strip()[:MAX_SUMMARY_CHARS])

    return function_tool(call, raw_schema=_SCHEMA)
