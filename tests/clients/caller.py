"""A caller: starts a session over REST, joins its room with LiveKit's SDK, speaks and listens."""

import asyncio
import contextlib
import json
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import numpy as np
from livekit import rtc

T = TypeVar("T")

RATE_HZ = 16_000
FRAME_MS = 20
MICROPHONE_HZ = 48_000
"""As browsers and telephones record, and as the room carries it."""
FRAME_SAMPLES = MICROPHONE_HZ * FRAME_MS // 1000
SILENCE_RMS = 60.0
"""Samples of an audible frame are louder than this on average."""


@dataclass
class Transcript:
    """One segment of `lk.transcription`, as far as it has come."""

    identity: str
    segment: str
    text: str
    final: bool


@dataclass
class Heard:
    """What the caller has seen and heard so far."""

    transcripts: dict[str, Transcript] = field(default_factory=dict)
    """By segment."""
    sources: list[list[dict[str, Any]]] = field(default_factory=list)
    """The sources of each answer."""
    sources_at: list[float] = field(default_factory=list)
    frames: list[tuple[float, np.ndarray[Any, np.dtype[np.int16]]]] = field(
        default_factory=list, repr=False
    )
    """(monotonic time, samples at 16 kHz) of each frame of the agent's audio."""
    states: list[str] = field(default_factory=list)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)
    agent_joined_at: float | None = None
    _audible: list[tuple[float, float]] = field(default_factory=list, repr=False)
    """(monotonic time, seconds) of each frame that can be heard."""

    def said_by(self, identity: str) -> str:
        """All final segments of one participant, in order."""
        return " ".join(
            t.text for t in self.transcripts.values() if t.identity == identity and t.final
        )

    def hear(self, at: float, samples: np.ndarray[Any, np.dtype[np.int16]]) -> None:
        """A frame of the agent's audio came."""
        self.frames.append((at, samples))
        if np.sqrt(np.mean(samples.astype(np.float64) ** 2)) > SILENCE_RMS:
            self._audible.append((at, len(samples) / RATE_HZ))

    def audible(self, since: float = 0.0) -> list[float]:
        """Times of the frames of the agent's audio that can be heard."""
        return [at for at, _ in self._audible if at >= since]

    def audible_s(self, since: float = 0.0) -> float:
        """How much of the agent's audio can be heard, in seconds."""
        return sum(seconds for at, seconds in self._audible if at >= since)


def read_wav(path: Path) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Samples of a 16 kHz mono PCM16 file."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)


def _at_microphone_rate(
    samples: np.ndarray[Any, np.dtype[np.int16]],
) -> np.ndarray[Any, np.dtype[np.int16]]:
    resampler = rtc.AudioResampler(RATE_HZ, MICROPHONE_HZ, quality=rtc.AudioResamplerQuality.HIGH)
    frame = rtc.AudioFrame(samples.tobytes(), RATE_HZ, 1, len(samples))
    frames = [*resampler.push(frame), *resampler.flush()]
    return np.concatenate([np.frombuffer(part.data, dtype=np.int16) for part in frames])


