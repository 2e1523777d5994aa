"""An answer spoken sentence by sentence, to somebody who is told of each before it is heard.

A room plays one stream of audio and needs nothing of this. A protocol that sends text and audio
sentence by sentence needs to know which audio is whose: each frame of it carries a `Mark`.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

from livekit import rtc
from livekit.agents import APIConnectOptions, tts

from agent.stages.local.sentences import SentenceSplitter

_MARK = "majlis.mark"
_AHEAD = 256
"""Sentences that may wait for their synthesis."""


class Narration(Protocol):
    """Who is told of one answer."""

    @property
    def whole(self) -> bool:
        """Whether all of the text is wanted before any of the audio."""

    def sentence(self, index: int, text: str) -> None:
        """A sentence is known, with the space that follows it. Counted from 0."""

    def text_ended(self) -> None:
        """There are no more."""

    @property
    def goes_on(self) -> bool:
        """Whether this was but the beginning: a tool was called, and another narration follows."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Which sentence a frame of audio is of."""

    narration: Narration
    sentence_index: int
    ends_sentence: bool


def mark_of(frame: rtc.AudioFrame) -> Mark | None:
    """The mark that `narrate` put on a frame."""
    return cast("Mark | None", frame.userdata.get(_MARK))


async def narrate(
    text: AsyncIterable[str],
    synthesizer: "tts.TTS[Any] | None",
    narration: Narration,
    *,
    conn_options: APIConnectOptions,
) -> AsyncIterator[rtc.AudioFrame]:
    """The audio of `text`, each frame marked; `narration` hears of text as it is written.

    With `narration.whole` nothing is synthesised before the text has ended; without `synthesizer`
    nothing ever is.

    Raises `livekit.agents.APIError` when a sentence cannot be synthesised.
    """
    known: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue(_AHEAD)
    reader = asyncio.create_task(_read(text, narration, known), name="narration.read")
    try:
        while (sentence := await known.get()) is not None:
            index, words = sentence
            if synthesizer is not None and words.strip():
                async for frame in _speak(words.strip(), synthesizer, conn_options):
                    frame.frame.userdata[_MARK] = Mark(narration, index, frame.is_final)
                    yield frame.frame
        await reader
    finally:
        reader.cancel()
        await asyncio.wait({reader})


async def _read(
    text: AsyncIterable[str],
    narration: Narration,
    known: "asyncio.Queue[tuple[int, str] | None]",
) -> None:
    count = 0
    held: list[tuple[int, str]] = []
    try:
        async for sentence in _sentences(text):
            narration.sentence(count, sentence)
            if narration.whole:
                held.append((count, sentence))
            else:
                await known.put((count, sentence))
            count += 1
        narration.text_ended()
        # where all of the text comes first, what was said before a tool was called is read only
        for one in () if narration.goes_on else held:
            await known.put(one)
    finally:
        # also when the text could not be read to its end; whoever waits is to be woken
        if known.full():
            known.get_nowait()
        known.put_nowait(None)


async def _sentences(text: AsyncIterable[str]) -> AsyncIterator[str]:
    splitter = SentenceSplitter()
    async for piece in text:
        for sentence in splitter.push(piece):
            yield sentence
    for sentence in splitter.flush():
        yield sentence


async def _speak(
    words: str, synthesizer: "tts.TTS[Any]", conn_options: APIConnectOptions
) -> AsyncIterator[tts.SynthesizedAudio]:
    """The audio of one sentence, its last frame marked as the last."""
    held: tts.SynthesizedAudio | None = None
    async with synthesizer.synthesize(words, conn_options=conn_options) as stream:
        async for audio in stream:
            if held is not None:
                held.is_final = False
                yield held
            held = audio
    if held is not None:
        held.is_final = True
        yield held
