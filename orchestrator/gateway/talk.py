"""A conversation behind a socket: effects of a dialect in, events for it out.

This is the one module that joins livekit-agents' session, its audio of ours, and a dialect's
vocabulary. `start` it, hand it effects with `do`, and `aclose` it.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
from livekit import local_inference
from livekit.agents import (
    ConversationItemAddedEvent,
    SpeechCreatedEvent,
    UserInputTranscribedEvent,
    llm,
    utils,
)
from livekit.agents.voice.speech_handle import SpeechHandle

from agent.assistant import NoDocuments
from agent.conversation import Conversation, Manner, stages_for
from agent.conversation import preload as preload_conversations
from agent.job import AgentState, Job, Source, Turn
from agent.knowledge.errors import KnowledgeError, UnknownCollection
from agent.knowledge.hybrid import open_knowledge
from agent.knowledge.speculation import Retriever
from agent.stages.breaker import Breakers
from agent.stages.build import Stages
from agent.stages.errors import StageUnavailable
from agent.stages.fallback.answers import needs_passages
from orchestrator.gateway.audio import OutputFormat, make_encoder
from orchestrator.gateway.audio.encoders import MP3_RATES_HZ
from orchestrator.gateway.dialect import (
    AnswerBegan,
    AnswerEnded,
    CutOff,
    Door,
    EndTurn,
    ErrorCode,
    Event,
    Failed,
    Hear,
    PlayedAll,
    Sentence,
    Transcribed,
    TypeText,
    UserSpoke,
)
from orchestrator.gateway.hearing import Hearing, Limits
from orchestrator.gateway.voice import Answer, ClientVoice, Sound
from orchestrator.monitoring.logs import quiet_conversations
from orchestrator.settings import Settings

COMMIT_TIMEOUT_S = 5.0
"""How long last words are waited for from a recogniser that does not say that there are none."""

CLOSE_TIMEOUT_S = 5.0

_FAILURES = {
    "stt_error": (ErrorCode.ASR_FAILED, "Speech could not be recognised."),
    "llm_error": (ErrorCode.RAG_FAILED, "The answer could not be made."),
    "tts_error": (ErrorCode.TTS_FAILED, "The answer could not be spoken."),
}
_BROKEN = (ErrorCode.INTERNAL_ERROR, "Something broke.")

_log = logging.getLogger(__name__)

ToTalk = Hear | EndTurn | TypeText | CutOff | PlayedAll
"""The effects that are a conversation's business."""


@dataclass(frozen=True, slots=True)
class AudioWishes:
    """How the client wants to be spoken to, and how it sends raw audio."""

    output: OutputFormat
    output_rate_hz: int | None
    """None: as it is synthesised."""
    paced: bool
    input_rate_hz: int
    input_channels: int


Prepare = Callable[[Job, Settings], tuple[Stages, Retriever]]
"""What a conversation works with. Raises `StageUnavailable`, `KnowledgeError`."""


