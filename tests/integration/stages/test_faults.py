"""Every way in which a vendor fails, in every stage: what the user hears of it, and when.

A conversation of the real session, with the machine's own stages after the vendor's. Each cell is
bounded by what is promised, two seconds, and by what the machine kept this process from running.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from livekit import rtc
from livekit.agents.voice.io import AudioInput, AudioOutput, AudioOutputCapabilities

from agent.conversation import Conversation, stages_for
from agent.job import Job, Role
from agent.phrases import phrases
from agent.settings import AgentSettings
from agent.stages.breaker import BreakerOptions, Breakers, State
from tests.integration.stages.conftest import Serve, frames, speech
from tests.integration.stages.faulty import (
    FAULTS,
    LOUD,
    TONE,
    AssemblyAI,
    Fault,
    Groq,
    Inworld,
    Vendor,
)
from tests.unit.agent.scripted import Remembering, ScriptedRetriever

PROMISED_S = 2.0
LOCAL_ANSWER = "thirty days"
KEY = "the-key-of-a-test"
PATIENCE = {
    "asr_stall_seconds": 0.6,
    "rag_first_token_seconds": 0.9,
    "rag_stall_seconds": 0.5,
    "tts_stall_seconds": 0.6,
    "filler_seconds": 0.4,
    "retry_delay_seconds": 0.05,
    "turn_detection": "vad",
}


class Ears(AudioOutput):
    """Plays everything at once, and remembers when it came."""

    def __init__(self) -> None:
        super().__init__(label="ears", capabilities=AudioOutputCapabilities(pause=False))
        self.heard: list[tuple[float, rtc.AudioFrame]] = []
        self._segment_s = 0.0
        self.changed = asyncio.Event()

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._segment_s:
            self.on_playback_started(created_at=time.time())
        self._segment_s += frame.duration
        self.heard.append((time.monotonic(), frame))
        self.changed.set()

    def flush(self) -> None:
        super().flush()
        self._finish(interrupted=False)

    def clear_buffer(self) -> None:
        self._finish(interrupted=True)

    def _finish(self, *, interrupted: bool) -> None:
        if self._segment_s:
            played_s, self._segment_s = self._segment_s, 0.0
            self.on_playback_finished(playback_position=played_s, interrupted=interrupted)

    def seconds(self, *, of_the_vendor: bool) -> float:
        """How much was heard of one voice: the vendor's is a level tone."""
        frames = [frame for _, frame in self.heard if is_tone(frame) is of_the_vendor]
        return sum(frame.duration for frame in frames)


def is_tone(frame: rtc.AudioFrame) -> bool:
    return min(frame.data) == max(frame.data) == TONE


class Mouth(AudioInput):
    """What the user says, frame by frame in real time, and silence around it."""

    def __init__(self) -> None:
        super().__init__(label="mouth")
        self._waiting: list[rtc.AudioFrame] = []
        self._silence = next(frames(bytes(640)))
        self._due = time.monotonic()
        self.ceased_at = 0.0

    def say(self, pcm: bytes) -> None:
        self._waiting += frames(pcm)

    async def __anext__(self) -> rtc.AudioFrame:
        self._due += self._silence.duration
        await asyncio.sleep(max(0.0, self._due - time.monotonic()))
        if not self._waiting:
            return self._silence
        frame = self._waiting.pop(0)
        if max(frame.data) > LOUD:
            self.ceased_at = time.monotonic()
        return frame


@dataclass
class Lag:
    """How long this process was kept from running."""

    seconds: float = 0.0
    task: "asyncio.Task[None] | None" = None

    async def measure(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.02)
            self.seconds += max(0.0, time.monotonic() - began - 0.03)


