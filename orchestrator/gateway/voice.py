"""What the agent says, as a session's audio output: cut into chunks, encoded, sent in time.

A chunk goes out no sooner than the one before it has played, unless the client queues by itself.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from livekit import rtc
from livekit.agents.voice.io import AudioOutput, AudioOutputCapabilities

from agent.narration import Narration, mark_of
from orchestrator.gateway.audio import Encoder, Pcm
from orchestrator.gateway.audio.resample import Resampler
from orchestrator.gateway.dialect import Audio, AudioEnded, Event, Interrupted, Sentence, TextEnded
from orchestrator.gateway.playback import Playback

MAX_CHUNK_BYTES = 300_000
"""Of samples; with base64 around it and a header a message stays under 512 KiB."""


PACING_MARGIN_S = 0.01
"""By which a chunk is late rather than early: sounds that overlap are worse than a short pause."""


@dataclass(frozen=True, slots=True)
class Sound:
    """How a client wants its audio."""

    encoder: Encoder
    rate_hz: int | None
    """None: as it is synthesised."""
    chunk_s: float
    paced: bool
    client_tells_playback: bool


Tell = Callable[[Event], None]


class Answer(Narration):
    """One answer, or a part of it, sentence by sentence. It falls silent when it is cut off."""

    def __init__(
        self,
        tell: Tell,
        sentence_of: Callable[[int, str], Sentence],
        *,
        whole: bool,
        first_index: int = 0,
        calls_tool: Callable[[], bool] = lambda: False,
    ):
        """`first_index`: how many sentences of the answer there were before. `calls_tool` tells,
        once its text has ended, whether a further part follows."""
        self.first_index = first_index
        self._calls_tool = calls_tool
        self._goes_on = False
        self.playback = Playback()
        self.is_cut = False
        self._tell = tell
        self._sentence_of = sentence_of
        self._whole = whole
        self._last_index: int | None = None
        self._text_is_known = False

    @property
    def whole(self) -> bool:
        return self._whole

    @property
    def goes_on(self) -> bool:
        return self._goes_on

    @property
    def next_index(self) -> int:
        """How many sentences of the answer there are by now."""
        return self.first_index + len(self.playback.sentences)

    def sentence(self, index: int, text: str) -> None:
        self.playback.sentences.append(text)
        if text.strip():
            self._last_index = index
        if not self.is_cut:
            self._tell(self._sentence_of(self.first_index + index, text))

    def is_last(self, sentence_index: int) -> bool:
        """Whether it is known that no further sentence is spoken."""
        return self._text_is_known and sentence_index == self._last_index

    def text_ended(self) -> None:
        self._goes_on = self._calls_tool()
        if self._goes_on:
            return
        self._text_is_known = True
        if not self.is_cut:
            self._tell(TextEnded())


@dataclass(frozen=True, slots=True)
class _Chunk:
    pcm: Pcm
    sentence_index: int
    ends_sentence: bool


@dataclass(slots=True)
class _Segment:
    """What the session plays in one go: one answer's audio."""

    answer: Answer | None = None
    samples: bytearray = field(default_factory=bytearray)
    rate_hz: int = 0
    sentence_index: int = 0
    waiting: deque[_Chunk] = field(default_factory=deque)
    is_captured: bool = False
    is_cut: bool = False
    is_sent: bool = False
    played_s: float = 0.0
    last_s: float = 0.0
    """Length of the chunk that was sent last."""
    resampler: Resampler | None = None

    @property
    def goes_on(self) -> bool:
        """Whether what follows is of the same answer."""
        return self.answer is not None and self.answer.goes_on

    @property
    def first_index(self) -> int:
        return 0 if self.answer is None else self.answer.first_index

    @property
    def playback(self) -> Playback:
        return self.answer.playback if self.answer is not None else Playback()


