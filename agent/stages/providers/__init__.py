"""The table of providers. A new one is a file here, and its row in the table.

    provider.py   what a provider is
    voice.py      what a voice is, and which one of a provider's own speaks for it
    local.py      what needs neither key nor network
    services.py   what runs as a service of its own
    whisper.py, moonshine.py, piper.py   models that the user has downloaded
    plugin.py     any plugin of livekit-agents, by its name

and a file for each vendor.
"""

from itertools import chain

from agent.stages.providers.anthropic import ANTHROPIC
from agent.stages.providers.assemblyai import ASSEMBLYAI
from agent.stages.providers.azure import AZURE
from agent.stages.providers.cartesia import CARTESIA
from agent.stages.providers.deepgram import DEEPGRAM
from agent.stages.providers.elevenlabs import ELEVENLABS
from agent.stages.providers.gemini import GEMINI
from agent.stages.providers.google import GOOGLE
from agent.stages.providers.groq import GROQ
from agent.stages.providers.inworld import INWORLD
from agent.stages.providers.local import LOCAL, NONE
from agent.stages.providers.moonshine import MOONSHINE
from agent.stages.providers.openai import OPENAI
from agent.stages.providers.piper import PIPER
from agent.stages.providers.plugin import PREFIX, plugin_provider
from agent.stages.providers.provider import STAGES, Missing, Offer, Provider, Request, Stage
from agent.stages.providers.services import SERVICES
from agent.stages.providers.whisper import WHISPER

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
    SERVICES,
    ASSEMBLYAI,
    DEEPGRAM,
    INWORLD,
    ELEVENLABS,
    CARTESIA,
    GROQ,
    OPENAI,
    ANTHROPIC,
    GEMINI,
    GOOGLE,
    AZURE,
    MOONSHINE,
    WHISPER,
    PIPER,
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
    """The provider of that name, be it `plugin:…`; None: there is none."""
    if name.startswith(PREFIX):
        return plugin_provider(name)
    return next((provider for provider in PROVIDERS if provider.name == name), None)
