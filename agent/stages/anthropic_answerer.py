"""Anthropic's answerer, which closes what it opened, as the plugin does not."""

from livekit.plugins import anthropic


class AnthropicLLM(anthropic.LLM):
    """`anthropic.LLM` of livekit-plugins-anthropic 1.8.9, for processes with many conversations."""

    async def aclose(self) -> None:
        """Close the connections too."""
        await super().aclose()
        await self._client.close()
