"""The load client: conversations over sockets, and when what came back came."""

import asyncio
import contextlib
import itertools
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.gateway import work
from bench.gateway.wires import TYPED, Incoming, Seen, Wire

CHUNK_S = 0.02
CHUNK_BYTES = int(CHUNK_S * work.RATE_HZ) * work.SAMPLE_BYTES
PATIENCE_S = 20.0
LATE_S = 0.02
"""A chunk that is sent so much after its time shows that the load client cannot keep up."""

_random = random.Random(1)  # noqa: S311 - the same noise each time
_NOISE = [
    b"".join(
        int(_random.gauss(0, 15)).to_bytes(2, "little", signed=True)
        for _ in range(CHUNK_BYTES // work.SAMPLE_BYTES)
    )
    for _ in range(50)
]


@dataclass(slots=True)
class Arrival:
    """A chunk of audio, when it came, and for how long it plays."""

    at: float
    length_s: float
    is_last: bool


@dataclass(slots=True)
class Session:
    """One conversation from the user's side."""

    wire: Wire
    socket: ClientConnection
    began_at: float
    ready_after_s: float = 0.0
    audio: list[Arrival] = field(default_factory=list)
    sent: int = 0
    late: int = 0
    unanswered: int = 0
    """Turns that got no audio in `PATIENCE_S`."""
    ended_at: float = 0.0
    closed: bool = False
    _to_say: deque[bytes] = field(default_factory=deque)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _heard: asyncio.Event = field(default_factory=asyncio.Event)
    _is_ready: bool = False
    _stopped_at: float = 0.0
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)
    _playing: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, url: str, wire: Wire) -> Self:
        """Connect, and wait until the server can hear; `ready_after_s` tells how long it took."""
        began = time.monotonic()
        socket = await connect(
            url, compression=None, max_size=None, open_timeout=PATIENCE_S, ping_interval=None
        )
        session = cls(wire, socket, began)
        session._tasks = [asyncio.create_task(session._receive())]
        await session._until(lambda: session._is_ready)
        session._tasks.append(asyncio.create_task(session._send()))
        return session

    async def close(self) -> None:
        """Hang up."""
        if self._playing is not None:
            self._playing.cancel()
        for task in self._tasks[1:]:
            task.cancel()
        await self.socket.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def turn(self, speech: bytes) -> float:
        """Say this; seconds from the end of the turn to the first of the answer's audio."""
        self.audio.clear()
        await self.say(speech)
        await self._until(lambda: any(arrival.length_s for arrival in self.audio))
        return self.audio[0].at - self.ended_at

    async def say(self, speech: bytes) -> None:
        """Say this; returns when the turn's last frame is out."""
        self._ended.clear()
        self._to_say.extend(
            speech[at : at + CHUNK_BYTES] for at in range(0, len(speech), CHUNK_BYTES)
        )
        await self._ended.wait()

    async def typed_turn(self) -> None:
        """Type; returns when the answer's audio begins."""
        self.audio.clear()
        await self.socket.send(TYPED)
        await self._until(lambda: any(arrival.length_s for arrival in self.audio))

    async def stop(self, message: str) -> float:
        """Send this; seconds until the server says that it has stopped."""
        self._stopped_at = 0.0
        began = time.monotonic()
        await self.socket.send(message)
        await self._until(lambda: self._stopped_at > 0)
        return self._stopped_at - began

    async def quiet(self, gap_s: float = 0.3) -> None:
        """Wait until no audio has come for so long."""
        with contextlib.suppress(TimeoutError):
            while True:
                self._heard.clear()
                async with asyncio.timeout(gap_s):
                    await self._heard.wait()

    async def answered(self) -> None:
        """Wait until all of the answer has come."""
        await self._until(lambda: any(arrival.is_last for arrival in self.audio))

    def lateness_s(self) -> list[float]:
        """By how much each chunk after the first came after the one before it had played."""
        until, late = None, []
        for arrival in self.audio:
            if until is not None and arrival.length_s:
                late.append(max(0.0, arrival.at - until))
            until = max(arrival.at, until or 0.0) + arrival.length_s
        return late

    async def _until(self, seen: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not seen():
                if self.closed:
                    self._tasks[0].result()  # what the server said was wrong
                    raise ConnectionError(f"closed: {self.socket.close_code}")
                self._news.clear()
                await self._news.wait()

    async def _receive(self) -> None:
        try:
            async for message in self.socket:
                self._note(self.wire.read(message), time.monotonic())
                self._news.set()
        finally:
            self.closed = True
            self._news.set()

    def _note(self, incoming: Incoming, now: float) -> None:
        match incoming.seen:
            case Seen.READY:
                self._is_ready = True
                self.ready_after_s = now - self.began_at
            case Seen.STOPPED:
                self._stopped_at = now
            case Seen.AUDIO | Seen.LAST_AUDIO:
                length_s = incoming.audio_bytes / work.SAMPLE_BYTES / work.RATE_HZ
                is_last = incoming.seen is Seen.LAST_AUDIO
                self.audio.append(Arrival(now, length_s, is_last))
                self._heard.set()
                if is_last and self.wire.played is not None:
                    self._will_have_played(now, self.wire.played)
            case Seen.OTHER:
                pass

    def _will_have_played(self, now: float, message: str) -> None:
        until = 0.0
        for arrival in self.audio:
            until = max(until, arrival.at) + arrival.length_s
        loop = asyncio.get_running_loop()
        self._playing = loop.call_later(until - now, self._say_played, message)

    def _say_played(self, message: str) -> None:
        if not self.closed:
            self._tasks.append(asyncio.create_task(self._send_quietly(message)))

    async def _send_quietly(self, message: str) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self.socket.send(message)

    async def _send(self) -> None:
        """The microphone, in real time: what is to be said, else faint noise."""
        noise = [self.wire.audio(samples) for samples in _NOISE]
        at = time.monotonic()
        was_speaking = False
        with contextlib.suppress(ConnectionClosed):
            for count in itertools.count():
                at += CHUNK_S
                late_s = time.monotonic() - at
                if late_s < 0:
                    await asyncio.sleep(-late_s)
                elif late_s > LATE_S:
                    self.late += 1
                self.sent += 1
                if self._to_say:
                    if not was_speaking and self.wire.begin is not None:
                        await self.socket.send(self.wire.begin)
                    was_speaking = True
                    await self.socket.send(self.wire.audio(self._to_say.popleft()))
                    if not self._to_say:
                        was_speaking = False
                        await self._end_turn()
                elif self.wire.streams:
                    await self.socket.send(noise[count % len(noise)])

    async def _end_turn(self) -> None:
        self.ended_at = time.monotonic()
        if self.wire.end is not None:
            await self.socket.send(self.wire.end)
        self._ended.set()
