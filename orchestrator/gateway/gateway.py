"""The WebSocket doors of one process: who may come in, who is in, and what is kept of them.

    gateway = Gateway(…)
    async with gateway.running():
        await gateway.serve(socket, door)     # for each connection

livekit-agents is imported in a thread while the API serves already; who comes earlier waits for it.
"""

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, cast

from starlette.websockets import WebSocket

from agent.assistants.files import Assistants
from agent.cancellation import cancel
from agent.job import Job, Turn
from agent.stages.breaker import BreakerOptions, Breakers
from orchestrator.errors import (
    CapacityFull,
    Forbidden,
    InvalidField,
    RateLimited,
    RequestError,
    StoreUnavailable,
    Unauthenticated,
)
from orchestrator.gateway.audio import OutputFormat, Pcm, make_encoder
from orchestrator.gateway.connection import GOING_AWAY, Bounds, Connection
from orchestrator.gateway.dialect import Door, ErrorCode, Terms
from orchestrator.gateway.inline import InlineExecutor
from orchestrator.gateway.sessions import SLOT_S, DoorSessions, Tally, Tenancy
from orchestrator.gateway.wishes import (
    Wishes,
    is_session_id,
    make_job,
    new_session_id,
    read_wishes,
)
from orchestrator.monitoring.metrics import Metrics
from orchestrator.security.api_keys import check_api_key
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.gateway.talk import Talk

PREPARED_WITHIN_S = 60.0
LET_GO_WITHIN_S = 8.0
SAVED_WITHIN_S = 2.0
SILENCE_S = 0.05
PUBLISH_EVERY_S = 1.0
TOTAL_WITHIN_S = 0.25
_ERRORS: tuple[tuple[type[RequestError], ErrorCode], ...] = (
    (InvalidField, ErrorCode.INVALID_MESSAGE),
    (Unauthenticated, ErrorCode.UNAUTHORIZED),
    (Forbidden, ErrorCode.UNAUTHORIZED),
    (RateLimited, ErrorCode.RATE_LIMITED),
    (CapacityFull, ErrorCode.SESSION_LIMIT),
)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Guest:
    """A connection, and what is kept of its conversation."""

    connection: Connection
    tenancy: Tenancy
    history: list[Turn]
    turns: int = 0
    unsaved: bool = False
    saving: asyncio.Task[None] | None = None


