"""Sees who is in a room the moment the room server tells: by signalling alone, and unseen."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
import jwt
from livekit.protocol.models import ParticipantInfo
from livekit.protocol.rtc import Ping, SignalRequest, SignalResponse

from tests.rooms.server import RoomServer

PING_EVERY_S = 4.0
PROTOCOL = 15
_HERE = (ParticipantInfo.JOINED, ParticipantInfo.ACTIVE)


@dataclass(frozen=True, slots=True)
class Sighting:
    """An agent that came into the room: a new `sid` for every agent, one identity for them all."""

    sid: str
    at: float
    """Monotonic time."""


class Watcher:
    """A hidden member of a room that brings up no media. LiveKit lets one stay for some 30 s.

    `answer` is what `POST /api/session/start` said: the watcher's token is the user's, made out to
    another identity, so that the room is made with the same grace times whoever comes first.
    """

    def __init__(self, server: RoomServer, answer: Mapping[str, Any]) -> None:
        claims = jwt.decode(answer["token"], options={"verify_signature": False})
        video = {"roomJoin": True, "room": answer["roomName"], "hidden": True}
        video |= {"canPublish": False, "canSubscribe": False, "canPublishData": False}
        claims |= {"sub": f"watcher-{time.monotonic_ns()}", "video": video}
        self._token = jwt.encode(claims, server.api_secret, algorithm="HS256")
        self._url = f"{server.url}/rtc?protocol={PROTOCOL}&auto_subscribe=0"
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()
        self.agents: list[Sighting] = []
        """Every agent seen so far, in order."""
        self.gone_at: float | None = None
        """When the room server ended our connection, as it does when the room is deleted."""

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        headers = {"Authorization": f"Bearer {self._token}"}
        try:
            socket = await self._http.ws_connect(self._url, headers=headers, timeout=_PATIENCE)
        except BaseException:
            await self._http.close()
            raise
        self._socket = socket
        self._tasks = [
            asyncio.create_task(self._read(socket)),
            asyncio.create_task(_ping(socket)),
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        if self._http is not None:
            await self._http.close()

    async def agent(self, *, beyond: int = 0, within_s: float = 30.0) -> Sighting:
        """The first agent after so many. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while len(self.agents) <= beyond:
                self._news.clear()
                await self._news.wait()
        return self.agents[beyond]

    async def until_gone(self, *, within_s: float = 30.0) -> float:
        """When the room server ended our connection. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while self.gone_at is None:
                self._news.clear()
                await self._news.wait()
        return self.gone_at

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.BINARY:
                continue
            response = SignalResponse()
            response.ParseFromString(message.data)
            now = time.monotonic()
            match response.WhichOneof("message"):
                case "join":
                    self._note(response.join.other_participants, now)
                case "update":
                    self._note(response.update.participants, now)
                case "leave":
                    break
        self.gone_at = time.monotonic()
        self._news.set()

    def _note(self, participants: Any, now: float) -> None:
        known = {sighting.sid for sighting in self.agents}
        for info in participants:
            is_new = info.sid not in known and info.state in _HERE
            if info.kind == ParticipantInfo.AGENT and is_new:
                self.agents.append(Sighting(info.sid, now))
                known.add(info.sid)
        self._news.set()


_PATIENCE = aiohttp.ClientWSTimeout(ws_close=1.0)


async def _ping(socket: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        await asyncio.sleep(PING_EVERY_S)
        now_ms = int(time.time() * 1000)
        request = SignalRequest(ping_req=Ping(timestamp=now_ms, rtt=0))
        with contextlib.suppress(ConnectionError):
            await socket.send_bytes(request.SerializeToString())
