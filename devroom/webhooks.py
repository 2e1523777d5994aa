"""Webhooks: what happens in rooms, told to other servers as LiveKit tells it.

A POST of `application/webhook+json`, whose Authorization is a token with the body's SHA-256.
Each server gets its events in order; one that is away is tried again a few times, then the
event is counted as dropped, and so are events that find its queue full.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import aiohttp
from google.protobuf.json_format import MessageToJson
from livekit.protocol.models import ParticipantInfo, TrackInfo
from livekit.protocol.models import Room as RoomInfo
from livekit.protocol.webhook import WebhookEvent

from devroom.errors import StartError
from devroom.ids import new_sid
from devroom.tokens import Keys

_LOGGER = logging.getLogger(__name__)
_CONTENT_TYPE = "application/webhook+json"
_WAITS_S = (0.2, 1.0, 3.0)
_TIMEOUT_S = 5.0
_PEM_END = "-----END CERTIFICATE-----"


class Sink(Protocol):
    """Where events go; never waits."""

    def send(self, event: WebhookEvent) -> None: ...


class Notifier:
    """The events of rooms, made of what is known when they happen."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = sinks

    def room_started(self, room: RoomInfo) -> None:
        self._tell(WebhookEvent(event="room_started", room=room))

    def room_finished(self, room: RoomInfo) -> None:
        self._tell(WebhookEvent(event="room_finished", room=room))

    def participant_joined(self, room: RoomInfo, participant: ParticipantInfo) -> None:
        self._tell(WebhookEvent(event="participant_joined", room=room, participant=participant))

    def participant_left(
        self, room: RoomInfo, participant: ParticipantInfo, *, was_active: bool
    ) -> None:
        """One that never had media up was only trying to come."""
        event = "participant_left" if was_active else "participant_connection_aborted"
        self._tell(WebhookEvent(event=event, room=room, participant=participant))

    def track_published(
        self, room: RoomInfo, participant: ParticipantInfo, track: TrackInfo
    ) -> None:
        self._tell_track("track_published", room, participant, track)

    def track_unpublished(
        self, room: RoomInfo, participant: ParticipantInfo, track: TrackInfo
    ) -> None:
        self._tell_track("track_unpublished", room, participant, track)

    def _tell_track(
        self, event: str, room: RoomInfo, participant: ParticipantInfo, track: TrackInfo
    ) -> None:
        who = ParticipantInfo(sid=participant.sid, identity=participant.identity)
        self._tell(WebhookEvent(event=event, room=room, participant=who, track=track))

    def _tell(self, event: WebhookEvent) -> None:
        event.id = new_sid("EV_")
        event.created_at = int(time.time())
        for sink in self._sinks:
            sink.send(event)


def trust_only(cert_file: Path) -> ssl.SSLContext:
    """Accept this very certificate, whatever name it bears, and no other. Raises StartError."""
    try:
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # the first of the file: what follows are its issuers, who vouch for others too
        own, end, _ = cert_file.read_text().partition(_PEM_END)
        trust.load_verify_locations(cadata=own + end)
    except (OSError, ValueError) as error:
        raise StartError(f"not a certificate: {cert_file}") from error
    trust.check_hostname = False
    trust.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be an authority's
    return trust


class WebhookServer:
    """One server that hears events, and the queue of what it has not heard yet."""

    def __init__(
        self, url: str, keys: Keys, backlog: int, trust: ssl.SSLContext | None = None
    ) -> None:
        self._trust = trust
        self._url = url
        self._keys = keys
        self._queue: asyncio.Queue[WebhookEvent] = asyncio.Queue(backlog)
        self._dropped = 0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def send(self, event: WebhookEvent) -> None:
        own = WebhookEvent()
        own.CopyFrom(event)
        try:
            self._queue.put_nowait(own)
        except asyncio.QueueFull:
            self._dropped += 1
            _LOGGER.warning("webhook dropped: %s is too slow", self._url)

    async def drain(self) -> None:
        """Returns when every event so far was sent or given up."""
        await self._queue.join()

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as http:
            while True:
                event = await self._queue.get()
                event.num_dropped, self._dropped = self._dropped, 0
                if not await self._deliver(http, event):
                    self._dropped += event.num_dropped + 1
                    _LOGGER.warning("webhook %s was not delivered to %s", event.event, self._url)
                self._queue.task_done()

    async def _deliver(self, http: aiohttp.ClientSession, event: WebhookEvent) -> bool:
        body = MessageToJson(event, indent=None).encode()
        for wait_s in (*_WAITS_S, None):
            if await self._post(http, body):
                return True
            if wait_s is not None:
                await asyncio.sleep(wait_s)
        return False

    async def _post(self, http: aiohttp.ClientSession, body: bytes) -> bool:
        """False is worth another try; an answer that refuses the event for good is not."""
        headers = {"Authorization": self._keys.sign_body(body), "Content-Type": _CONTENT_TYPE}
        try:
            async with http.post(
                self._url, data=body, headers=headers, ssl=self._trust or True
            ) as response:
                return response.status < 500 and response.status != 429
        except (aiohttp.ClientError, TimeoutError):
            return False
