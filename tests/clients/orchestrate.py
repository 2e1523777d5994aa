"""A client of `/orchestrate`, as its authors write them.

Its microphone is always open. It decodes each chunk that comes, queues it behind what is playing,
and says `playback_done` whenever its queue has run empty; on `playback_control` it falls silent.
"""

import asyncio
import base64
import contextlib
import itertools
import time
from typing import Self

import numpy as np
from websockets.exceptions import ConnectionClosed

from tests.clients.recording import RATE_HZ, Samples, decode, samples_of
from tests.clients.sockets import CHUNK_BYTES, CHUNK_MS, Message, SocketClient

PATH = "/orchestrate"
ROOM_NOISE = 15
"""Samples of a quiet room are about so loud."""


class OrchestrateClient(SocketClient):
    """`raw` where the URL asks for `audio_format=pcm`."""

    raw = False
    says_done = True
    """Whether it says `playback_done`; some never do."""

    async def __aenter__(self) -> Self:
        noise = np.random.default_rng(0).normal(0, ROOM_NOISE, CHUNK_BYTES // 2)
        self._quiet = noise.astype("<i2").tobytes()
        self._to_say: asyncio.Queue[bytes] = asyncio.Queue()
        self._queue: asyncio.Queue[Samples] = asyncio.Queue()
        self._silenced = asyncio.Event()
        self._tasks = [asyncio.create_task(self._microphone()), asyncio.create_task(self._play())]
        return self

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await task
        await super().aclose()

    async def ready(self) -> Message:
        """The greeting of the protocol."""
        return await self.until("session_ready")

    async def start(self) -> None:
        """What most clients send on connecting."""
        await self.send("start_session", mode="conversation")

    async def speak(self, pcm: bytes) -> None:
        """Say this into the microphone; returns when the last of it is sent."""
        for at in range(0, len(pcm), CHUNK_BYTES):
            self._to_say.put_nowait(pcm[at : at + CHUNK_BYTES])
        await self._to_say.join()

    async def interrupt(self) -> None:
        """The client's own detector heard the user."""
        await self.send("interrupt", reason="user_speaking", timestamp=time.time())

    async def state(self, state: str, *, after: int = 0) -> Message:
        """Wait for a state."""
        return await self.until(
            lambda m: m.type == "state_update" and m["state"] == state, after=after
        )

    def on_message(self, message: Message) -> None:
        if message.type == "audio_chunk" and message.fields.get("audio"):
            self._queue.put_nowait(self._sound(message))
        elif message.type == "playback_control" and message["action"] == "stop":
            while not self._queue.empty():
                self._queue.get_nowait()
            self.recording.stop(message.at_s)
            self._silenced.set()

    def _sound(self, message: Message) -> Samples:
        chunk = base64.b64decode(message["audio"], validate=True)
        return samples_of(chunk) if self.raw else decode(chunk)

    async def _microphone(self) -> None:
        at = time.monotonic()
        for sequence in itertools.count():
            speaks = not self._to_say.empty()
            chunk = self._to_say.get_nowait() if speaks else self._quiet
            await self.send(
                "audio_chunk",
                data=base64.b64encode(chunk).decode(),
                timestamp=time.time(),
                sequence=sequence,
            )
            if speaks:
                self._to_say.task_done()
            at += CHUNK_MS / 1000
            await asyncio.sleep(max(0, at - time.monotonic()))

    async def _play(self) -> None:
        while True:
            samples = await self._queue.get()
            self._silenced.clear()
            self.recording.play(self.now(), samples)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(len(samples) / RATE_HZ):
                    await self._silenced.wait()
            if self._queue.empty() and not self._silenced.is_set() and self.says_done:
                await self.send("playback_done", timestamp=time.time())


class RawOrchestrateClient(OrchestrateClient):
    """Asked for bare samples."""

    raw = True
