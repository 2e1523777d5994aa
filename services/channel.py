"""One WebSocket as a service sees it: typed messages in and out, and nothing without a bound.

PeerGone    the peer closed, or broke off
PeerFailed  the peer is told why, and let go
"""

import asyncio
import logging
from contextlib import suppress
from typing import Generic, TypeVar

from pydantic import TypeAdapter
from starlette.websockets import WebSocket, WebSocketDisconnect

from agent.stages.services.messages import (
    MAX_AUDIO_FRAME_BYTES,
    ErrorCode,
    Message,
    WireError,
    decode,
    encode,
    failure,
)

SLOW_READER_S = 10.0
"""How long a peer may take to read what it is sent."""
START_S = 10.0
"""How long it may take to say what it wants."""

_CLOSE_CODES = {
    ErrorCode.INVALID_MESSAGE: 1008,
    ErrorCode.UNSUPPORTED_LANGUAGE: 1008,
    ErrorCode.TIMEOUT: 1008,
    ErrorCode.SLOW_READER: 1008,
    ErrorCode.TOO_LARGE: 1009,
    ErrorCode.STAGE_FAILED: 1011,
}

_log = logging.getLogger(__name__)

_M = TypeVar("_M")


class PeerGone(Exception):
    """The peer closed the connection, or it broke."""


class PeerFailed(Exception):
    """The peer is to be told this, and let go."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


class Channel(Generic[_M]):
    """An accepted WebSocket whose peer sends messages of one union, and perhaps audio."""

    def __init__(
        self,
        socket: WebSocket,
        requests: TypeAdapter[_M],
        *,
        start_within_s: float = START_S,
        read_within_s: float = SLOW_READER_S,
    ) -> None:
        self._socket = socket
        self._requests = requests
        self._start_within_s = start_within_s
        self._read_within_s = read_within_s

    async def start(self) -> _M:
        """The first message. Raises `PeerFailed` when it does not come in time."""
        try:
            async with asyncio.timeout(self._start_within_s):
                message = await self.receive()
        except TimeoutError as error:
            raise PeerFailed(ErrorCode.TIMEOUT, "nothing was asked for") from error
        if isinstance(message, bytes):
            raise PeerFailed(ErrorCode.INVALID_MESSAGE, "audio before `start`")
        return message

    async def receive(self) -> _M | bytes:
        """The next message, or frame of whole s16le samples. Raises `PeerGone`, `PeerFailed`."""
        try:
            event = await self._socket.receive()
        except (RuntimeError, WebSocketDisconnect) as error:  # asked again after it was closed
            raise PeerGone from error
        if event["type"] == "websocket.disconnect":
            raise PeerGone
        audio: bytes | None = event.get("bytes")
        if audio is not None:
            return _samples(audio)
        try:
            return decode(self._requests, event.get("text") or "")
        except WireError as error:
            raise PeerFailed(ErrorCode.INVALID_MESSAGE, str(error)) from error

    async def send(self, message: Message) -> None:
        """Raises `PeerFailed` for a peer that does not read, `PeerGone`."""
        await self._send({"type": "websocket.send", "text": encode(message)})

    async def send_audio(self, pcm: bytes) -> None:
        """Mono s16le, in frames that any peer takes. Raises as `send` does."""
        for at in range(0, len(pcm), MAX_AUDIO_FRAME_BYTES):
            part = pcm[at : at + MAX_AUDIO_FRAME_BYTES]
            await self._send({"type": "websocket.send", "bytes": part})

    async def close(self) -> None:
        """It is over, as it should be."""
        await self._close(1000)

    async def fail(self, error: PeerFailed) -> None:
        """Tell the peer, and let it go."""
        _log.warning("a peer was let go", extra={"code": error.code.value, "why": str(error)})
        with suppress(PeerGone, PeerFailed):
            if error.code is not ErrorCode.SLOW_READER:  # which would not read that either
                await self.send(failure(error.code, str(error)))
        await self._close(_CLOSE_CODES.get(error.code, 1011))

    async def _send(self, event: dict[str, object]) -> None:
        try:
            async with asyncio.timeout(self._read_within_s):
                await self._socket.send(event)
        except TimeoutError as error:
            raise PeerFailed(ErrorCode.SLOW_READER, "what was sent was not read") from error
        except (RuntimeError, WebSocketDisconnect) as error:
            raise PeerGone from error

    async def _close(self, code: int) -> None:
        with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
            async with asyncio.timeout(1.0):
                await self._socket.close(code)


def _samples(audio: bytes) -> bytes:
    if len(audio) > MAX_AUDIO_FRAME_BYTES:
        raise PeerFailed(ErrorCode.TOO_LARGE, f"a frame of over {MAX_AUDIO_FRAME_BYTES} bytes")
    if len(audio) % 2:
        raise PeerFailed(ErrorCode.INVALID_MESSAGE, "a frame with half a sample")
    return audio