class Caller:
    """One person in one session. Use as `async with Caller.start(url, …) as caller`."""

    def __init__(self, url: str, **fields: object) -> None:
        self.url = url
        self._fields = fields
        self.room = rtc.Room()
        self.heard = Heard()
        self.answer: dict[str, Any] = {}
        self.started_at = 0.0
        self.answered_at = 0.0
        self._microphone = rtc.AudioSource(MICROPHONE_HZ, 1, queue_size_ms=200)
        self._to_say: list[np.ndarray[Any, np.dtype[np.int16]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch_room()

    @classmethod
    def start(cls, url: str, **fields: object) -> Self:
        """A caller that will start a session with these fields of the request."""
        return cls(url, **fields)

    @property
    def session_id(self) -> str:
        """Of the session that was started."""
        return str(self.answer["sessionId"])

    @property
    def agent_identity(self) -> str:
        """Identity of the agent in the room, once it is there."""
        kind = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
        return next(p.identity for p in self.room.remote_participants.values() if p.kind == kind)

    async def __aenter__(self) -> Self:
        async with httpx.AsyncClient(base_url=self.url, timeout=15) as http:
            self.started_at = time.monotonic()
            response = await http.post("/api/session/start", json=self._fields)
            self.answered_at = time.monotonic()
        assert response.status_code == 200, response.text
        self.answer = response.json()
        await self.join()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def join(self) -> None:
        """Join the room (again) with the token that the API gave."""
        room = self.room
        await room.connect(self.answer["serverUrl"], self.answer["token"])
        for participant in room.remote_participants.values():
            self._on_participant(participant)
        track = rtc.LocalAudioTrack.create_audio_track("microphone", self._microphone)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        await room.local_participant.publish_track(track, options)
        self._own(self._speak())

    async def leave(self) -> None:
        """Leave the room."""
        await self.rest()
        await self.room.disconnect()

    async def rest(self) -> None:
        """Stay in the room, and neither speak nor listen any more."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def end(self) -> httpx.Response:
        """End the session over REST."""
        async with httpx.AsyncClient(base_url=self.url, timeout=15) as http:
            return await http.post("/api/session/end", json={"sessionId": self.session_id})

    def say(self, samples: np.ndarray[Any, np.dtype[np.int16]]) -> None:
        """Say this next, as soon as the microphone is free."""
        self._to_say.append(_at_microphone_rate(samples))

    async def type(self, text: str) -> None:
        """Send a typed turn."""
        await self.room.local_participant.send_text(text, topic="lk.chat")

    async def until(self, look: Callable[[], T | None], *, within_s: float, what: str) -> T:
        """Wait until there is something to see. Raises AssertionError, naming `what`."""
        deadline = time.monotonic() + within_s
        while True:
            seen = look()
            if seen:
                return seen
            assert time.monotonic() < deadline, f"not within {within_s} s: {what}; {self.heard}"
            await asyncio.sleep(0.01)

    async def until_quiet(
        self, *, since: float = 0.0, quiet_s: float = 1.0, within_s: float = 60
    ) -> None:
        """Wait until the agent has said something (since then) and been silent for a while."""

        def look() -> bool:
            audible = self.heard.audible(since)
            return bool(audible) and time.monotonic() - audible[-1] > quiet_s

        await self.until(look, within_s=within_s, what="the agent stops speaking")

    async def until_cited(self, *, after: int, within_s: float = 60) -> list[dict[str, Any]]:
        """Wait for the sources of one more answer than `after`; they may be none."""
        await self.until(
            lambda: len(self.heard.sources) > after, within_s=within_s, what="an answer's sources"
        )
        return self.heard.sources[-1]

    def _watch_room(self) -> None:
        room = self.room
        room.on("track_subscribed", self._on_track)
        room.on("participant_connected", self._on_participant)
        room.on("participant_attributes_changed", self._on_attributes)
        room.on("disconnected", lambda *_: self.heard.disconnected.set())
        room.register_text_stream_handler("lk.transcription", self._on_transcription)
        room.register_text_stream_handler("majlis.sources", self._on_sources)

    async def _speak(self) -> None:
        """The microphone: what is to be said, else silence, in real time."""
        silence = np.zeros(FRAME_SAMPLES, dtype=np.int16)
        pending = silence[:0]
        while True:
            if len(pending) < FRAME_SAMPLES and self._to_say:
                pending = np.concatenate([pending, self._to_say.pop(0)])
            frame, pending = pending[:FRAME_SAMPLES], pending[FRAME_SAMPLES:]
            samples = silence.copy()
            samples[: len(frame)] = frame
            await self._microphone.capture_frame(
                rtc.AudioFrame(samples.tobytes(), MICROPHONE_HZ, 1, FRAME_SAMPLES)
            )

    def _own(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_participant(self, participant: rtc.RemoteParticipant) -> None:
        if participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT:
            if self.heard.agent_joined_at is None:
                self.heard.agent_joined_at = time.monotonic()
            self._note_state(participant)

    def _on_attributes(self, _: dict[str, str], participant: rtc.Participant) -> None:
        self._note_state(participant)

    def _note_state(self, participant: rtc.Participant) -> None:
        state = participant.attributes.get("lk.agent.state")
        if state and state not in self.heard.states[-1:]:
            self.heard.states.append(state)

    def _on_track(self, track: rtc.Track, *_: object) -> None:
        if track.kind == rtc.TrackKind.KIND_AUDIO:
            self._own(self._listen(track))

    async def _listen(self, track: rtc.Track) -> None:
        stream = rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1)
        try:
            async for event in stream:
                samples = np.frombuffer(event.frame.data, dtype=np.int16)
                self.heard.hear(time.monotonic(), samples)
        finally:
            await stream.aclose()

    def _on_transcription(self, reader: rtc.TextStreamReader, identity: str) -> None:
        self._own(self._transcription(reader, identity))

    async def _transcription(self, reader: rtc.TextStreamReader, identity: str) -> None:
        attributes = reader.info.attributes or {}
        segment = f"{identity}/{attributes.get('lk.segment_id', reader.info.stream_id)}"
        final = attributes.get("lk.transcription_final") == "true"
        known = Transcript(identity, segment, "", final)
        self.heard.transcripts[segment] = known
        with contextlib.suppress(rtc.StreamError):  # cut off as the room went
            async for text in reader:
                known.text += text
        known.final = (reader.info.attributes or {}).get("lk.transcription_final") == "true"

    def _on_sources(self, reader: rtc.TextStreamReader, _: str) -> None:
        self._own(self._sources(reader))

    async def _sources(self, reader: rtc.TextStreamReader) -> None:
        message = json.loads(await reader.read_all())
        self.heard.sources.append(message["sources"])
        self.heard.sources_at.append(time.monotonic())
