"""What retrieval adds to a turn when it begins on interim words: `python -m bench.speculation`.

Questions of the evaluation are said at a speaker's pace to an `AgentSession` with the real
assistant: a scripted recogniser shows one word more each time, then all of them as they will stay
(a preflight transcript, on which the preemptive answer begins), then the final transcript. Of some
turns the last word comes with the preflight only. Measured is how long the language model's node
waits for passages, and how long after the end of the turn they are there (`added_latency`).
`answers_a_turn` is 1 where the preemptive answer was kept, and `answers_ahead` counts those that
had begun before the turn was over. `--delay-ms` stands for an embedding service that answers so
late. Prints JSON, with and without looking up interim words.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    AgentSession,
    APIConnectOptions,
    NotGivenOr,
    UserInputTranscribedEvent,
    llm,
    stt,
)
from livekit.agents.language import LanguageCode
from livekit.agents.utils import AudioBuffer
from livekit.agents.voice.io import AudioInput

from agent.assistant import Assistant
from agent.job import Source
from agent.knowledge import KnowledgeBase, Retrieval
from agent.knowledge.index import index_directory
from agent.knowledge.speculation import Lookup
from agent.memory import Memory
from agent.stages.local.answerer import ExtractiveAnswerer
from bench.figures import summary_ms
from bench.rag import asked_in

ROOT = Path(__file__).resolve().parent.parent
QUESTIONS = ("questions_en", "questions_ar", "reported")
WORD_S = 0.25
"""A quick speaker: four words a second."""
PREFLIGHT_S = 0.15
"""From the last word to the transcript that stays."""
FINAL_S = 0.25
"""From there to the end of the turn."""
LATE_SHARE = 0.3
"""Of the turns, those whose last word comes with the preflight only."""
FRAME_S = 0.02
RATE_HZ = 16_000


class Silence(AudioInput):
    """A microphone that keeps the pipeline going."""

    def __init__(self) -> None:
        super().__init__(label="silence")

    async def __anext__(self) -> rtc.AudioFrame:
        await asyncio.sleep(FRAME_S)
        samples = int(RATE_HZ * FRAME_S)
        return rtc.AudioFrame(bytes(2 * samples), RATE_HZ, 1, samples)


class ScriptedSTT(stt.STT[Any]):
    """Hears what it is told to."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.events: asyncio.Queue[stt.SpeechEvent] = asyncio.Queue()

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Hearing(stt=self, conn_options=conn_options)

    def tell(self, kind: stt.SpeechEventType, text: str = "") -> None:
        """One event of the recogniser."""
        heard = [stt.SpeechData(language=LanguageCode("en"), text=text, confidence=1.0)]
        self.events.put_nowait(stt.SpeechEvent(type=kind, alternatives=heard if text else []))


class _Hearing(stt.RecognizeStream):
    async def _run(self) -> None:
        assert isinstance(self._stt, ScriptedSTT)
        while True:
            self._event_ch.send_nowait(await self._stt.events.get())


@dataclass
class Late:
    """A knowledge base behind a service that answers late."""

    base: KnowledgeBase
    delay_s: float
    calls: int = 0

    async def retrieve(self, query: str, context: str = "") -> Retrieval:
        """The same, later."""
        self.calls += 1
        await asyncio.sleep(self.delay_s)
        return await self.base.retrieve(query, context)

    async def aclose(self) -> None:
        """The base is closed by whoever opened it."""


@dataclass
class Counting(ExtractiveAnswerer):
    """The local answerer, counting how often it is asked."""

    asked: int = field(default=0)

    def __init__(self) -> None:
        super().__init__(language="en-US")
        self.asked = 0

    def chat(self, **given: Any) -> llm.LLMStream:
        """Count and answer."""
        self.asked += 1
        return super().chat(**given)


async def no_citation(_: str, __: tuple[Source, ...]) -> None:
    """Nobody looks at the sources here."""


@dataclass(frozen=True, slots=True)
class Talk:
    """What came of one conversation."""

    lookups: tuple[Lookup, ...]
    after_end_s: tuple[float, ...]
    retrievals: int
    answers: int
    ahead: int
    """Turns whose answer had begun before they were over."""


