"""The socket pump: one client's connection, from its arrival to its last byte.

It knows no protocol. Frames go to the dialect, the dialect's effects are done, the conversation's
events go to the dialect; each at once and in order. Whatever waits has a bound and a timeout.
"""

import asyncio
import contextlib
import json
import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, assert_never

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from orchestrator.gateway.dialect import (
    Activity,
    Close,
    CountError,
    CutOff,
    Dialect,
    Effect,
    EndTurn,
    ErrorCode,
    Event,
    Failed,
    Hear,
    Opened,
    PlayedAll,
    Received,
    Send,
    SetTimer,
    StopTimer,
    Timer,
    TimerRang,
    TypeText,
    UserSpoke,
)
from orchestrator.gateway.limits import MessageRate, Outbox, OutboxFull

if TYPE_CHECKING:
    from orchestrator.gateway.talk import Talk

_YIELD_EVERY = 32
"""Messages, after which others have a turn."""

_BUSY = frozenset({Activity.PROCESSING, Activity.SPEAKING})

NORMAL, GOING_AWAY, POLICY, BROKEN, TRY_LATER = 1000, 1001, 1008, 1011, 1013
CLOSE_CODES = {
    ErrorCode.SESSION_LIMIT: TRY_LATER,
    ErrorCode.SESSION_TIMEOUT: NORMAL,
    ErrorCode.INTERNAL_ERROR: BROKEN,
}
"""With which an error that ends the connection closes it; the others with `POLICY`."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a connection may do."""

    max_message_bytes: int
    messages_per_second: float
    silent_s: float
    """How long a client may send nothing at all."""
    idle_s: float
    """How long nobody may say anything."""
    send_s: float = 10.0
    """How long one message may take to leave."""
    close_s: float = 2.0
    """How long a client may take to read its last messages, and to hang up."""


class Observer(Protocol):
    """Who counts."""

    def error_told(self, code: ErrorCode) -> None:
        """An error was told to a client."""

    def client_dropped(self) -> None:
        """A client did not read what was sent."""


