"""Real clients for tests: the Python SDK, with its events kept in order and tones to hear."""

import asyncio
import contextlib
import datetime
import secrets
from collections import defaultdict
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from livekit import api, rtc
from livekit.protocol.room import RoomConfiguration

from tests.rooms.server import RoomServer

RATE_HZ = 48_000
_FRAME_SAMPLES = 480
_AUDIBLE = 500
_WAIT_S = 20.0
_EVENTS: tuple[Any, ...] = (
    "participant_connected",
    "participant_disconnected",
    "local_track_subscribed",
    "track_published",
    "track_unpublished",
    "track_subscribed",
    "track_unsubscribed",
    "track_muted",
    "track_unmuted",
    "active_speakers_changed",
    "room_metadata_changed",
    "participant_metadata_changed",
    "participant_name_changed",
    "participant_attributes_changed",
    "participant_permissions_changed",
    "connection_quality_changed",
    "data_received",
    "disconnected",
    "reconnecting",
    "reconnected",
)


def token(
    server: RoomServer,
    identity: str,
    grants: api.VideoGrants,
    *,
    ttl_s: float = 600,
    secret: str | None = None,
    config: RoomConfiguration | None = None,
    kind: Literal["standard", "agent"] = "standard",
) -> str:
    made = (
        api.AccessToken(server.api_key, secret or server.api_secret)
        .with_kind(kind)
        .with_identity(identity)
        .with_name(f"name of {identity}")
        .with_ttl(datetime.timedelta(seconds=ttl_s))
        .with_grants(grants)
    )
    if config is not None:
        made = made.with_room_config(config)
    return made.to_jwt()


def admin_token(server: RoomServer, grants: api.VideoGrants) -> str:
    return api.AccessToken(server.api_key, server.api_secret).with_grants(grants).to_jwt()


class Tone:
    """A sine wave published by a member, until closed."""

    def __init__(self, frequency_hz: float) -> None:
        self._frequency_hz = frequency_hz
        self._source = rtc.AudioSource(RATE_HZ, 1, queue_size_ms=200)
        self.track = rtc.LocalAudioTrack.create_audio_track("tone", self._source)
        self._task = asyncio.create_task(self._play())

    async def _play(self) -> None:
        position = 0
        while True:
            at_s = np.arange(position, position + _FRAME_SAMPLES) / RATE_HZ
            wave = (8000 * np.sin(2 * np.pi * self._frequency_hz * at_s)).astype(np.int16)
            position += _FRAME_SAMPLES
            frame = rtc.AudioFrame(wave.tobytes(), RATE_HZ, 1, _FRAME_SAMPLES)
            await self._source.capture_frame(frame)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._source.aclose()


async def heard_frequency_hz(
    track: rtc.Track, seconds: float = 0.5, within_s: float = _WAIT_S
) -> float:
    """The strongest frequency of the first audible part of a track."""
    stream = rtc.AudioStream(track, sample_rate=RATE_HZ, num_channels=1)
    parts: list[npt.NDArray[np.int16]] = []
    try:
        async with asyncio.timeout(within_s):
            async for event in stream:
                samples = np.frombuffer(event.frame.data, dtype=np.int16)
                if np.abs(samples).max(initial=0) > _AUDIBLE:
                    parts.append(samples)
                if sum(map(len, parts)) >= seconds * RATE_HZ:
                    break
    finally:
        await stream.aclose()
    wave = np.concatenate(parts).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.fft.rfftfreq(len(wave), 1 / RATE_HZ)[spectrum.argmax()])


class Member:
    """One client, in a room or on its way; what its SDK tells is kept until asked for."""

    def __init__(self) -> None:
        self.room = rtc.Room()
        self.tones: list[Tone] = []
        self._events: defaultdict[str, asyncio.Queue[tuple[Any, ...]]] = defaultdict(asyncio.Queue)
        for name in _EVENTS:
            self.room.on(name, self._keeper(name))

    @property
    def local(self) -> rtc.LocalParticipant:
        return self.room.local_participant

    def _keeper(self, name: str) -> Callable[..., None]:
        return lambda *arguments: self._events[name].put_nowait(arguments)

    async def next(
        self, name: str, matches: Callable[..., bool] = lambda *_: True, within_s: float = _WAIT_S
    ) -> tuple[Any, ...]:
        """The arguments of the next such event that matches, past or to come."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    arguments = await self._events[name].get()
                    if matches(*arguments):
                        return arguments
        except TimeoutError:
            raise AssertionError(f"no {name} within {within_s} s") from None

    def count(self, name: str) -> int:
        """How many such events are waiting."""
        return self._events[name].qsize()

    async def play(
        self,
        frequency_hz: float,
        source: rtc.TrackSource.ValueType = rtc.TrackSource.SOURCE_MICROPHONE,
    ) -> rtc.LocalTrackPublication:
        tone = Tone(frequency_hz)
        self.tones.append(tone)
        return await self.local.publish_track(tone.track, rtc.TrackPublishOptions(source=source))

    async def hear(self, track_sid: str | None = None) -> rtc.Track:
        """The next track it is subscribed to."""
        arguments = await self.next(
            "track_subscribed", lambda _, pub, __: track_sid in (None, pub.sid)
        )
        track = arguments[0]
        assert isinstance(track, rtc.RemoteAudioTrack | rtc.RemoteVideoTrack)
        return track

    async def close(self) -> None:
        for tone in self.tones:
            await tone.close()
        with contextlib.suppress(Exception):
            await self.room.disconnect()


class Crowd:
    """Members of one room with a name of its own."""

    def __init__(self, server: RoomServer, *, single: bool) -> None:
        self.server = server
        self.room_name = f"test-{secrets.token_hex(4)}"
        self._single = single
        self._members: list[Member] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(member.close() for member in self._members))

    def grants(self, **more: Any) -> api.VideoGrants:
        return api.VideoGrants(**{"room_join": True, "room": self.room_name, **more})

    async def join(
        self,
        identity: str,
        *,
        auto_subscribe: bool = True,
        config: RoomConfiguration | None = None,
        url: str | None = None,
        kind: Literal["standard", "agent"] = "standard",
        **grants: Any,
    ) -> Member:
        jwt = token(self.server, identity, self.grants(**grants), config=config, kind=kind)
        return await self.join_with(jwt, auto_subscribe=auto_subscribe, url=url)

    async def join_with(
        self, jwt: str, *, auto_subscribe: bool = True, url: str | None = None
    ) -> Member:
        member = Member()
        self._members.append(member)
        options = rtc.RoomOptions(
            auto_subscribe=auto_subscribe, single_peer_connection=self._single
        )
        await member.room.connect(url or self.server.url, jwt, options)
        return member
