"""Groq's recogniser, which closes what it opened: the plugin leaves its HTTP connections open."""

from livekit.plugins import groq


class GroqSTT(groq.STT):
    """`groq.STT` of livekit-plugins-groq 1.8.9, for processes that hold many conversations."""

    async def aclose(self) -> None:
        """Close the connections too."""
        await super().aclose()
        await self._client.close()
