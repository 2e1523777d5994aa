"""An answer's way to the client: chunks, their times, and what a cut makes of them."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from livekit import rtc
from livekit.agents.voice.io import PlaybackFinishedEvent

from agent.narration import _MARK, Mark
from orchestrator.gateway.audio import OutputFormat, make_encoder
from orchestrator.gateway.dialect import Audio, AudioEnded, Event, Interrupted, Sentence, TextEnded
from orchestrator.gateway.voice import PACING_MARGIN_S, Answer, ClientVoice, Sound
from tests.unit.orchestrator.gateway.watched import Watched, settled

RATE_HZ = 16_000


@dataclass
class Heard(Watched):
    """What the dialect was told, and when."""

    events: list[Event] = field(default_factory=list)
    at_s: list[float] = field(default_factory=list)
    finished: list[PlaybackFinishedEvent] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.at_s.append(time.monotonic())
        self.changed.set()

    def on_finished(self, event: PlaybackFinishedEvent) -> None:
        self.finished.append(event)
        self.changed.set()

    @property
    def audio(self) -> list[Audio]:
        return [event for event in self.events if isinstance(event, Audio)]


@dataclass
class Clock(Watched):
    """Stands still until it is set; `looks` counts who reads it."""

    now: float = 0.0
    looks: int = 0

    def __call__(self) -> float:
        self.looks += 1
        self.changed.set()
        return self.now

    async def looked_at(self) -> None:
        """Returns when whoever waits for a time has seen that it has not come."""
        looks = self.looks
        await self.until(lambda: self.looks > looks + 1)


@asynccontextmanager
async def voice(
    *,
    paced: bool = False,
    tells: bool = False,
    rate_hz: int | None = None,
    chunk_s: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[tuple[ClientVoice, Heard]]:
    heard = Heard()
    sound = Sound(
        make_encoder(OutputFormat.PCM),
        rate_hz,
        chunk_s,
        paced=paced,
        client_tells_playback=tells,
    )
    out = ClientVoice(sound, heard.tell, clock=clock)
    out.on("playback_finished", heard.on_finished)
    running = asyncio.create_task(out.run())
    try:
        yield out, heard
    finally:
        running.cancel()


def answer(heard: Heard, *sentences: str) -> Answer:
    """An answer whose text is whole."""
    made = Answer(heard.tell, Sentence, whole=False)
    for index, text in enumerate(sentences):
        made.sentence(index, text)
    return made


def frame(
    said: Answer | None, index: int, *, ends: bool, length_s: float = 0.1, rate_hz: int = RATE_HZ
) -> rtc.AudioFrame:
    count = int(length_s * rate_hz)
    made = rtc.AudioFrame(b"\x01\x00" * count, rate_hz, 1, count)
    if said is not None:
        made.userdata[_MARK] = Mark(said, index, ends)
    return made


async def test_a_chunk_a_sentence_and_the_last_is_known() -> None:
    """Catches sentences that share a chunk, and a last chunk that does not say so."""
    async with voice() as (out, heard):
        said = answer(heard, "One. ", "Two.")
        await out.capture_frame(frame(said, 0, ends=False))
        await out.capture_frame(frame(said, 0, ends=True))
        await heard.until(lambda: heard.audio)
        said.text_ended()
        await out.capture_frame(frame(said, 1, ends=True))
        await heard.until(lambda: len(heard.audio) == 2)
        out.flush()
        await heard.until(lambda: heard.finished)
    first, second = heard.audio
    assert (first.sentence_index, first.is_last, first.duration_s) == (0, False, 0.2)
    assert (second.sentence_index, second.is_last, second.duration_s) == (1, True, 0.1)
    assert not any(isinstance(event, AudioEnded) for event in heard.events)
    assert not heard.finished[0].interrupted
    assert heard.finished[0].playback_position == pytest.approx(0.3)


async def test_an_end_that_is_known_late() -> None:
    """Catches an answer that never ends because its last chunk went out before that was known."""
    async with voice() as (out, heard):
        said = answer(heard, "One.")
        await out.capture_frame(frame(said, 0, ends=True))
        await heard.until(lambda: heard.audio)
        out.flush()
        await heard.until(lambda: heard.finished)
    assert not heard.audio[0].is_last
    assert isinstance(heard.events[-1], AudioEnded)


async def test_long_sentences_are_cut() -> None:
    """Catches a message that is larger than clients take, and samples lost at a cut."""
    async with voice(chunk_s=1.0) as (out, heard):
        said = answer(heard, "One.")
        await out.capture_frame(frame(said, 0, ends=True, length_s=2.5))
        out.flush()
        await heard.until(lambda: heard.finished)
    assert [chunk.duration_s for chunk in heard.audio] == [1.0, 1.0, 0.5]
    assert len(b"".join(chunk.data for chunk in heard.audio)) == 2.5 * RATE_HZ * 2


async def test_at_the_rate_that_was_asked_for() -> None:
    """Catches audio that plays too fast or too slowly, and an end that is lost in the filter."""
    async with voice(rate_hz=8_000) as (out, heard):
        said = answer(heard, "One. ", "Two.")
        for index in (0, 1):
            await out.capture_frame(frame(said, index, ends=True, length_s=0.5, rate_hz=22_050))
        out.flush()
        await heard.until(lambda: heard.finished)
    assert [chunk.duration_s for chunk in heard.audio] == pytest.approx([0.5, 0.5], abs=0.01)


async def test_no_chunk_before_the_one_before_has_played() -> None:
    """Catches a burst, which a client that plays what comes hears all at once."""
    async with voice(paced=True) as (out, heard):
        said = answer(heard, "One. ", "Two. ", "Three.")
        for index in (0, 1, 2):
            await out.capture_frame(frame(said, index, ends=True, length_s=0.2))
        out.flush()
        await heard.until(lambda: heard.finished)
    sent_at = [
        at for event, at in zip(heard.events, heard.at_s, strict=True) if event in heard.audio
    ]
    assert all(later - sooner >= 0.2 for sooner, later in itertools.pairwise(sent_at))


async def test_a_chunk_that_left_late_delays_the_next() -> None:
    """Catches sounds that overlap because a chunk was held up on its way out."""
    clock = Clock()
    async with voice(paced=True, clock=clock) as (out, heard):
        said = answer(heard, "One. ", "Two.")
        for index in (0, 1):
            await out.capture_frame(frame(said, index, ends=True, length_s=0.1))
        await heard.until(lambda: heard.audio)
        clock.now = 5.0
        out.written()
        await clock.looked_at()
        clock.now = 5.1
        await clock.looked_at()
        assert len(heard.audio) == 1
        clock.now = 5.1 + PACING_MARGIN_S + 1e-6
        await heard.until(lambda: len(heard.audio) == 2)


async def test_cut_off_by_the_client() -> None:
    """Catches audio after the cut, and a history that holds what nobody heard."""
    async with voice(paced=True, tells=True) as (out, heard):
        said = answer(heard, "One two three four. ", "Five.")
        for index in (0, 1):
            await out.capture_frame(frame(said, index, ends=True, length_s=2.0))
        await heard.until(lambda: heard.audio)
        out.cut_off(1.0)
        said.sentence(2, "Six.")
        said.text_ended()
        await out.capture_frame(frame(said, 1, ends=False))
        out.flush()
        out.clear_buffer()
        await heard.until(lambda: heard.finished)
    assert len(heard.audio) == 1
    assert not any(isinstance(event, Interrupted | TextEnded) for event in heard.events)
    assert heard.finished[0].interrupted
    assert heard.finished[0].playback_position == 1.0
    assert heard.finished[0].synchronized_transcript == "One two"


async def test_cut_off_by_the_session() -> None:
    """Catches a barge-in that the client is not told of, and a position beyond what was sent."""
    async with voice(paced=True, tells=True) as (out, heard):
        said = answer(heard, "One two three four. ", "Five.")
        for index in (0, 1):
            await out.capture_frame(frame(said, index, ends=True, length_s=2.0))
        await heard.until(lambda: heard.audio)
        out.clear_buffer()
        out.clear_buffer()
    assert [event for event in heard.events if isinstance(event, Interrupted)] == [Interrupted()]
    assert len(heard.finished) == 1
    assert heard.finished[0].playback_position < 2.0


async def test_only_the_client_ends_its_playback() -> None:
    """Catches a server that guesses, and one that takes progress for the end."""
    clock = Clock()
    async with voice(tells=True, clock=clock) as (out, heard):
        said = answer(heard, "One. ", "Two.")
        await out.capture_frame(frame(said, 0, ends=True))
        await heard.until(lambda: heard.audio)
        out.played_all()
        await out.capture_frame(frame(said, 1, ends=True))
        out.flush()
        await heard.until(lambda: heard.audio[-1].is_last)
        clock.now = 3600.0
        await settled()
        assert heard.finished == []
        out.played_all()
        out.played_all()
    assert [event.playback_position for event in heard.finished] == [pytest.approx(0.2)]


async def test_the_next_answer_after_one_that_was_cut_off() -> None:
    """Catches an answer that stays silent because the one before was interrupted."""
    async with voice(tells=True) as (out, heard):
        first = answer(heard, "One.")
        await out.capture_frame(frame(first, 0, ends=True))
        await heard.until(lambda: heard.audio)
        out.cut_off(None)
        out.clear_buffer()
        out.flush()
        second = answer(heard, "Two.")
        second.text_ended()
        await out.capture_frame(frame(second, 0, ends=True))
        out.flush()
        await heard.until(lambda: len(heard.audio) == 2)
    assert heard.audio[1].is_last


async def test_audio_that_is_nobodys_is_not_sent() -> None:
    """Catches audio without a sentence, which no protocol could place; it ends at once."""
    async with voice() as (out, heard):
        await out.capture_frame(frame(None, 0, ends=True))
        out.flush()
        await heard.until(lambda: heard.finished)
    assert heard.audio == []
