"""OpenAI's recogniser, which closes what it opened: the plugin leaves its HTTP connections open."""

from livekit.plugins import openai


class OpenAISTT(openai.STT):
    """`openai.STT` of livekit-plugins-openai 1.8.9, for processes that hold many conversations."""

    async def aclose(self) -> None:
        """Close the connections too."""
        await super().aclose()
        await self._client.close()