async def talk(questions: Sequence[str], base: KnowledgeBase, delay_s: float, ahead: bool) -> Talk:
    """Ask all questions in one session; `ahead`: interim words are looked up."""
    rng = random.Random(1)  # noqa: S311 - no secret
    late, model, ears = Late(base, delay_s), Counting(), ScriptedSTT()
    assistant = Assistant(
        instructions="",
        chat_ctx=llm.ChatContext.empty(),
        retriever=late,
        cite=no_citation,
        memory=Memory(None, turns=2 * len(questions)),
        unanswered=lambda: None,
    )
    session: AgentSession[None] = AgentSession(
        stt=ears,
        llm=model,
        turn_handling={
            "turn_detection": "stt",
            "endpointing": {"min_delay": 0.3, "max_delay": 0.3},
            "preemptive_generation": {"enabled": True},
        },
    )
    if ahead:
        session.on("user_input_transcribed", lambda event: _hear(assistant, event))
    answered = asyncio.Event()
    session.on("conversation_item_added", lambda event: _note(event.item, answered))
    session.input.audio = Silence()
    await session.start(assistant, record=False)
    lookups: list[Lookup] = []
    after_end_s: list[float] = []
    ahead_of_time = 0
    for question in questions:
        answered.clear()
        asked, over_at = model.asked, 0.0
        async for kind, text in said(question, late=rng.random() < LATE_SHARE):
            if kind is stt.SpeechEventType.FINAL_TRANSCRIPT:
                ahead_of_time += model.asked > asked
            over_at = time.monotonic()
            ears.tell(kind, text)
        async with asyncio.timeout(20):
            await answered.wait()
        # the longest, where a preemptive answer was dropped and the node ran again
        of_this_turn = list(assistant.speculation.lookups)
        lookups.append(max(of_this_turn, key=lambda lookup: lookup.took_s))
        after_end_s.append(max(0.0, of_this_turn[-1].done_at - over_at))
        assistant.speculation.lookups.clear()
    await session.aclose()
    return Talk(tuple(lookups), tuple(after_end_s), late.calls, model.asked, ahead_of_time)


async def said(question: str, *, late: bool) -> AsyncIterator[tuple[stt.SpeechEventType, str]]:
    """A recogniser's events for one question, at the speaker's pace."""
    yield stt.SpeechEventType.START_OF_SPEECH, ""
    spoken = question.rstrip("?؟.").lower().split()
    for count in range(1, len(spoken) + 1):
        await asyncio.sleep(WORD_S)
        if not (late and count == len(spoken)):
            yield stt.SpeechEventType.INTERIM_TRANSCRIPT, " ".join(spoken[:count])
    await asyncio.sleep(PREFLIGHT_S)
    yield stt.SpeechEventType.PREFLIGHT_TRANSCRIPT, question
    await asyncio.sleep(FINAL_S)
    yield stt.SpeechEventType.FINAL_TRANSCRIPT, question
    yield stt.SpeechEventType.END_OF_SPEECH, ""


def _hear(assistant: Assistant, event: UserInputTranscribedEvent) -> None:
    assistant.hearing(event.transcript)


def _note(item: object, answered: asyncio.Event) -> None:
    if isinstance(item, llm.ChatMessage) and item.role == "assistant":
        answered.set()


def report(found: Talk) -> dict[str, object]:
    """What to print of a conversation."""
    origins = Counter(lookup.origin for lookup in found.lookups)
    return {
        "added_latency": summary_ms(found.after_end_s),
        "node_waits": summary_ms([lookup.took_s for lookup in found.lookups]),
        "origins": {origin.value: count for origin, count in sorted(origins.items())},
        "lookups_a_turn": round(found.retrievals / len(found.lookups), 1),
        "answers_ahead": found.ahead,
        "answers_a_turn": round(found.answers / len(found.lookups), 2),
    }


def main() -> None:
    """Index the samples, talk, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay-ms", type=float, nargs="*", default=[0.0, 120.0])
    parser.add_argument("--questions", type=int, default=40)
    given = parser.parse_args()
    every = [asked.query for name in QUESTIONS for asked in asked_in(name)]
    questions = random.Random(1).sample(every, min(given.questions, len(every)))  # noqa: S311
    result: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        list(index_directory(ROOT / "documents", Path(folder)))
        base = KnowledgeBase.open(Path(folder), "default")
        for delay_ms in given.delay_ms:
            row: dict[str, object] = {"delay_ms": delay_ms, "turns": len(questions)}
            for ahead in (False, True):
                found = asyncio.run(talk(questions, base, delay_ms / 1000, ahead))
                row["on interim words" if ahead else "at the end"] = report(found)
            result.append(row)
        base.close()
    json.dump(result, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