@dataclass(slots=True)
class Connection:
    """One client behind one dialect. `serve` it once."""

    socket: WebSocket
    dialect: Dialect
    bounds: Bounds
    observer: Observer
    manual_turns: bool
    _outbox: Outbox = field(default_factory=Outbox)
    _events: deque[Event] = field(default_factory=deque)
    _is_telling: bool = False
    _talk: "Talk | None" = None
    _closing: asyncio.Future[Close] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    _timers: dict[Timer, asyncio.TimerHandle] = field(default_factory=dict)
    _idle_timer: asyncio.TimerHandle | None = None
    _heard_at: float = field(default_factory=time.monotonic)
    _active_at: float = field(default_factory=time.monotonic)
    _user_speaks: bool = False
    _talk_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def activity(self) -> Activity:
        """What the conversation is doing."""
        return self.dialect.activity

    async def serve(self, talk: "Talk", *, resumed: bool) -> None:
        """Greet the client, hold the conversation, and end it. Returns when both are gone."""
        self._talk = talk
        writer = asyncio.create_task(self._write(), name="socket.write")
        reader = asyncio.create_task(self._read(), name="socket.read")
        try:
            self.tell(Opened(resumed))
            self._check_idle()
            holder = asyncio.create_task(self._hold(talk), name="socket.talk")
            try:
                ends: set[asyncio.Future[Any]] = {reader, writer, self._closing}
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                self._stop_timers()
                holder.cancel()
                await asyncio.wait({holder})
                self._talk_over.set()
        finally:
            await self._hang_up(reader, writer)

    async def refuse(self, code: ErrorCode, detail: str) -> None:
        """Tell why there is no conversation, and close."""
        writer = asyncio.create_task(self._write(), name="socket.write")
        self.fail(code, detail)
        await self._hang_up(None, writer)

    def fail(self, code: ErrorCode, detail: str) -> None:
        """End it for a reason that the client is told."""
        self.tell(Failed(code, detail, fatal=True))

    async def talk_is_over(self) -> None:
        """Returns when nothing more is said, though the client may not have been let go yet."""
        await self._talk_over.wait()

    def close(self, code: int, reason: str) -> None:
        """End it once what was sent is out."""
        if not self._closing.done():
            self._closing.set_result(Close(code, reason))
        self._outbox.close()

    # events and effects

    def tell(self, event: Event) -> None:
        """Have the dialect react; what it causes meanwhile comes after."""
        if self._closing.done():
            return
        self._events.append(event)
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._events:
                self._react(self._events.popleft())
        except OutboxFull:
            self._drop_slow()
        finally:
            self._is_telling = False
            self._events.clear()

    def _react(self, event: Event) -> None:
        if isinstance(event, UserSpoke):
            self._user_speaks = event.speaking
        was_busy = self._is_busy()
        for effect in self.dialect.on(event, time.time()):
            if isinstance(effect, EndTurn | TypeText):
                self._active_at = time.monotonic()
            self._do(effect)
        if was_busy or self._is_busy() or (self.manual_turns and isinstance(event, Received)):
            self._active_at = time.monotonic()
        if isinstance(event, Failed) and event.fatal:
            self.close(CLOSE_CODES.get(event.code, POLICY), event.detail)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Send(message, is_audio):
                text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
                self._outbox.put(text, is_audio=is_audio)
            case Hear() | EndTurn() | TypeText() | PlayedAll():
                self._pass_on(effect)
            case CutOff():
                self._outbox.drop_audio()
                self._pass_on(effect)
            case SetTimer(timer, after_s):
                self._stop_timer(timer)
                loop = asyncio.get_running_loop()
                self._timers[timer] = loop.call_later(after_s, self.tell, TimerRang(timer))
            case StopTimer(timer):
                self._stop_timer(timer)
            case CountError(code):
                self.observer.error_told(code)
            case Close(code, reason):
                self.close(code, reason)
            case _:
                assert_never(effect)

    def _pass_on(self, effect: Hear | EndTurn | TypeText | CutOff | PlayedAll) -> None:
        if self._talk is not None:
            self._talk.do(effect)

    async def _hold(self, talk: "Talk") -> None:
        try:
            async with talk.held():
                await asyncio.Event().wait()
        except Exception:  # noqa: BLE001 (the edge of a conversation)
            _log.exception("conversation failed")
            self.fail(ErrorCode.INTERNAL_ERROR, "Something broke.")

    def _drop_slow(self) -> None:
        _log.warning("client does not read")
        self.observer.client_dropped()
        self.close(POLICY, "the client does not read")

    # the socket

    async def _read(self) -> None:
        rate = MessageRate(self.bounds.messages_per_second)
        count = 0
        while not self._closing.done():
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            now = time.monotonic()
            binary = message.get("bytes")
            data: str | bytes = message.get("text") or "" if binary is None else binary
            if not rate.allows(now):
                self.fail(ErrorCode.RATE_LIMITED, "Too many messages.")
                return
            self._heard_at = now
            if len(data) > self.bounds.max_message_bytes:
                detail = f"A message has at most {self.bounds.max_message_bytes} bytes."
                self.fail(ErrorCode.INVALID_MESSAGE, detail)
                return
            self.tell(Received(data))
            count += 1
            if count % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def _write(self) -> None:
        while (entry := await self._outbox.get()) is not None:
            text, is_audio = entry
            try:
                async with asyncio.timeout(self.bounds.send_s):
                    await self.socket.send_text(text)
                if is_audio and self._talk is not None:
                    self._talk.audio_written()
            except TimeoutError:
                self._drop_slow()
                return
            except (WebSocketDisconnect, RuntimeError, OSError):
                return  # it is gone

    async def _hang_up(
        self, reader: "asyncio.Task[None] | None", writer: "asyncio.Task[None]"
    ) -> None:
        self._outbox.close()
        await asyncio.wait({writer}, timeout=self.bounds.close_s)
        tasks = [task for task in (reader, writer) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self._closing.done():
            self._closing.set_result(Close(NORMAL, ""))
        closing = self._closing.result()
        if self.socket.client_state is WebSocketState.DISCONNECTED:
            return
        with contextlib.suppress(TimeoutError, RuntimeError, OSError, WebSocketDisconnect):
            async with asyncio.timeout(self.bounds.close_s):
                await self.socket.close(closing.code, closing.reason[:120])

    # time

    def _is_busy(self) -> bool:
        return self._user_speaks or self.activity in _BUSY

    def _check_idle(self) -> None:
        now = time.monotonic()
        if self._is_busy():
            self._active_at = now
        left_s = min(
            self._active_at + self.bounds.idle_s - now,
            self._heard_at + self.bounds.silent_s - now,
        )
        if left_s <= 0:
            self.fail(ErrorCode.SESSION_TIMEOUT, "Nothing happened for too long.")
            return
        loop = asyncio.get_running_loop()
        self._idle_timer = loop.call_later(max(0.01, left_s), self._check_idle)

    def _stop_timer(self, timer: Timer) -> None:
        if (handle := self._timers.pop(timer, None)) is not None:
            handle.cancel()

    def _stop_timers(self) -> None:
        for timer in list(self._timers):
            self._stop_timer(timer)
        if self._idle_timer is not None:
            self._idle_timer.cancel()