@dataclass
class Held:
    """A conversation, its user, and what both of them did."""

    conversation: Conversation
    listener: Remembering
    ears: Ears
    mouth: Mouth
    breakers: Breakers
    lag: Lag = field(default_factory=Lag)

    async def until_answered(self, count: int = 1) -> list[str]:
        """What the assistant has said, once these turns of it are over."""

        def said() -> list[str]:
            return [turn.text for turn in self.listener.turns if turn.role is Role.ASSISTANT]

        async with asyncio.timeout(60):
            while len(said()) < count:
                self.listener.changed.clear()
                await self.listener.changed.wait()
        return said()

    async def until_heard(self, seconds: float = 0.1) -> None:
        async with asyncio.timeout(60):
            while sum(frame.duration for _, frame in self.ears.heard) < seconds:
                self.ears.changed.clear()
                await self.ears.changed.wait()

    def hear_within(self, since: float) -> None:
        """The user heard something in the time that is promised."""
        assert self.ears.heard, "nothing was heard"
        took_s = self.ears.heard[0][0] - since
        assert took_s < PROMISED_S + self.lag.seconds


@asynccontextmanager
async def held(
    machine: AgentSettings, *, language: str = "en-US", **given: object
) -> AsyncIterator[Held]:
    settings = AgentSettings.model_validate({**machine.model_dump(), **PATIENCE, **given})
    job = Job(
        session_id="session_a",
        fence=1,
        user_identity="user",
        user_name="User",
        language=language,
        voice="",
        opening_line="",
        knowledge_base="default",
    )
    breakers = Breakers(BreakerOptions(pause_s=settings.breaker_seconds))
    stages = stages_for(job, settings, breakers)
    listener, ears, mouth = Remembering(), Ears(), Mouth()
    conversation = Conversation(job, settings, stages, ScriptedRetriever(), listener)
    conversation.session.output.audio = ears
    if stages.stt is not None:
        conversation.session.input.audio = mouth
    await conversation.start()
    made = Held(conversation, listener, ears, mouth, breakers)
    measuring = asyncio.create_task(made.lag.measure())
    try:
        yield made
    finally:
        measuring.cancel()
        await conversation.aclose()
        await stages.aclose()


@contextmanager
def ending(vendor: Vendor) -> Iterator[None]:
    """Nothing of the vendor's hangs any more after that."""
    try:
        yield
    finally:
        vendor.over.set()


# answers


def answering(address: str) -> dict[str, Any]:
    return {
        "stt_provider": "none",
        "llm_provider": "groq,local",
        "tts_provider": "local",
        "groq_api_key": KEY,
        "groq_base_url": f"{address}/openai/v1",
    }


@pytest.mark.parametrize("language", ["en-US", "ar-EG"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.usefixtures("synthesizer")
async def test_a_model_that_fails(
    machine: AgentSettings, vendor: Serve, fault: Fault, language: str
) -> None:
    """Catches silence, and an answer that is lost with the model that gave it."""
    groq = Groq(fault)
    address = await vendor(groq.path, groq.answer)
    said = phrases(language)
    given = answering(address)
    if fault is Fault.SLOW:  # then only the announcement can be heard in time
        given["rag_first_token_seconds"] = 1.3 * PROMISED_S
    with ending(groq):
        async with held(machine, language=language, **given) as made:
            asked_at = time.monotonic()
            made.conversation.type("How long?")
            (answer,) = await made.until_answered()
            made.hear_within(asked_at)
    assert LOCAL_ANSWER in answer
    match fault:
        case Fault.SLOW:
            assert answer.startswith(said.one_moment)
        case Fault.STALLED | Fault.CLOSED:
            assert said.begin_again in answer
            assert "The vendor says" in answer
        case _:
            assert "vendor" not in answer
    assert made.listener.failure == ""


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.LIMITED])
@pytest.mark.usefixtures("synthesizer")
async def test_a_model_that_is_down_is_left_alone(
    machine: AgentSettings, vendor: Serve, fault: Fault
) -> None:
    """Catches a vendor that each turn waits for, and a `Retry-After` that is not kept."""
    groq = Groq(fault)
    address = await vendor(groq.path, groq.answer)
    async with held(machine, **answering(address)) as made:
        for count in (1, 2, 3):
            made.conversation.type("How long?")
            answers = await made.until_answered(count)
        assert made.breakers.of("answers", "groq").state is State.OPEN
    assert all(LOCAL_ANSWER in answer for answer in answers)
    assert groq.asked == 1