class Gateway:
    """Serves every door. `count_start` raises `RateLimited` for an address that comes too often."""

    def __init__(
        self,
        settings: Settings,
        sessions: DoorSessions,
        metrics: Metrics,
        count_start: Callable[[str], Awaitable[None]],
        assistants: Assistants,
    ) -> None:
        self._settings = settings
        self._assistants = assistants
        self._sessions = sessions
        self._metrics = metrics
        self._count_start = count_start
        self._guests: dict[str, _Guest] = {}
        self._prepared: asyncio.Task[ModuleType] | None = None
        self._silences: dict[tuple[OutputFormat, int], bytes] = {}
        self._executor = InlineExecutor()
        self._breakers = Breakers(BreakerOptions(pause_s=settings.breaker_seconds))
        self._process = f"{socket.gethostname()}-{os.getpid()}"
        self._kept_turns = settings.history_turns

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load what conversations need, and keep their slots."""
        self._prepared = asyncio.create_task(_prepare(self._settings), name="gateway.prepare")
        tasks = (
            self._prepared,
            asyncio.create_task(self._renew(), name="gateway.renew"),
            asyncio.create_task(self._publish(), name="gateway.publish"),
        )
        try:
            yield
        finally:
            await cancel(*tasks)
            await asyncio.gather(*tasks, return_exceptions=True)
            for guest in list(self._guests.values()):
                guest.connection.close(GOING_AWAY, "the server is going down")

    def tally(self) -> Tally:
        """Of this process."""
        guests = list(self._guests.values())
        return Tally(
            sessions=len(guests),
            turns=sum(guest.turns for guest in guests),
            activities=Counter(guest.connection.activity.value for guest in guests),
        )

    async def total(self) -> Tally:
        """Of every process of the deployment; of this one alone while the others' is not known."""
        tally = self.tally()
        try:
            async with asyncio.timeout(TOTAL_WITHIN_S):
                for other in await self._sessions.others(self._process):
                    tally += other
        except (StoreUnavailable, TimeoutError):
            _log.warning("only this process is counted")
        return tally

    # one connection

    async def serve(self, websocket: WebSocket, door: Door) -> None:
        """Let a client in, or tell it why not. Returns when it is gone."""
        await websocket.accept()
        self._metrics.connections.inc()
        began = time.monotonic()
        try:
            await self._serve(websocket, door)
        finally:
            self._metrics.connections.dec()
            self._metrics.conversation_over(time.monotonic() - began)

    async def _serve(self, websocket: WebSocket, door: Door) -> None:
        tenancy: Tenancy | None = None
        wishes = Wishes()
        try:
            wishes = read_wishes(websocket.query_params, door)
            await self._admit(websocket, wishes)
            tenancy = await self._open(wishes, door)
            job = make_job(wishes, tenancy, self._settings, self._assistants)
            talks = await self._talks()
            terms = await self._terms(wishes, door, job)
        except RequestError as error:
            if tenancy is not None:
                await self._let_go(tenancy)
            await self._refuse(websocket, door, _code(error), error.message)
            return
        except TimeoutError:
            if tenancy is not None:
                await self._let_go(tenancy)
            await self._refuse(websocket, door, ErrorCode.INTERNAL_ERROR, "Not ready yet.")
            return
        connection = self._connection(websocket, door, terms)
        guest = _Guest(connection, tenancy, list(tenancy.history))
        self._guests[tenancy.session_id] = guest

        def turn_ended(turn: Turn) -> None:
            self._on_turn(guest, turn)

        make_talk = cast("type[Talk]", talks.Talk)
        talk = make_talk(
            job,
            self._settings,
            door,
            talks.AudioWishes(
                output=wishes.audio_format or door.output,
                output_rate_hz=self._output_rate_hz(wishes, door),
                paced=wishes.pacing != "none",
                input_rate_hz=self._settings.audio_sample_rate,
                input_channels=self._settings.audio_channels,
            ),
            connection.tell,
            turn_ended,
            detector_executor=self._executor,
            prepare=talks.preparing(self._breakers),
        )
        try:
            await connection.serve(talk, resumed=tenancy.resumed)
        finally:
            await asyncio.shield(self._leave(guest))

    async def _admit(self, websocket: WebSocket, wishes: Wishes) -> None:
        """Raises `Unauthenticated`, `Forbidden`, `RateLimited`, `StoreUnavailable`."""
        headers: Mapping[str, str] = websocket.headers
        if wishes.token is not None:
            headers = {"x-api-key": wishes.token}
        check_api_key(headers, self._settings.api_keys)
        try:
            await self._count_start(websocket.client.host if websocket.client else "unknown")
        except StoreUnavailable:
            if self._settings.session_storage_type == "redis":
                raise

    async def _open(self, wishes: Wishes, door: Door) -> Tenancy:
        """Raises `CapacityFull`, `StoreUnavailable`."""
        asked = wishes.session_id
        if asked is not None and is_session_id(asked, door):
            await self._take_over(asked)
            tenancy = await self._sessions.open(asked, known_only=True)
            if tenancy is not None:
                return tenancy
        tenancy = await self._sessions.open(new_session_id(door), known_only=False)
        assert tenancy is not None  # noqa: S101 (only `known_only` can find none)
        return tenancy

    async def _take_over(self, session_id: str) -> None:
        """A client that has come back leaves behind a connection that may look alive."""
        guest = self._guests.get(session_id)
        if guest is None:
            return
        guest.connection.close(GOING_AWAY, "the session was taken up by another connection")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LET_GO_WITHIN_S):
                # its client may be unreachable, and letting it go may take long
                await guest.connection.talk_is_over()
                await self._saved(guest)

    async def _refuse(self, websocket: WebSocket, door: Door, code: ErrorCode, detail: str) -> None:
        terms = Terms("", self._settings.default_language_code, 16_000, b"")
        await self._connection(websocket, door, terms).refuse(code, detail)

    def _connection(self, websocket: WebSocket, door: Door, terms: Terms) -> Connection:
        settings = self._settings
        bounds = Bounds(
            max_message_bytes=settings.websocket_max_message_bytes,
            messages_per_second=settings.websocket_messages_per_second,
            silent_s=settings.websocket_timeout_seconds,
            idle_s=settings.session_timeout_seconds,
        )
        return Connection(
            websocket, door.dialect(terms), bounds, self._metrics, manual_turns=door.manual_turns
        )

    async def _terms(self, wishes: Wishes, door: Door, job: Job) -> Terms:
        output = wishes.audio_format or door.output
        rate_hz = self._output_rate_hz(wishes, door) or self._settings.audio_sample_rate
        key = (output, rate_hz)
        if key not in self._silences:
            silence = Pcm.silence(SILENCE_S, rate_hz)
            self._silences[key] = await make_encoder(output).encode(silence)
        return Terms(
            session_id=job.session_id,
            language=job.language,
            rate_hz=self._settings.audio_sample_rate,
            silence=self._silences[key],
            channels=self._settings.audio_channels,
        )

    def _output_rate_hz(self, wishes: Wishes, door: Door) -> int | None:
        """None: as synthesised. Raw samples do not tell their rate, so they have a known one."""
        output = wishes.audio_format or door.output
        if output is OutputFormat.MP3:
            return None
        return wishes.sample_rate or self._settings.audio_sample_rate

    async def _talks(self) -> ModuleType:
        """The module that needs livekit-agents. Raises TimeoutError."""
        assert self._prepared is not None  # noqa: S101 (connections come while it is running)
        async with asyncio.timeout(PREPARED_WITHIN_S):
            return await asyncio.shield(self._prepared)

    # what is kept

    def _on_turn(self, guest: _Guest, turn: Turn) -> None:
        guest.turns += 1
        if not self._kept_turns:
            return
        guest.history.append(turn)
        del guest.history[: -self._kept_turns]
        guest.unsaved = True
        if guest.saving is None or guest.saving.done():
            guest.saving = asyncio.create_task(self._save(guest), name="gateway.save")

    async def _save(self, guest: _Guest) -> None:
        while guest.unsaved:
            guest.unsaved = False
            try:
                if not await self._sessions.keep(guest.tenancy, tuple(guest.history)):
                    self._left_behind(guest)
            except StoreUnavailable:
                # the next turn, or the end, brings all of it again
                guest.unsaved = True
                _log.warning("history not saved")
                return

    async def _saved(self, guest: _Guest) -> None:
        """Returns when all of it is kept, or cannot be for now."""
        if guest.saving is not None:
            await asyncio.wait({guest.saving})
        await self._save(guest)

    async def _leave(self, guest: _Guest) -> None:
        session_id = guest.tenancy.session_id
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAVED_WITHIN_S):
                    await self._saved(guest)
            await self._let_go(guest.tenancy)
        finally:
            if self._guests.get(session_id) is guest:
                del self._guests[session_id]

    async def _let_go(self, tenancy: Tenancy) -> None:
        try:
            await self._sessions.close(tenancy)
        except StoreUnavailable:
            _log.warning("slot not given back; it runs out by itself")

    async def _publish(self) -> None:
        told: Tally | None = None
        told_at = 0.0
        while True:
            tally, now = self.tally(), time.monotonic()
            if tally != told or now - told_at > SLOT_S / 4:
                with contextlib.suppress(StoreUnavailable):
                    await self._sessions.publish(self._process, tally)
                    told, told_at = tally, now
            await asyncio.sleep(PUBLISH_EVERY_S)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(SLOT_S / 4)
            guests = dict(self._guests)
            try:
                lost = await self._sessions.renew([guest.tenancy for guest in guests.values()])
            except StoreUnavailable:
                _log.warning("slots not renewed")
                continue
            for tenancy in lost:
                self._left_behind(guests[tenancy.session_id])

    def _left_behind(self, guest: _Guest) -> None:
        guest.connection.close(GOING_AWAY, "the session was taken up by another connection")


def _code(error: RequestError) -> ErrorCode:
    found = (code for kind, code in _ERRORS if isinstance(error, kind))
    return next(found, ErrorCode.INTERNAL_ERROR)


async def _prepare(settings: Settings) -> ModuleType:
    """Import what a conversation needs, without keeping the API from answering."""
    module = await asyncio.to_thread(importlib.import_module, "orchestrator.gateway.talk")
    # plugins must be registered on the main thread
    module.preload(settings)
    await asyncio.to_thread(module.load_models, settings)
    _spare_what_is_loaded()
    return module


def _spare_what_is_loaded() -> None:
    """Keep the garbage collector from what stays for good.

    A full collection of all that is imported takes 0.2 to 0.3 s, in which nobody is served; this
    leaves it the conversations.
    """
    gc.freeze()
    gc.collect()  # it has nothing to do, and learns how little there is: full ones stay frequent