class ClientVoice(AudioOutput):
    """An `AudioOutput` whose listener is a client behind a socket. `run` it beside the session."""

    def __init__(
        self, sound: Sound, tell: Tell, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(label="client", capabilities=AudioOutputCapabilities(pause=False))
        self._sound = sound
        self._tell = tell
        self._clock = clock
        self._segment: _Segment | None = None
        self._news = asyncio.Event()
        self._cut = asyncio.Event()

    # the session's side

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if self._segment is None:
            self._segment = _Segment()
        segment, mark = self._segment, mark_of(frame)
        if mark is None or not isinstance(mark.narration, Answer) or segment.is_cut:
            return
        segment.answer = mark.narration
        if mark.narration.is_cut:
            segment.is_cut = True
            return
        segment.sentence_index = mark.sentence_index
        self._take(segment, frame, ends_sentence=mark.ends_sentence)

    def flush(self) -> None:
        super().flush()
        segment = self._segment
        if segment is None or segment.is_captured:
            return
        segment.is_captured = True
        self._end_chunk(segment)
        if segment.answer is None:
            self._finish(segment, played_s=0.0, interrupted=False)
        elif segment.is_sent:
            self._sent(segment)
        self._news.set()

    def clear_buffer(self) -> None:
        segment = self._segment
        if segment is None:
            return
        by_itself = not segment.is_cut
        self.cut_off(None)
        self._finish(segment, played_s=segment.played_s, interrupted=True)
        if by_itself:
            self._tell(Interrupted())

    # the client's side

    def cut_off(self, played_s: float | None) -> None:
        """Send nothing more of this answer; `played_s` of it were heard, if that is known."""
        segment = self._segment
        if segment is None or segment.is_cut:
            return
        reckoned_s = segment.playback.position_s(self._clock())
        segment.is_cut = True
        segment.played_s = (
            reckoned_s if played_s is None else min(played_s, segment.playback.sent_s)
        )
        segment.waiting.clear()
        segment.samples.clear()
        if segment.answer is not None:
            segment.answer.is_cut = True
        self._cut.set()

    def played_all(self) -> None:
        """The client has played everything, as it says."""
        segment = self._segment
        if segment is not None and segment.is_sent and not segment.is_cut:
            self._finish(segment, played_s=segment.playback.sent_s, interrupted=False)

    def written(self) -> None:
        """The last chunk has left for the client."""
        if (segment := self._segment) is not None and segment.last_s:
            segment.playback.written(segment.last_s, self._clock())

    async def run(self) -> None:
        """Send what there is, in time, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            while (segment := self._segment) is not None and await self._send_next(segment):
                """There may be more."""

    # chunks

    def _take(self, segment: _Segment, frame: rtc.AudioFrame, *, ends_sentence: bool) -> None:
        samples, rate_hz = bytes(frame.data), frame.sample_rate
        wanted_hz = self._sound.rate_hz
        if wanted_hz is not None and rate_hz != wanted_hz:
            if segment.resampler is None:
                segment.resampler = Resampler(wanted_hz)
            samples = segment.resampler.push_packed(samples, "s16", 1, rate_hz)
            if ends_sentence:
                samples += segment.resampler.flush()
            rate_hz = wanted_hz
        segment.rate_hz = rate_hz
        segment.samples += samples
        longest = min(int(self._sound.chunk_s * rate_hz) * 2, MAX_CHUNK_BYTES)
        while len(segment.samples) > longest:
            self._put_chunk(segment, longest, ends_sentence=False)
        if ends_sentence:
            self._end_chunk(segment)

    def _end_chunk(self, segment: _Segment) -> None:
        if segment.samples:
            self._put_chunk(segment, len(segment.samples), ends_sentence=True)

    def _put_chunk(self, segment: _Segment, size: int, *, ends_sentence: bool) -> None:
        pcm = Pcm(bytes(segment.samples[:size]), segment.rate_hz)
        del segment.samples[:size]
        segment.playback.synthesised(segment.sentence_index, pcm.duration_s)
        segment.waiting.append(_Chunk(pcm, segment.sentence_index, ends_sentence))
        self._news.set()

    # sending

    async def _send_next(self, segment: _Segment) -> bool:
        """Send one thing if there is one; False: there is nothing to do for now."""
        if segment.is_cut or segment.is_sent:
            return False
        if segment.waiting:
            await self._send_chunk(segment, segment.waiting.popleft())
            return True
        if segment.is_captured:
            await self._send_end(segment)
        return False

    async def _send_chunk(self, segment: _Segment, chunk: _Chunk) -> None:
        data = await self._sound.encoder.encode(chunk.pcm)
        if not await self._due(segment):
            return
        is_first = segment.playback.sent_s == 0.0
        segment.is_sent = _is_last(segment, chunk)
        segment.last_s = chunk.pcm.duration_s
        segment.playback.sent(segment.last_s, self._clock())
        if is_first:
            self.on_playback_started(created_at=time.time())
        index = segment.first_index + chunk.sentence_index
        self._tell(Audio(data, chunk.pcm.duration_s, index, is_last=segment.is_sent))
        self._sent(segment)

    async def _send_end(self, segment: _Segment) -> None:
        waits = segment.goes_on or not self._sound.client_tells_playback
        if waits and not await self._due(segment):
            return
        segment.is_sent = True
        if not segment.goes_on:
            self._tell(AudioEnded())
        self._sent(segment)

    def _sent(self, segment: _Segment) -> None:
        """A client that does not tell has heard everything when everything is out."""
        over = segment.is_sent and segment.is_captured and not segment.is_cut
        # a client tells of the end of an answer, and not of a part's
        if over and (segment.goes_on or not self._sound.client_tells_playback):
            self._finish(segment, played_s=segment.playback.sent_s, interrupted=False)

    async def _due(self, segment: _Segment) -> bool:
        """Wait until the next chunk may go out; False: it never may."""
        if self._sound.paced:
            self._cut.clear()
            while not segment.is_cut and (wait_s := self._wait_s(segment)) > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._cut.wait()
        return not segment.is_cut and segment is self._segment

    def _wait_s(self, segment: _Segment) -> float:
        if not segment.last_s:
            return 0.0
        return segment.playback.plays_until + PACING_MARGIN_S - self._clock()

    def _finish(self, segment: _Segment, *, played_s: float, interrupted: bool) -> None:
        if segment is not self._segment:
            return
        self._segment = None
        heard = segment.playback.heard(played_s) if interrupted else None
        self.on_playback_finished(
            playback_position=played_s, interrupted=interrupted, synchronized_transcript=heard
        )


def _is_last(segment: _Segment, chunk: _Chunk) -> bool:
    if segment.waiting or segment.goes_on:
        return False
    if segment.is_captured:
        return True
    answer = segment.answer
    return chunk.ends_sentence and answer is not None and answer.is_last(chunk.sentence_index)
