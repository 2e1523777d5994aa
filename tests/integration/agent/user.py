"""A person in a room, with LiveKit's SDK: what they hear and see of the agent."""

import asyncio
import json
import time
import wave
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np
from livekit import api, rtc

from tests.rooms.server import RoomServer

T = TypeVar("T")
IDENTITY = "user"
RATE_HZ = 16_000
FRAME_SAMPLES = RATE_HZ // 100
AUDIBLE_RMS = 60.0


class User:
    """Use as `async with User(server, room) as user`."""

    def __init__(self, server: RoomServer, room: str, identity: str = IDENTITY) -> None:
        self._server = server
        self._identity = identity
        self._name = room
        self.room = rtc.Room()
        self.audible: list[float] = []
        """Monotonic times of the 10 ms frames of the agent's audio that can be heard."""
        self.sources: list[tuple[float, list[dict[str, Any]]]] = []
        self.said: list[tuple[str, str, bool]] = []
        """(identity, text, final) of each transcription."""
        self.states: list[str] = []
        self.handovers: list[str] = []
        """The states that asking for a person went through, by the agent's attribute."""
        self.told_of_handover: list[dict[str, Any]] = []
        """The same by text stream."""
        self.disconnected = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        room = self.room
        room.on("track_subscribed", lambda track, *_: self._own(self._listen(track)))
        room.on("disconnected", lambda *_: self.disconnected.set())
        room.on("participant_attributes_changed", self._on_attributes)
        room.register_text_stream_handler(
            "lk.transcription", lambda reader, who: self._own(self._transcription(reader, who))
        )
        room.register_text_stream_handler(
            "majlis.sources", lambda reader, _: self._own(self._sources(reader))
        )
        room.register_text_stream_handler(
            "majlis.handover", lambda reader, _: self._own(self._handover(reader))
        )
        token = api.AccessToken(self._server.api_key, self._server.api_secret)
        grants = api.VideoGrants(room_join=True, room=self._name)
        jwt = token.with_identity(self._identity).with_grants(grants).to_jwt()
        await room.connect(self._server.url, jwt)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.room.disconnect()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def agents(self) -> list[str]:
        """Identities of the agents in the room."""
        agent = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        return [p.identity for p in self.room.remote_participants.values() if p.kind == agent]

    def heard_s(self, since: float = 0.0) -> float:
        """How much of the agent's audio can be heard, in seconds."""
        return sum(0.01 for at in self.audible if at >= since)

    def transcript(self, identity: str) -> str:
        """The final transcripts of one participant."""
        return " ".join(text for who, text, final in self.said if who == identity and final)

    async def until(self, look: Callable[[], T | None], *, what: str, within_s: float = 20) -> T:
        """Wait until there is something to see. Raises AssertionError, naming `what`."""
        deadline = time.monotonic() + within_s
        while not (seen := look()):
            assert time.monotonic() < deadline, f"not within {within_s} s: {what}; {self.said}"
            await asyncio.sleep(0.01)
        return seen

    async def until_quiet(self, *, since: float = 0.0) -> None:
        """Wait until the agent has spoken and is silent again."""

        def look() -> bool:
            return self.heard_s(since) > 0 and time.monotonic() - self.audible[-1] > 0.7

        await self.until(look, what="the agent has spoken", within_s=20)

    async def type(self, text: str) -> float:
        """Send a typed turn. Returns when, in monotonic time."""
        at = time.monotonic()
        await self.room.local_participant.send_text(text, topic="lk.chat")
        return at

    async def speak(self, path: Path) -> None:
        """Play a 16 kHz recording as the microphone, in real time, then silence for a while."""
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
        samples = np.concatenate([samples, np.zeros(2 * RATE_HZ, dtype=np.int16)])
        source = rtc.AudioSource(RATE_HZ, 1)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await self.room.local_participant.publish_track(track, options)
        for at in range(0, len(samples) - FRAME_SAMPLES, FRAME_SAMPLES):
            frame = samples[at : at + FRAME_SAMPLES].tobytes()
            await source.capture_frame(rtc.AudioFrame(frame, RATE_HZ, 1, FRAME_SAMPLES))
        await source.wait_for_playout()
        await source.aclose()

    def _own(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_attributes(self, changed: dict[str, str], _: rtc.Participant) -> None:
        if state := changed.get("lk.agent.state"):
            self.states.append(state)
        if handover := changed.get("majlis.handover"):
            self.handovers.append(handover)

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1)
        try:
            async for event in stream:
                samples = np.frombuffer(event.frame.data, dtype=np.int16).astype(np.float64)
                if np.sqrt(np.mean(samples**2)) > AUDIBLE_RMS:
                    self.audible.append(time.monotonic())
        finally:
            await stream.aclose()

    async def _transcription(self, reader: rtc.TextStreamReader, identity: str) -> None:
        try:
            text = await reader.read_all()
        except rtc.StreamError:  # the agent left in the middle of it
            return
        final = (reader.info.attributes or {}).get("lk.transcription_final") == "true"
        self.said.append((identity, text, final))

    async def _handover(self, reader: rtc.TextStreamReader) -> None:
        self.told_of_handover.append(json.loads(await reader.read_all()))

    async def _sources(self, reader: rtc.TextStreamReader) -> None:
        message = json.loads(await reader.read_all())
        self.sources.append((time.monotonic(), message["sources"]))