@pytest.mark.usefixtures("synthesizer")
async def test_a_model_that_is_back_is_asked_again(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a vendor that stays out for the rest of the call."""
    groq = Groq(Fault.REFUSED)
    address = await vendor(groq.path, groq.answer)
    async with held(machine, **answering(address), breaker_seconds=0.1) as made:
        made.conversation.type("How long?")
        await made.until_answered()
        groq.fault = Fault.NONE
        await asyncio.sleep(0.15)
        made.conversation.type("And now?")
        answers = await made.until_answered(2)
        assert made.breakers.of("answers", "groq").state is State.CLOSED
    assert answers[1] == "The vendor says that all is well."


@pytest.mark.parametrize("language", ["en-US", "ar-EG"])
@pytest.mark.usefixtures("synthesizer")
async def test_nobody_answers(machine: AgentSettings, vendor: Serve, language: str) -> None:
    """Catches silence where there is nobody to take over; the conversation goes on."""
    groq = Groq(Fault.REFUSED)
    address = await vendor(groq.path, groq.answer)
    alone = {**answering(address), "llm_provider": "groq"}
    async with held(machine, language=language, **alone) as made:
        asked_at = time.monotonic()
        made.conversation.type("How long?")
        await made.until_heard(1.0)
        made.hear_within(asked_at)
        groq.fault = Fault.NONE
        made.conversation.type("And now?")
        answers = await made.until_answered()
    assert answers == ["The vendor says that all is well."]
    assert made.listener.failure == ""


# speech


def speaking(address: str) -> dict[str, Any]:
    return {
        "stt_provider": "none",
        "llm_provider": "local",
        "tts_provider": "inworld,local",
        "inworld_api_key": KEY,
        "inworld_base_url": f"{address}/",
    }


@pytest.mark.parametrize("fault", [Fault.NONE, *FAULTS])
@pytest.mark.usefixtures("synthesizer")
async def test_a_voice_that_fails(machine: AgentSettings, vendor: Serve, fault: Fault) -> None:
    """Catches an answer that is not heard, or only its beginning."""
    inworld = Inworld(fault)
    address = await vendor(inworld.path, inworld.answer)
    with ending(inworld):
        async with held(machine, **speaking(address)) as made:
            asked_at = time.monotonic()
            made.conversation.type("How long?")
            (answer,) = await made.until_answered()
            made.hear_within(asked_at)
            vendor_s = made.ears.seconds(of_the_vendor=True)
            local_s = made.ears.seconds(of_the_vendor=False)
    assert LOCAL_ANSWER in answer
    begins = fault in (Fault.NONE, Fault.STALLED, Fault.CLOSED)
    assert vendor_s == pytest.approx(0.5 if begins else 0.0, abs=0.1)
    # espeak says it in some two seconds; of what was heard already it says less
    assert (local_s > 1.0) is (fault is not Fault.NONE)
    assert made.listener.failure == ""


# recognition


def hearing(address: str) -> dict[str, Any]:
    return {
        "stt_provider": "assemblyai,local",
        "llm_provider": "local",
        "tts_provider": "local",
        "assembly_api_key": KEY,
        "assembly_base_url": address.replace("http", "ws"),
    }


@pytest.mark.parametrize("fault", [Fault.NONE, *FAULTS])
@pytest.mark.usefixtures("synthesizer", "recognizer")
async def test_a_recogniser_that_fails(machine: AgentSettings, vendor: Serve, fault: Fault) -> None:
    """Catches words that are lost with the recogniser that was to hear them, and silence."""
    assembly = AssemblyAI(fault)
    address = await vendor(assembly.path, assembly.answer)
    with ending(assembly):
        async with held(machine, **hearing(address)) as made:
            made.mouth.say(speech("go-forward"))
            await made.until_answered()
            made.hear_within(made.mouth.ceased_at)
    questions = [turn.text for turn in made.listener.turns if turn.role is Role.USER]
    heard = "The vendor hears well." if fault is Fault.NONE else "go forward ten meters"
    assert heard in " ".join(questions)
    assert made.listener.failure == ""


@pytest.mark.usefixtures("synthesizer", "recognizer")
async def test_a_recogniser_that_is_back_hears_again(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a call that is heard worse to its end because of one refusal at its beginning."""
    assembly = AssemblyAI(Fault.REFUSED)
    address = await vendor(assembly.path, assembly.answer)
    async with held(machine, **hearing(address), breaker_seconds=0.1) as made:
        await assembly.until_asked(1)
        assembly.fault = Fault.NONE
        made.mouth.say(speech("go-forward"))
        await made.until_answered()
        made.mouth.say(speech("go-forward"))
        await made.until_answered(2)
        assert made.breakers.of("recognition", "assemblyai").state is State.CLOSED
    questions = [turn.text for turn in made.listener.turns if turn.role is Role.USER]
    assert questions[-1] == "The vendor hears well."


@pytest.mark.usefixtures("synthesizer")
async def test_nobody_hears(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a user who talks to nobody and is not told, or is told again and again.

    Typing works meanwhile, and the recogniser is asked again by itself.
    """
    assembly = AssemblyAI(Fault.REFUSED)
    address = await vendor(assembly.path, assembly.answer)
    alone = {**hearing(address), "stt_provider": "assemblyai", "max_retries": 0}
    async with held(machine, language="ar-EG", **alone) as made:
        began_at = time.monotonic()
        await made.until_heard(1.0)
        made.hear_within(began_at)
        made.conversation.type("How long?")
        (answer,) = await made.until_answered()
        assert LOCAL_ANSWER in answer
        told_s = made.ears.seconds(of_the_vendor=False)
        await assembly.until_asked(2)
        assert made.ears.seconds(of_the_vendor=False) == told_s
        assembly.fault = Fault.NONE
        await assembly.until_asked(3)
        made.mouth.say(speech("go-forward"))
        await made.until_answered(2)
    assert made.listener.failure == ""


@dataclass
class Transcriptions(Vendor):
    """Groq's `POST /openai/v1/audio/transcriptions`, which hears whole utterances."""

    path = "/openai/v1/audio/transcriptions"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if (refusal := self.refusal()) is not None:
            return refusal
        await request.read()
        if self.fault is Fault.SLOW:
            await self.over.wait()
        return web.json_response({"text": "The vendor hears well.", "x_groq": {"id": "r1"}})


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.SLOW])
@pytest.mark.usefixtures("synthesizer", "recognizer")
async def test_a_recogniser_of_whole_utterances_that_fails(
    machine: AgentSettings, vendor: Serve, fault: Fault
) -> None:
    """Catches one that cannot be part of a chain, or that is given up on before it can answer."""
    groq = Transcriptions(fault)
    address = await vendor(groq.path, groq.answer)
    given = {
        **hearing(""),
        "stt_provider": "groq,local",
        "groq_api_key": KEY,
        "groq_base_url": f"{address}/openai/v1",
    }
    with ending(groq):
        async with held(machine, **given) as made:
            made.mouth.say(speech("go-forward"))
            await made.until_answered()
            made.hear_within(made.mouth.ceased_at)
    questions = [turn.text for turn in made.listener.turns if turn.role is Role.USER]
    heard = "The vendor hears well." if fault is Fault.NONE else "go forward ten meters"
    assert heard in " ".join(questions)
