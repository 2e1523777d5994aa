"""What the user says: from a client's frames to the session's audio input, in their order.

Decoding waits for nobody: frames queue here, at most `Limits.waiting_bytes` of them, and one task
takes them, ends turns between them, and tells what is wrong with them.
"""

import array
import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from livekit import rtc
from livekit.agents.voice.io import AudioInput

from orchestrator.gateway.audio import (
    AudioError,
    AudioTooLong,
    InputFormat,
    Pcm,
    make_decoder,
    recognise,
)
from orchestrator.gateway.audio.decoders import RATE_HZ, Decoder
from orchestrator.gateway.dialect import EndTurn, ErrorCode, Event, Failed, Hear

QUIET_TAIL_S = 0.25
"""A turn that ends in so much silence is not waiting for a last frame."""

QUIET_PEAK = 1000
"""Samples of silence, of 32,768."""

INPUT_FRAME_S = 0.1
"""The session is handed audio in frames of at most this length."""

_SILENCE_FRAME_S = 0.1


class ClientAudio(AudioInput):
    """An `AudioInput` that gives what was pushed into it."""

    def __init__(self) -> None:
        super().__init__(label="client")
        self._frames: deque[rtc.AudioFrame] = deque()
        self._more = asyncio.Event()
        self._empty = asyncio.Event()
        self._closed = False

    def push(self, pcm: Pcm) -> None:
        """Mono audio that comes next."""
        step = int(INPUT_FRAME_S * pcm.rate_hz) * 2
        for at in range(0, len(pcm.samples), step):
            part = pcm.samples[at : at + step]
            self._frames.append(rtc.AudioFrame(part, pcm.rate_hz, 1, len(part) // 2))
        self._empty.clear()
        self._more.set()

    async def drained(self) -> None:
        """Returns when the session has taken everything."""
        self._more.set()
        await self._empty.wait()

    def close(self) -> None:
        """There is no more."""
        self._closed = True
        self._more.set()

    async def __anext__(self) -> rtc.AudioFrame:
        while not self._frames:
            if self._closed:
                self._empty.set()
                raise StopAsyncIteration
            # whoever asks for more has handed on what it got before
            self._more.clear()
            self._empty.set()
            await self._more.wait()
        return self._frames.popleft()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much audio a client may send, and how long it is waited for."""

    turn_s: float
    """Of audio in one turn; also how far a stream may run ahead of the clock."""
    waiting_bytes: int = 8 << 20
    """That are not decoded yet."""
    late_frames_s: float = 0.5
    """So long the last frame of a recording is waited for."""
    silent_after_s: float = 0.5
    """A client that streams and has sent nothing for so long has a microphone that is off."""


class Hearing:
    """The user's side of a conversation. `run` it beside the session."""

    def __init__(
        self,
        tell: Callable[[Event], None],
        commit: Callable[[], Awaitable[None]],
        limits: Limits,
        *,
        manual_turns: bool,
        rate_hz: int,
        channels: int,
    ) -> None:
        self.audio = ClientAudio()
        self._tell = tell
        self._commit = commit
        self._limits = limits
        self._manual_turns = manual_turns
        self._rate_hz = rate_hz
        self._channels = channels
        self._waiting: deque[Hear | EndTurn] = deque()
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._decoder: Decoder | None = None
        self._is_container = False
        self._peaks: deque[tuple[float, int]] = deque()
        self._heard_s = 0.0
        self._began_at = time.monotonic()
        self._spoken_s: float | None = None

    # what the dialect asks for

    def put(self, what: Hear | EndTurn) -> None:
        """Take it up after all that came before."""
        if isinstance(what, Hear):
            self._waiting_bytes += len(what.data)
            if self._waiting_bytes > self._limits.waiting_bytes:
                detail = "Audio comes faster than it can be taken."
                self._tell(Failed(ErrorCode.RATE_LIMITED, detail, fatal=True))
                return
        self._waiting.append(what)
        self._news.set()

    def forget(self) -> None:
        """What waits, and what was heard of the turn, is no turn."""
        self._waiting.clear()
        self._waiting_bytes = 0
        self._close_decoder()

    def user_spoke(self, *, speaking: bool) -> None:
        """The session's ear heard the user begin, or cease, to speak."""
        self._spoken_s = 0.0 if speaking else None

    @property
    def has_turn(self) -> bool:
        """Whether something of a turn was heard, and it is not over."""
        return self._decoder is not None or bool(self._waiting)

    async def run(self) -> None:
        """Take up what comes, for ever."""
        while True:
            what = await self._next()
            if isinstance(what, EndTurn):
                await self._end_turn()
            else:
                await self._hear(what)

    def close(self) -> None:
        """Nothing more is heard."""
        self.forget()
        self.audio.close()

    # one after the other

    async def _next(self) -> Hear | EndTurn:
        while not self._waiting:
            self._news.clear()
            if self._spoken_s is None or self._manual_turns:
                await self._news.wait()
            else:
                await self._next_or_silence()
        what = self._waiting.popleft()
        if isinstance(what, Hear):
            self._waiting_bytes -= len(what.data)
        return what

    async def _next_or_silence(self) -> None:
        """The end of a turn is found in the silence after it, which nobody may send."""
        try:
            async with asyncio.timeout(self._limits.silent_after_s):
                await self._news.wait()
        except TimeoutError:
            while self._spoken_s is not None and not self._waiting:
                self.audio.push(Pcm.silence(_SILENCE_FRAME_S, RATE_HZ))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_SILENCE_FRAME_S):
                        await self._news.wait()

    async def _hear(self, hear: Hear) -> None:
        decoder = self._decoder_for(hear)
        if decoder is None:
            return
        try:
            pcm = await decoder.feed(hear.data)
        except AudioError as error:
            self._spoiled(error)
            return
        if decoder is self._decoder:
            self._take(pcm)

    def _decoder_for(self, hear: Hear) -> Decoder | None:
        if hear.begins or (self._decoder is None and not self._manual_turns):
            self._close_decoder()
            # only a turn has headers; a stream is what the protocol says
            source = recognise(hear.data) if self._manual_turns else InputFormat.PCM
            self._is_container = source is not InputFormat.PCM
            self._decoder = make_decoder(
                source,
                limit_s=self._limits.turn_s if self._manual_turns else None,
                source_rate_hz=self._rate_hz,
                source_channels=self._channels,
            )
        return self._decoder

    def _take(self, pcm: Pcm) -> None:
        if not pcm:
            return
        self._heard_s += pcm.duration_s
        if self._is_container:
            self._note_peak(pcm)
        if not self._manual_turns and self._is_too_much(pcm.duration_s):
            return
        self.audio.push(pcm)

    def _is_too_much(self, duration_s: float) -> bool:
        if self._heard_s - (time.monotonic() - self._began_at) > self._limits.turn_s:
            detail = "Audio comes faster than it can be spoken."
            self._tell(Failed(ErrorCode.RATE_LIMITED, detail, fatal=True))
            return True
        if self._spoken_s is not None:
            self._spoken_s += duration_s
            if self._spoken_s > self._limits.turn_s:
                self._spoken_s = 0.0
                self._spoiled(AudioTooLong("The turn is longer than is allowed."))
        return False

    def _spoiled(self, error: AudioError) -> None:
        self.forget()
        self._tell(Failed(ErrorCode(error.code), str(error)))

    # the end of a turn

    async def _end_turn(self) -> None:
        decoder = self._decoder
        if decoder is None:
            return
        if self._is_container and not self._tail_is_quiet():
            await self._await_late_frame()
        if decoder is not self._decoder:
            return
        try:
            pcm = await decoder.finish()
        except AudioError as error:
            self._spoiled(error)
            return
        if decoder is not self._decoder:
            return
        self._take(pcm)
        self._close_decoder()
        await self.audio.drained()
        await self._commit()

    async def _await_late_frame(self) -> None:
        deadline = time.monotonic() + self._limits.late_frames_s
        while (left_s := deadline - time.monotonic()) > 0:
            if self._waiting:
                first = self._waiting[0]
                if not isinstance(first, Hear) or not first.late:
                    return
                self._waiting.popleft()
                self._waiting_bytes -= len(first.data)
                await self._hear(first)
                return
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await self._news.wait()

    def _note_peak(self, pcm: Pcm) -> None:
        samples = array.array("h", pcm.samples)
        self._peaks.append((pcm.duration_s, max(max(samples), -min(samples))))
        while len(self._peaks) > 1 and sum(s for s, _ in list(self._peaks)[1:]) >= QUIET_TAIL_S:
            self._peaks.popleft()

    def _tail_is_quiet(self) -> bool:
        return bool(self._peaks) and all(peak < QUIET_PEAK for _, peak in self._peaks)

    def _close_decoder(self) -> None:
        decoder, self._decoder = self._decoder, None
        self._peaks.clear()
        if decoder is not None:
            decoder.close()
