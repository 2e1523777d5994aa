"""The socket pump with a scripted socket and dialect: order, bounds, time, and ends."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest
from starlette.websockets import WebSocketState

from orchestrator.gateway.connection import Bounds, Connection
from orchestrator.gateway.dialect import (
    Activity,
    Close,
    CutOff,
    Effect,
    ErrorCode,
    Event,
    Failed,
    Hear,
    Received,
    Send,
    SetTimer,
    StopTimer,
    Timer,
    TimerRang,
)
from orchestrator.gateway.talk import Talk
from tests.unit.orchestrator.gateway.watched import Watched

BOUNDS = Bounds(max_message_bytes=1000, messages_per_second=1000.0, silent_s=60.0, idle_s=60.0)


@dataclass
class Socket(Watched):
    """A client: what it sends is put in, what it got comes out."""

    client_state: WebSocketState = WebSocketState.CONNECTED
    incoming: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)
    got: list[dict[str, Any]] = field(default_factory=list)
    closed: tuple[int, str] | None = None
    reads: bool = True

    def say(self, data: str | bytes) -> None:
        kind = "text" if isinstance(data, str) else "bytes"
        self.incoming.put_nowait({"type": "websocket.receive", kind: data})

    def leave(self) -> None:
        self.client_state = WebSocketState.DISCONNECTED
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def receive(self) -> dict[str, Any]:
        return await self.incoming.get()

    async def send_text(self, text: str) -> None:
        if not self.reads:
            await asyncio.Event().wait()
        self.got.append(json.loads(text))
        self.changed.set()

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


@dataclass
class Scripted(Watched):
    """A dialect that does what it is told, and remembers the events."""

    react: Callable[[Event], list[Effect]] = lambda _: []
    doing: Activity = Activity.IDLE
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=10_000))
    looks: int = 0
    """How often its activity was looked at."""

    @property
    def activity(self) -> Activity:
        self.looks += 1
        self.changed.set()
        return self.doing

    def on(self, event: Event, at: float) -> list[Effect]:
        assert at > 1e9
        self.events.append(event)
        return self.react(event)


@dataclass
class QuietTalk:
    """A conversation that does nothing, or what `on_do` does."""

    done: list[object] = field(default_factory=list)
    on_do: Callable[[object], None] = lambda _: None
    fails: bool = False
    is_over: bool = False

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        if self.fails:
            raise RuntimeError("scripted")
        try:
            yield
        finally:
            self.is_over = True

    def do(self, effect: object) -> None:
        self.done.append(effect)
        self.on_do(effect)

    def audio_written(self) -> None:
        self.done.append("written")


@dataclass
class Counting:
    errors: list[str] = field(default_factory=list)
    dropped: int = 0

    def error_told(self, code: ErrorCode) -> None:
        self.errors.append(code.value)

    def client_dropped(self) -> None:
        self.dropped += 1


@dataclass
class Served:
    socket: Socket
    dialect: Scripted
    talk: QuietTalk
    counting: Counting
    connection: Connection
    serving: "asyncio.Task[None]"

    async def over(self) -> None:
        async with asyncio.timeout(10):
            await self.serving


@asynccontextmanager
async def served(
    react: Callable[[Event], list[Effect]] = lambda _: [],
    *,
    bounds: Bounds = BOUNDS,
    talk: QuietTalk | None = None,
    reads: bool = True,
) -> AsyncIterator[Served]:
    socket, dialect, counting = Socket(reads=reads), Scripted(react), Counting()
    talk = talk or QuietTalk()
    made = Connection(cast("Any", socket), dialect, bounds, counting, manual_turns=False)
    serving = asyncio.create_task(made.serve(cast("Talk", talk), resumed=False))
    try:
        yield Served(socket, dialect, talk, counting, made, serving)
    finally:
        socket.leave()
        async with asyncio.timeout(10):
            await serving
        assert talk.is_over or talk.fails


def fatal(event: Event) -> list[Effect]:
    return [Send({"type": "error", "code": event.code})] if isinstance(event, Failed) else []


async def test_messages_go_both_ways() -> None:
    """Catches frames that are lost, mixed up, or that a client cannot read."""

    def echo(event: Event) -> list[Effect]:
        match event:
            case Received(str() as text):
                return [Send({"said": text})]
            case Received(data):
                return [Hear(cast("bytes", data))]
            case _:
                return []

    async with served(echo) as made:
        for data in ("one", b"\x01", "", b"", "مرحبا"):
            made.socket.say(data)
        await made.socket.until(lambda: len(made.socket.got) == 3)
    assert [message["said"] for message in made.socket.got] == ["one", "", "مرحبا"]
    assert made.talk.done == [Hear(b"\x01"), Hear(b"")]


async def test_what_an_effect_causes_comes_after_the_other_effects() -> None:
    """Catches a message that overtakes `stop` because the conversation answered at once."""

    def react(event: Event) -> list[Effect]:
        match event:
            case Received():
                return [Send({"n": 1}), CutOff(), Send({"n": 2})]
            case Failed():
                return [Send({"n": 3})]
            case _:
                return []

    talk = QuietTalk()
    async with served(react, talk=talk) as made:
        failed = Failed(ErrorCode.TTS_FAILED, "caused")
        talk.on_do = lambda _: made.connection.tell(failed)
        made.socket.say("go")
        await made.socket.until(lambda: len(made.socket.got) == 3)
    assert [message["n"] for message in made.socket.got] == [1, 2, 3]


async def test_audio_is_thrown_away_by_a_cut_and_told_of_when_it_has_left() -> None:
    """Catches audio behind a `stop`, and pacing by chunks that are still on their way."""

    def react(event: Event) -> list[Effect]:
        if not isinstance(event, Received):
            return []
        chunk = Send({"audio": 1}, is_audio=True)
        return [chunk, Send({"stop": 1}), CutOff(), Send({"audio": 2}, is_audio=True)]

    async with served(react) as made:
        made.socket.say("go")
        await made.socket.until(lambda: len(made.socket.got) == 2)
        await asyncio.sleep(0)
    assert made.socket.got == [{"stop": 1}, {"audio": 2}]
    assert made.talk.done == [CutOff(), "written"]


async def test_timers() -> None:
    """Catches a timer that rings twice, or after it was stopped or replaced."""

    def react(event: Event) -> list[Effect]:
        match event:
            case Received("set"):
                return [SetTimer(Timer.QUIET, 0.0), SetTimer(Timer.PLAYBACK, 0.0)]
            case Received("stop"):
                return [SetTimer(Timer.QUIET, 3600.0), StopTimer(Timer.PLAYBACK), Send({})]
            case TimerRang():
                return [Send({"rang": 1})]
            case _:
                return []

    async with served(react) as made:
        made.socket.say("set")
        await made.socket.until(lambda: len(made.socket.got) == 2)
        made.socket.say("set")
        made.socket.say("stop")
        await made.socket.until(lambda: {} in made.socket.got)
    rang = [event.timer for event in made.dialect.events if isinstance(event, TimerRang)]
    assert rang[:2] == [Timer.QUIET, Timer.PLAYBACK]
    assert len(rang) <= 4


@pytest.mark.parametrize(
    ("bounds", "data", "code"),
    [
        (Bounds(10, 1000.0, 60.0, 60.0), "x" * 11, ErrorCode.INVALID_MESSAGE),
        (Bounds(10, 1000.0, 60.0, 60.0), b"x" * 11, ErrorCode.INVALID_MESSAGE),
        (Bounds(10, 0.1, 60.0, 60.0), "x", ErrorCode.RATE_LIMITED),
        (Bounds(10, 1000.0, 0.05, 60.0), None, ErrorCode.SESSION_TIMEOUT),
        (Bounds(10, 1000.0, 60.0, 0.05), None, ErrorCode.SESSION_TIMEOUT),
    ],
)
async def test_bounds(bounds: Bounds, data: str | bytes | None, code: ErrorCode) -> None:
    """Catches a bound that is none, or a client that is not told which one it has passed."""
    async with served(fatal, bounds=bounds) as made:
        if data is not None:
            made.socket.say(data)
        await made.over()
    assert made.socket.got == [{"type": "error", "code": code.value}]
    assert made.socket.closed is not None


async def test_nobody_is_idle_while_the_agent_speaks() -> None:
    """Catches a long answer that is taken for silence."""
    async with served(fatal, bounds=replace(BOUNDS, idle_s=0.05)) as made:
        made.dialect.doing = Activity.SPEAKING
        looks = made.dialect.looks
        await made.dialect.until(lambda: made.dialect.looks > looks + 5)
        assert not made.serving.done()
        made.dialect.doing = Activity.LISTENING
        await made.over()
    assert made.socket.got == [{"type": "error", "code": "session_timeout"}]


async def test_a_client_that_never_reads() -> None:
    """Catches memory that grows with it, and a connection that stays for ever."""
    bounds = replace(BOUNDS, send_s=3600.0, close_s=0.05)
    big = Send({"data": "x" * 900})
    async with served(lambda _: [big] * 100, bounds=bounds, reads=False) as made:
        for _ in range(100):
            made.socket.say("more")
        await made.over()
    assert made.counting.dropped == 1
    assert made.socket.closed == (1008, "the client does not read")


async def test_a_client_that_reads_too_slowly() -> None:
    """Catches a writer that waits for one client for ever."""
    bounds = replace(BOUNDS, send_s=0.05, close_s=0.05)
    async with served(lambda _: [Send({})], bounds=bounds, reads=False) as made:
        await made.over()
    assert made.counting.dropped == 1


async def test_a_conversation_that_cannot_start() -> None:
    """Catches a client that waits for an answer that nobody prepares."""
    async with served(fatal, talk=QuietTalk(fails=True)) as made:
        await made.over()
    assert made.socket.got == [{"type": "error", "code": "internal_error"}]
    assert made.socket.closed == (1011, "Something broke.")


async def test_closing_lets_out_what_was_sent() -> None:
    """Catches a last message that the client never sees."""
    react: Callable[[Event], list[Effect]] = lambda event: (  # noqa: E731
        [Send({"last": 1}), Close(1000, "bye")] if isinstance(event, Received) else []
    )
    async with served(react) as made:
        made.socket.say("end")
        await made.over()
    assert made.socket.got == [{"last": 1}]
    assert made.socket.closed == (1000, "bye")


async def test_a_session_can_be_taken_up_before_a_dead_client_is_let_go() -> None:
    """Catches a client that comes back and waits for its own dead connection."""
    bounds = replace(BOUNDS, close_s=0.5)
    async with served(lambda _: [Send({})], bounds=bounds, reads=False) as made:
        await asyncio.sleep(0)
        made.connection.close(1001, "taken up")
        async with asyncio.timeout(10):
            await made.connection.talk_is_over()
        assert made.talk.is_over
        assert not made.serving.done()
        await made.over()
    assert made.socket.closed == (1001, "taken up")