class Talk:
    """One conversation. `tell` is called, in the event loop, with each event as it happens."""

    def __init__(
        self,
        job: Job,
        settings: Settings,
        door: Door,
        audio: AudioWishes,
        tell: Callable[[Event], None],
        turn_ended: Callable[[Turn], None],
        *,
        detector_executor: Executor,
        prepare: Prepare | None = None,
    ) -> None:
        """`prepare`: else as the settings say, by breakers of its own."""
        self._job = job
        self._settings = settings
        self._door = door
        self._audio = audio
        self._tell = tell
        self._turn_ended = turn_ended
        self._detector_executor = detector_executor
        self._prepare = prepare or preparing(None)
        self._conversation: Conversation | None = None
        self._voice: ClientVoice | None = None
        self._typed_early: str | None = None
        self._turn_is_open = False
        self._is_deaf = False
        self._hears = True
        self._stages: Stages | None = None
        self._commit_timeout_s = settings.asr_timeout_seconds
        self._answer: Answer | None = None
        self._answer_is_due = False
        self._speech: SpeechHandle | None = None
        self._last_speech: SpeechHandle | None = None
        self._sources: tuple[Source, ...] = ()
        self._words: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._hearing = Hearing(
            tell,
            self._commit,
            Limits(turn_s=settings.max_audio_duration_seconds),
            manual_turns=door.manual_turns,
            rate_hz=audio.input_rate_hz,
            channels=audio.input_channels,
        )

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Have the conversation while the context is open."""
        async with utils.http_context.open():
            # a session that is left half started is never collected
            starting = asyncio.create_task(self._start(), name="talk.start")
            try:
                await asyncio.shield(starting)
                yield
            finally:
                await asyncio.wait({starting}, timeout=CLOSE_TIMEOUT_S)
                starting.cancel()
                await self._close()

    def do(self, effect: ToTalk) -> None:
        """Do what the dialect wants done; once the conversation has started, if it has not yet."""
        conversation, voice = self._conversation, self._voice
        if conversation is None or voice is None:
            self._do_early(effect)
            return
        match effect:
            case Hear() | EndTurn():
                self._hear(effect)
            case TypeText(text):
                self._abandon(conversation)
                conversation.type(text)
            case CutOff(played_s):
                self._cut_off(conversation, voice, played_s)
            case PlayedAll():
                voice.played_all()

    def _do_early(self, effect: ToTalk) -> None:
        """Nothing has started: what is heard waits, and so does what was typed last."""
        match effect:
            case Hear() | EndTurn():
                self._hear(effect)
            case TypeText(text):
                self._forget_hearing()
                self._typed_early = text
            case CutOff():
                self._forget_hearing()
                self._typed_early = None
            case PlayedAll():
                """Nothing was."""

    def _forget_hearing(self) -> None:
        """What was heard of a turn that the client ends by itself is none."""
        if self._door.manual_turns:
            self._turn_is_open = False
            self._hearing.forget()

    def audio_written(self) -> None:
        """A chunk of audio has left for the client."""
        if self._voice is not None:
            self._voice.written()

    # `agent.conversation.Listener`

    def turn_ended(self, turn: Turn) -> None:
        """A turn is part of the history."""
        self._turn_ended(turn)

    def state_changed(self, state: AgentState) -> None:
        """A dialect has states of its own."""

    def user_spoke(self, speaking: bool) -> None:
        """Heard by the session's own ear."""
        self._hearing.user_spoke(speaking=speaking)
        self._tell(UserSpoke(speaking))

    def failed(self, error: str) -> None:
        """The session has ended by itself."""
        _log.error("conversation ended", extra={"error": error})
        code, detail = _BROKEN
        self._tell(Failed(code, detail, fatal=True))

    async def cite(self, question_id: str, sources: tuple[Source, ...]) -> None:
        """What the answer rests on; its sentences carry it."""
        del question_id
        self._sources = sources

    # beginning and end

    async def _start(self) -> None:
        job, settings = self._job, self._settings
        try:
            stages, retriever = self._prepare(job, settings)
        except (StageUnavailable, KnowledgeError) as error:
            _log.error("conversation cannot start", extra={"error": str(error)})
            code, detail = _BROKEN
            self._tell(Failed(code, detail, fatal=True))
            return
        self._hears = stages.stt is not None
        self._stages = stages
        if stages.stt is not None and not stages.stt.capabilities.manual_flush:
            self._commit_timeout_s = min(COMMIT_TIMEOUT_S, self._commit_timeout_s)
        manner = Manner(
            manual_turns=self._door.manual_turns,
            new_narration=self._narrate,
            stage_failed=self._stage_failed,
            announces=settings.enable_sentence_streaming,
            resumes=False,
            detector_executor=self._detector_executor,
        )
        conversation = Conversation(job, settings, stages, retriever, self, manner)
        voice = ClientVoice(self._sound(stages), self._tell)
        session = conversation.session
        session.on("user_input_transcribed", self._on_transcribed)
        session.on("conversation_item_added", self._on_item)
        session.on("speech_created", self._on_speech)
        if self._hears:
            session.input.audio = self._hearing.audio
        session.output.audio = voice
        await conversation.start()
        self._conversation, self._voice = conversation, voice
        self._own(voice.run(), "voice")
        if self._hears:
            self._own(self._hearing.run(), "hearing")
        if job.opening_line:
            self._begin_answer()
            conversation.open()
            self._speech = self._last_speech
        if self._typed_early is not None:
            conversation.type(self._typed_early)

    async def _close(self) -> None:
        self._hearing.close()
        for task in self._tasks:
            task.cancel()
        if self._conversation is not None:
            if self._voice is not None:
                self._voice.cut_off(None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._conversation.hush(timeout_s=CLOSE_TIMEOUT_S / 2)
                    await self._conversation.aclose()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _sound(self, stages: Stages) -> Sound:
        audio, door = self._audio, self._door
        rate_hz = audio.output_rate_hz
        native_hz = None if stages.tts is None else stages.tts.sample_rate
        if audio.output is OutputFormat.MP3 and native_hz not in MP3_RATES_HZ:
            rate_hz = rate_hz or self._settings.audio_sample_rate
        return Sound(
            encoder=make_encoder(audio.output),
            rate_hz=rate_hz,
            chunk_s=door.chunk_s,
            paced=audio.paced,
            client_tells_playback=door.client_tells_playback,
        )

    # the user's turn

    def _hear(self, effect: Hear | EndTurn) -> None:
        if self._hears:
            self._turn_is_open = True
            self._hearing.put(effect)
        elif isinstance(effect, EndTurn):
            detail = "Speech in this language is not recognised here; type instead."
            self._tell(Failed(ErrorCode.ASR_FAILED, detail))

    async def _commit(self) -> None:
        """The user's turn is over, and all of it is heard."""
        if self._conversation is None:
            return
        words = await self._conversation.commit(timeout_s=self._commit_timeout_s)
        if words is not None:
            self._turn_is_open = False
        if words == "":
            self._tell(Failed(ErrorCode.NO_SPEECH, "No speech was recognised."))

    def _on_transcribed(self, event: UserInputTranscribedEvent) -> None:
        self._is_deaf = False
        if event.is_final:
            self._words.append(event.transcript)
            return
        text = " ".join([*self._words, event.transcript]).strip()
        self._tell(Transcribed(text, is_final=False))

    def _on_item(self, event: ConversationItemAddedEvent) -> None:
        message = event.item
        if not isinstance(message, llm.ChatMessage) or message.role != "user":
            return
        self._words.clear()
        text = (message.text_content or "").strip()
        if text:
            confidence = message.transcript_confidence
            self._tell(Transcribed(text, True, 1.0 if confidence is None else confidence))
            self._begin_answer()

    # the answer

    def _begin_answer(self) -> None:
        self._answer = None
        self._answer_is_due = True
        self._speech = self._last_speech
        self._sources = ()
        self._tell(AnswerBegan())

    def _narrate(self) -> Answer:
        before = self._answer
        goes_on = before is not None and before.goes_on and not before.is_cut
        answer = Answer(
            self._tell,
            self._sentence,
            whole=not self._settings.enable_sentence_streaming,
            first_index=before.next_index if before is not None and goes_on else 0,
            calls_tool=self._calls_tool,
        )
        answer.is_cut = not (self._answer_is_due or goes_on)
        self._answer_is_due = False
        self._answer = answer
        return answer

    def _calls_tool(self) -> bool:
        return self._conversation is not None and self._conversation.calls_tool

    def _sentence(self, index: int, text: str) -> Sentence:
        # asked each time, as another one may have taken over
        model = "" if self._stages is None else self._stages.llm.model
        return Sentence(index, text, self._sources, model)

    def _on_speech(self, event: SpeechCreatedEvent) -> None:
        self._last_speech = event.speech_handle
        event.speech_handle.add_done_callback(self._on_speech_done)

    def _on_speech_done(self, speech: SpeechHandle) -> None:
        if speech is self._speech and speech.scheduled:
            self._speech = None
            self._tell(AnswerEnded())

    def _stage_failed(self, stage: str) -> None:
        code, detail = _FAILURES.get(stage, _BROKEN)
        if code is ErrorCode.ASR_FAILED and not self._door.manual_turns:
            if self._is_deaf:
                return  # it is tried again and again, and told once
            self._is_deaf = True
        self._tell(Failed(code, detail))

    def _cut_off(
        self, conversation: Conversation, voice: ClientVoice, played_s: float | None
    ) -> None:
        self._speech = None
        self._answer_is_due = False
        if self._answer is not None:
            self._answer.is_cut = True
        voice.cut_off(played_s)
        conversation.cut_off()
        self._abandon(conversation)

    def _abandon(self, conversation: Conversation) -> None:
        if self._door.manual_turns and self._turn_is_open:
            self._forget_hearing()
            conversation.abandon_turn()

    def _own(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"talk.{name}")
        self._tasks.add(task)
        task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("conversation broke", exc_info=error)
            code, detail = _BROKEN
            self._tell(Failed(code, detail, fatal=True))


def preparing(breakers: Breakers | None) -> Prepare:
    """What a conversation works with, as the settings say; `breakers` are the process's."""

    def prepare(job: Job, settings: Settings) -> tuple[Stages, Retriever]:
        stages = stages_for(job, settings, breakers)
        if not needs_passages(stages.llm):
            return stages, NoDocuments()
        return stages, _open_knowledge(job.knowledge_base, settings)

    return prepare


def _open_knowledge(name: str, settings: Settings) -> Retriever:
    try:
        return open_knowledge(settings, name)
    except UnknownCollection:
        _log.error("no such knowledge base", extra={"knowledge_base": name})
        return NoDocuments()


def preload(settings: Settings) -> None:
    """Import the chosen providers' plugins; on the main thread, where they must be registered."""
    quiet_conversations()
    preload_conversations(settings)


def load_models(settings: Settings) -> None:
    """Run each bundled model once, so that the first client does not wait for its loading."""
    silence = np.zeros(local_inference.EOT_MAX_SAMPLES, dtype=np.int16)
    local_inference.VAD().predict(silence[: local_inference.VAD_WINDOW_SAMPLES])
    if settings.turn_detection == "model":
        local_inference.EOT().predict(silence)
