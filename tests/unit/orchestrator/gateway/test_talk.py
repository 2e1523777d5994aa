"""A conversation behind a door, with stages that do what a test says: from effects to events."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    APIConnectionError,
    APIConnectOptions,
    NotGivenOr,
    stt,
    tts,
    utils,
)
from livekit.agents.types import NOT_GIVEN
from livekit.agents.voice.agent_session import SessionConnectOptions

from agent.job import Job, Role, Turn
from agent.knowledge.context import retrieval_in
from agent.stages.build import Stages
from orchestrator.gateway.audio import OutputFormat
from orchestrator.gateway.dialect import (
    AnswerBegan,
    AnswerEnded,
    Audio,
    CutOff,
    EndTurn,
    ErrorCode,
    Event,
    Failed,
    Hear,
    Sentence,
    TextEnded,
    Transcribed,
    TypeText,
)
from orchestrator.gateway.dialects.conversation import DOOR
from orchestrator.gateway.inline import InlineExecutor
from orchestrator.gateway.talk import AudioWishes, Talk, ToTalk
from orchestrator.settings import Settings
from tests.unit.agent.scripted import NO_RETRIES, ScriptedLLM, ScriptedRetriever
from tests.unit.orchestrator.gateway.watched import WITHIN_S, Watched

RATE_HZ = 16_000
SECONDS_A_WORD = 0.1
AUDIO = AudioWishes(OutputFormat.PCM, None, paced=False, input_rate_hz=RATE_HZ, input_channels=1)
PACED = AudioWishes(OutputFormat.PCM, None, paced=True, input_rate_hz=RATE_HZ, input_channels=1)


class ToneTTS(tts.TTS[Any]):
    """Says each word in a tenth of a second; a sentence with `unspeakable` in it fails."""

    def __init__(self) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE_HZ, num_channels=1
        )

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _Tone(tts=self, input_text=text, conn_options=conn_options)


class _Tone(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        if "unspeakable" in self._input_text:
            raise APIConnectionError("scripted")
        output_emitter.initialize(
            request_id="tone", sample_rate=RATE_HZ, num_channels=1, mime_type="audio/pcm"
        )
        length = int(len(self._input_text.split()) * SECONDS_A_WORD * RATE_HZ)
        output_emitter.push(b"\x01\x00" * length)
        output_emitter.flush()


class CountingSTT(stt.STT[Any]):
    """Hears `<n> samples` when it is flushed; nothing in silence, and not before it is let."""

    def __init__(self) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=True, interim_results=True, manual_flush=True
            )
        )
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def _recognize_impl(
        self,
        buffer: utils.AudioBuffer,
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
        return _Counting(stt=self, conn_options=conn_options, sample_rate=RATE_HZ)


class _Counting(stt.RecognizeStream):
    async def _run(self) -> None:
        count = 0
        recognizer = self._stt
        assert isinstance(recognizer, CountingSTT)
        async for data in self._input_ch:
            if isinstance(data, rtc.AudioFrame):
                count += len(bytes(data.data).replace(b"\x00", b""))
                continue
            recognizer.asked.set()
            await recognizer.may_answer.wait()
            text, count = f"{count} samples" if count else "", 0
            said = stt.SpeechData(language="en", text=text, confidence=0.5)  # type: ignore[arg-type] # a plain str does
            self._event_ch.send_nowait(
                stt.SpeechEvent(stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[said])
            )


@dataclass
class Told(Watched):
    """What the dialect was told, and what went into the history."""

    events: list[Event] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.changed.set()

    def turn_ended(self, turn: Turn) -> None:
        self.turns.append(turn)
        self.changed.set()

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    async def answers(self, count: int) -> None:
        await self.until(lambda: len(self.of(AnswerEnded)) >= count)

    async def failures(self, count: int) -> None:
        await self.until(lambda: len(self.codes) >= count)

    @property
    def codes(self) -> list[ErrorCode]:
        return [event.code for event in self.of(Failed)]

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.of(Transcribed) if event.is_final]


@dataclass
class Held:
    talk: Talk
    told: Told
    model: ScriptedLLM
    ear: CountingSTT

    def speak(self, count: int = 1600) -> None:
        """A turn of so many samples that are not silent."""
        self.talk.do(Hear(b"\x01\x00" * count, begins=True))
        self.talk.do(EndTurn())


@asynccontextmanager
async def held(
    *answers: str | None,
    audio: AudioWishes = AUDIO,
    hears: bool = True,
    history: tuple[Turn, ...] = (),
    opening_line: str = "",
    early: Sequence[ToTalk] = (),
    **settings: object,
) -> AsyncIterator[Held]:
    told, model, ear = Told(), ScriptedLLM(answers), CountingSTT()
    options = SessionConnectOptions(
        stt_conn_options=NO_RETRIES, llm_conn_options=NO_RETRIES, tts_conn_options=NO_RETRIES
    )
    stages = Stages(stt=ear if hears else None, llm=model, tts=ToneTTS(), conn_options=options)
    job = Job(
        session_id="conversation_a",
        fence=1,
        user_identity="user",
        user_name="User",
        language="en-US",
        voice="Ashley",
        opening_line=opening_line,
        knowledge_base="default",
        metadata={},
        history=history,
    )
    talk = Talk(
        job,
        Settings(_env_file=None, **settings),  # type: ignore[call-arg,arg-type] # pydantic's
        DOOR,
        audio,
        told.tell,
        told.turn_ended,
        detector_executor=InlineExecutor(),
        prepare=lambda *_: (stages, ScriptedRetriever()),
    )
    for effect in early:
        talk.do(effect)
    async with talk.held():
        yield Held(talk, told, model, ear)


async def test_a_spoken_turn() -> None:
    """Catches events in an order from which no dialect could tell what happens."""
    async with held("Thirty days. Keep the receipt.") as made:
        made.speak()
        await made.told.answers(1)
    told = made.told
    first = told.events.index(told.of(Transcribed)[0])
    assert told.events[first] == Transcribed("1600 samples", is_final=True, confidence=0.5)
    assert told.events[first + 1] == AnswerBegan()
    assert [event.text.strip() for event in told.of(Sentence)] == [
        "Thirty days.",
        "Keep the receipt.",
    ]
    assert [source.filename for source in told.of(Sentence)[0].sources] == ["returns.md"]
    chunks = told.of(Audio)
    assert [(chunk.sentence_index, chunk.is_last) for chunk in chunks] == [(0, False), (1, True)]
    assert told.events.index(told.of(Sentence)[1]) < told.events.index(chunks[1])
    assert told.events[-1] == AnswerEnded()
    assert [turn.text for turn in told.turns] == ["1600 samples", "Thirty days. Keep the receipt."]


async def test_silence_is_no_turn() -> None:
    """Catches an answer to nothing; the next turn works."""
    async with held("Yes.") as made:
        made.talk.do(Hear(bytes(3200), begins=True))
        made.talk.do(EndTurn())
        await made.told.until(lambda: made.told.codes)
        made.speak()
        await made.told.answers(1)
    assert made.told.codes == [ErrorCode.NO_SPEECH]
    assert made.told.said == ["1600 samples"]
    assert len(made.model.asked) == 1


async def test_a_turn_that_is_taken_back_while_it_is_recognised() -> None:
    """Catches an answer to a turn that the client has replaced, and words of it in the next."""
    async with held("Yes.") as made:
        made.ear.may_answer.clear()
        made.speak(100)
        async with asyncio.timeout(WITHIN_S):
            await made.ear.asked.wait()
        made.talk.do(CutOff())
        made.ear.may_answer.set()
        made.speak(200)
        await made.told.answers(1)
    assert made.told.said == ["200 samples"]
    assert len(made.model.asked) == 1


async def test_what_comes_before_everything_is_ready() -> None:
    """Catches a message that is lost because it came at once, or that is taken up out of order."""
    typed = (TypeText("lost"), CutOff(), TypeText("Hello?"))
    async with held("Yes.", early=typed) as made:
        await made.told.answers(1)
    assert made.told.said == ["Hello?"]
    spoken = (TypeText("lost"), CutOff(), Hear(b"\x01\x00" * 500, begins=True), EndTurn())
    async with held("Yes.", early=spoken) as made:
        await made.told.answers(1)
    assert made.told.said == ["500 samples"]


async def test_the_history_holds_what_was_heard() -> None:
    """Catches a history of what was generated; the model is asked with what was heard."""
    past = (Turn(Role.USER, "Hi", at=1.0), Turn(Role.ASSISTANT, "Yes?", at=2.0))
    long = "One two three four five six seven eight. Nine ten."
    async with held(long, "Sorry.", audio=PACED, history=past) as made:
        made.talk.do(TypeText("count"))
        await made.told.until(lambda: made.told.of(Audio))
        made.talk.do(CutOff(played_s=0.31))
        await made.told.until(lambda: len(made.told.turns) == 2)
        assert made.told.turns[1].text == "One two three"
        assert made.told.turns[1].interrupted
        made.talk.do(TypeText("stop"))
        await made.told.answers(1)
        asked = [(m.role, m.text_content) for m in made.model.asked[1].messages()]
    conversation = [(role, text) for role, text in asked if role != "system"]
    assert conversation == [
        ("user", "Hi"),
        ("assistant", "Yes?"),
        ("user", "count"),
        ("assistant", "One two three"),
        ("user", "stop"),
    ]


async def test_nothing_comes_of_an_answer_that_was_cut_off() -> None:
    """Catches audio, text or an end of an answer that the client has cut off."""
    longer = "One two three four five. Six."
    async with held("One two three. Four five.", longer, audio=PACED) as made:
        made.talk.do(TypeText("count"))
        await made.told.until(lambda: made.told.of(Audio))
        made.talk.do(CutOff())
        count = len(made.told.events)
        made.talk.do(TypeText("further"))
        await made.told.answers(1)
    # by when what was left of the first answer would have come
    assert [type(event) for event in made.told.events[count:]] == [
        Transcribed,
        AnswerBegan,
        Sentence,
        Sentence,
        TextEnded,
        Audio,
        Audio,
        AnswerEnded,
    ]
    assert made.told.of(Sentence)[-2].text.strip() == "One two three four five."


@pytest.mark.parametrize(
    ("answer", "code"),
    [(None, ErrorCode.RAG_FAILED), ("This is unspeakable.", ErrorCode.TTS_FAILED)],
)
async def test_stages_that_fail_again_and_again(answer: str | None, code: ErrorCode) -> None:
    """Catches a spoken apology that no protocol knows, and a connection lost to one bad model."""
    async with held(*[answer] * 4, "Better.") as made:
        for number in range(1, 5):
            made.talk.do(TypeText(f"Question {number}"))
            await made.told.failures(number)
            made.talk.do(CutOff())
        made.talk.do(TypeText("And now?"))
        await made.told.until(lambda: made.told.of(Audio))
    assert made.told.codes == [code] * 4
    assert not any(event.fatal for event in made.told.of(Failed))


@pytest.mark.parametrize("streams", [True, False])
async def test_an_answer_that_takes_long(streams: bool) -> None:
    """Catches silence; and a word ahead of a text that is wanted whole before anything is heard."""
    async with held("Thirty days.", filler_seconds=0.01, enable_sentence_streaming=streams) as made:
        made.model.may_answer.clear()
        made.talk.do(TypeText("How long?"))
        await made.told.until(lambda: made.told.of(Audio if streams else AnswerBegan))
        made.model.may_answer.set()
        await made.told.answers(1)
    said = [event.text.strip() for event in made.told.of(Sentence)]
    assert said == (["One moment, please."] if streams else []) + ["Thirty days."]


async def test_a_language_that_nobody_recognises() -> None:
    """Catches a spoken turn that is never answered; typing works."""
    async with held("Yes.", hears=False) as made:
        made.speak()
        assert made.told.codes == [ErrorCode.ASR_FAILED]
        made.talk.do(TypeText("Hello?"))
        await made.told.answers(1)
    assert made.told.of(Audio)


async def test_the_whole_text_first_where_that_is_set() -> None:
    """Catches audio before the text is whole, with `ENABLE_SENTENCE_STREAMING=false`."""
    async with held("One. Two. Three.", enable_sentence_streaming=False) as made:
        made.talk.do(TypeText("count"))
        await made.told.answers(1)
    events = made.told.events
    assert events.index(TextEnded()) < events.index(made.told.of(Audio)[0])
    assert len(made.told.of(Audio)) == 3


@pytest.mark.parametrize(
    ("remembers", "said", "context"), [(True, 3, "Do you sell lamps?"), (False, 1, "")]
)
async def test_what_is_known_of_before(remembers: bool, said: int, context: str) -> None:
    """Catches `ENABLE_CONVERSATION_HISTORY=false` that has no effect, or true that has none."""
    async with held("One.", "Two.", enable_conversation_history=remembers) as made:
        for count, question in enumerate(("Do you sell lamps?", "And how much are they?"), 1):
            made.talk.do(TypeText(question))
            await made.told.answers(count)
        asked = made.model.asked[1]
    assert len([message for message in asked.messages() if message.role != "system"]) == said
    retrieval = retrieval_in(asked)
    assert retrieval is not None
    assert retrieval.context == context


@pytest.mark.parametrize("ticks", [0, 1, 3, 10, 30])
async def test_a_client_that_is_gone_before_everything_is_ready(ticks: int) -> None:
    """Catches a session that was left half started, with tasks that nobody ends."""

    async def hold() -> None:
        async with held("Yes."):
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    holding = asyncio.create_task(hold())
    for _ in range(ticks):
        await asyncio.sleep(0)
    holding.cancel()
    await asyncio.wait({holding})
    left = asyncio.all_tasks() - before
    if left:
        _, left = await asyncio.wait(left, timeout=5)
    assert not left


async def test_a_greeting() -> None:
    """Catches a greeting that is not told of as an answer."""
    async with held(opening_line="Hello there!") as made:
        await made.told.answers(1)
    assert made.told.events[0] == AnswerBegan()
    assert [event.text for event in made.told.of(Sentence)] == ["Hello there!"]
    assert made.told.of(Audio)[0].is_last
