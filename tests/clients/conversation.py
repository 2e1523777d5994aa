"""A client of `/ws/conversation`, as its authors write them.

It holds a button, streams its microphone, lets go, and hands every chunk that comes to an audio
element of its own, which plays at once: what comes together is heard together.
"""

import asyncio
import base64
from collections.abc import Iterable

from tests.clients.recording import Samples, decode, samples_of
from tests.clients.sockets import CHUNK_BYTES, CHUNK_MS, Message, SocketClient

PATH = "/ws/conversation"


class ConversationClient(SocketClient):
    """`raw` where the URL asks for `audio_format=pcm`."""

    raw = False

    async def ready(self) -> Message:
        """The greeting of the protocol."""
        return await self.until("ready")

    async def speak(self, pcm: bytes, *, pace: float = 1.0) -> None:
        """Hold the button, say this at `pace` times real time (0: at once), and let go."""
        frames = (pcm[at : at + CHUNK_BYTES] for at in range(0, len(pcm), CHUNK_BYTES))
        await self.send_audio(frames, every_s=CHUNK_MS / 1000 / pace if pace else 0)
        await self.end()

    async def send_audio(self, frames: Iterable[bytes], *, every_s: float) -> None:
        """Binary frames, one after another."""
        for frame in frames:
            await self.socket.send(frame)
            await asyncio.sleep(every_s)

    async def end(self) -> None:
        """Let go of the button."""
        await self.send("audio_end")

    async def turn(self, *, after: int = 0) -> list[Message]:
        """The messages from number `after` on up to where the turn is over, or has failed."""
        await self.until(_is_idle, after=after)
        return self.messages[after:]

    def on_message(self, message: Message) -> None:
        if message.type == "audio_chunk_tts":
            self.recording.play(message.at_s, self._sound(message))

    def _sound(self, message: Message) -> Samples:
        chunk = base64.b64decode(message["audio_data"], validate=True)
        return samples_of(chunk) if self.raw else decode(chunk)


class RawConversationClient(ConversationClient):
    """Asked for bare samples."""

    raw = True


def _is_idle(message: Message) -> bool:
    return message.type == "state_update" and message["state"] == "idle"
