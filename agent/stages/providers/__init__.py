"""The table of providers. A new one is a file here, and its row in the table.

provider.py   what a provider is
local.py      what needs neither key nor network
and a file for each vendor
"""

from itertools import chain

from agent.stages.providers.assemblyai import ASSEMBLYAI
from agent.stages.providers.groq import GROQ
from agent.stages.providers.inworld import INWORLD
from agent.stages.providers.local import LOCAL, NONE
from agent.stages.providers.provider import STAGES, Missing, Offer, Provider, Request, Stage

__all__ = [
    "LOCAL",
    "NONE",
    "PROVIDERS",
    "STAGES",
    "VARIABLES",
    "Missing",
    "Offer",
    "Provider",
    "Request",
    "Stage",
    "find_provider",
]

PROVIDERS: tuple[Provider, ...] = (
    ASSEMBLYAI,
    GROQ,
    INWORLD,
    LOCAL,
    NONE,
)
"""In the order in which `auto` takes them, and tries them when one fails."""

VARIABLES = frozenset(
    name
    for provider in PROVIDERS
    for stage in STAGES
    if (offer := provider.offer(stage)) is not None
    for name in (*chain.from_iterable(offer.needs), *offer.options)
)
"""The environment variables that they read."""


def find_provider(name: str) -> Provider | None:
    """The provider of that name."""
    return next((provider for provider in PROVIDERS if provider.name == name), None)
