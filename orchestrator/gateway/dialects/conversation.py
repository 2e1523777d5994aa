"""`/ws/conversation`: turn by turn, audio up in binary frames, one chunk after the other down.

    idle ──audio──► listening ──audio_end──► processing ──► speaking ──► idle
      ▲                                          │              │
      └──────────────── error ◄──────────────────┴──────────────┘

Audio that comes while the answer is prepared or spoken cuts it off and begins the next turn.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from pydantic import JsonValue

from agent.job import Source
from orchestrator.gateway.audio.recognise import InputFormat, OutputFormat, recognise
from orchestrator.gateway.dialect import (
    Activity,
    AnswerBegan,
    AnswerEnded,
    Audio,
    AudioEnded,
    CountError,
    CutOff,
    Door,
    Effect,
    EndTurn,
    ErrorCode,
    Event,
    Failed,
    Hear,
    Interrupted,
    Opened,
    Received,
    Send,
    Sentence,
    SetTimer,
    StopTimer,
    Terms,
    TextEnded,
    Timer,
    TimerRang,
    Transcribed,
    TypeText,
    UserSpoke,
)
from orchestrator.gateway.messages import InvalidMessage, Message, encode_base64, iso_utc, parse

LATE_FRAMES_S = 0.5
"""So long after `audio_end` frames without a header belong to the turn that it ended."""

QUIET_S = 0.5
"""Audio of a turn that has failed is over when none has come for so long."""

_OGG_BEGINS = 0x02


class State(StrEnum):
    """In the words of the wire."""

    IDLE = "idle"
    LISTENING = "listening"
    PROCESSING = "processing"
    SPEAKING = "speaking"
    ERROR = "error"


_ACTIVITY = {
    State.IDLE: Activity.IDLE,
    State.LISTENING: Activity.LISTENING,
    State.PROCESSING: Activity.PROCESSING,
    State.SPEAKING: Activity.SPEAKING,
    State.ERROR: Activity.IDLE,
}
_ANSWERING = frozenset({State.PROCESSING, State.SPEAKING})


@dataclass(slots=True)
class _Turn:
    """One turn, from the user's first sound to `complete`."""

    is_container: bool = False
    is_spoken: bool = True
    ended_at: float = 0.0
    """When the user's part was over; Unix seconds."""
    answer_began: bool = False
    text: str = ""
    text_sent: str | None = None
    sources: tuple[Source, ...] = ()
    model: str = ""
    chunks: int = 0
    sentence_index: int = 0


@dataclass(slots=True)
class ConversationDialect:
    """One connection's side of the protocol."""

    terms: Terms
    _state: State = State.IDLE
    _turn: _Turn = field(default_factory=_Turn)
    _at: float = 0.0

    @property
    def activity(self) -> Activity:
        return _ACTIVITY[self._state]

    def on(self, event: Event, at: float) -> list[Effect]:
        self._at = at
        match event:
            case Opened():
                return self._opened()
            case Received(data):
                return self._audio(data) if isinstance(data, bytes) else self._message(data)
            case TimerRang(timer):
                return self._rang(timer)
            case Failed():
                return self._failed(event)
            case _:
                return self._of_conversation(event)

    # from the client

    def _opened(self) -> list[Effect]:
        terms = self.terms
        config: dict[str, JsonValue] = {
            "language_code": terms.language,
            "sample_rate_hertz": terms.rate_hz,
            "encoding": "LINEAR16",
            "channels": terms.channels,
        }
        return [self._send("ready", session_id=terms.session_id, audio_config=config)]

    def _audio(self, data: bytes) -> list[Effect]:
        if not data:
            return []
        container = recognise(data)
        begins = container is not InputFormat.PCM and _begins_stream(container, data)
        match self._state:
            case State.LISTENING:
                self._turn.is_container |= begins
                return [Hear(data, begins=begins)]
            case State.ERROR if not begins:
                return [SetTimer(Timer.QUIET, QUIET_S)]
            case State.ERROR:
                return [*self._recover(), *self._begin_turn(data, is_container=True)]
            case State.IDLE | State.PROCESSING | State.SPEAKING:
                if not begins and self._is_late():
                    return [Hear(data, late=True)] if self._state is State.PROCESSING else []
                return [*self._cut_off(), *self._begin_turn(data, is_container=begins)]
            case _:
                assert_never(self._state)

    def _is_late(self) -> bool:
        """Whether a frame without a header belongs to the turn that `audio_end` has ended.

        Raw audio has no headers: once the turn is complete, it begins the next one.
        """
        turn = self._turn
        if not turn.is_spoken or self._at - turn.ended_at > LATE_FRAMES_S:
            return False
        return turn.is_container or self._state in _ANSWERING

    def _begin_turn(self, data: bytes, *, is_container: bool) -> list[Effect]:
        self._turn = _Turn(is_container=is_container)
        return [*self._go(State.LISTENING), Hear(data, begins=True)]

    def _message(self, data: str) -> list[Effect]:
        try:
            message = parse(data)
            match message.type:
                case "audio_end":
                    return self._audio_end()
                case "text":
                    return self._typed(message)
                case _:
                    raise InvalidMessage("There is no message of this type.")
        except InvalidMessage as error:
            return self._invalid(str(error))

    def _audio_end(self) -> list[Effect]:
        match self._state:
            case State.LISTENING:
                self._turn.ended_at = self._at
                return [*self._go(State.PROCESSING), EndTurn()]
            case State.IDLE:
                return self._turn_failed(ErrorCode.NO_SPEECH, "There was no audio in the turn.")
            case State.ERROR:
                return self._recover()
            case State.PROCESSING | State.SPEAKING:
                return []
            case _:
                assert_never(self._state)

    def _typed(self, message: Message) -> list[Effect]:
        text = message.text("text")
        before = self._recover() if self._state is State.ERROR else self._cut_off()
        self._turn = _Turn(is_spoken=False, ended_at=self._at)
        return [*before, *self._go(State.PROCESSING), TypeText(text)]

    def _invalid(self, detail: str) -> list[Effect]:
        """A turn that goes on is none the worse for it."""
        told = self._error(ErrorCode.INVALID_MESSAGE, detail)
        if self._state is not State.IDLE:
            return told
        return [*told, *self._go(State.ERROR), *self._go(State.IDLE)]

    # from the conversation

    def _of_conversation(
        self,
        event: Transcribed
        | UserSpoke
        | AnswerBegan
        | Sentence
        | TextEnded
        | Audio
        | AudioEnded
        | AnswerEnded
        | Interrupted,
    ) -> list[Effect]:
        match event:
            case Transcribed():
                return self._transcribed(event)
            case AnswerBegan():
                return self._answer_began()
            case UserSpoke() | Interrupted():
                return []
        if self._state not in _ANSWERING or not self._turn.answer_began:
            return []  # of an answer that was cut off
        match event:
            case Sentence():
                self._turn.text += event.text
                self._turn.sources = event.sources
                self._turn.model = event.model
                return []
            case TextEnded():
                return self._tell_text(is_final=True)
            case Audio():
                return self._chunk(event)
            case AudioEnded():
                return [self._last_chunk(), *self._complete()]
            case AnswerEnded():
                return self._answer_ended()
            case _:
                assert_never(event)

    def _transcribed(self, event: Transcribed) -> list[Effect]:
        expected = State.PROCESSING if event.is_final else State.LISTENING
        if self._state is not expected:
            return []
        return [
            self._send(
                "transcript",
                text=event.text,
                is_final=event.is_final,
                confidence=round(event.confidence or 0.0, 3),
            )
        ]

    def _answer_began(self) -> list[Effect]:
        greets = self._state is State.IDLE
        if greets:
            self._turn = _Turn(is_spoken=False, ended_at=self._at)
        self._turn.answer_began = greets or self._state is State.PROCESSING
        return self._go(State.PROCESSING) if greets else []

    def _tell_text(self, *, is_final: bool) -> list[Effect]:
        """The answer's text so far, unless it was told already."""
        turn = self._turn
        text = turn.text.strip()
        if not text or text == turn.text_sent:
            return []
        turn.text_sent = text
        sources: list[JsonValue] = [
            {
                "filename": source.filename,
                "chunk_index": source.chunk_index,
                "similarity_score": source.similarity_score,
                "preview": source.preview,
            }
            for source in turn.sources
        ]
        return [
            self._send(
                "rag_response",
                text=text,
                sources=sources,
                processing_time_ms=self._since_end_ms(),
                model_used=turn.model,
                is_final=is_final,
            )
        ]

    def _chunk(self, audio: Audio) -> list[Effect]:
        turn = self._turn
        before: list[Effect] = []
        if self._state is State.PROCESSING:
            if turn.text_sent is None:
                before += self._tell_text(is_final=False)
            before += self._go(State.SPEAKING)
        turn.sentence_index = audio.sentence_index
        chunk = self._audio_chunk(audio.data, is_last=audio.is_last)
        return [*before, chunk, *(self._complete() if audio.is_last else ())]

    def _last_chunk(self) -> Send:
        return self._audio_chunk(self.terms.silence, is_last=True)

    def _audio_chunk(self, data: bytes, *, is_last: bool) -> Send:
        turn = self._turn
        chunk = self._send(
            "audio_chunk_tts",
            is_audio=True,
            audio_data=encode_base64(data),
            chunk_index=turn.chunks,
            is_final_chunk=is_last,
            sentence_index=turn.sentence_index,
        )
        turn.chunks += 1
        return chunk

    def _answer_ended(self) -> list[Effect]:
        """Without a last chunk of audio."""
        if not self._turn.text.strip():
            return self._turn_failed(ErrorCode.RAG_FAILED, "There is no answer.")
        before = self._go(State.SPEAKING) if self._state is State.PROCESSING else []
        return [*self._tell_text(is_final=True), *before, self._last_chunk(), *self._complete()]

    # ends

    def _complete(self) -> list[Effect]:
        self._turn.answer_began = False
        told = self._send(
            "complete",
            session_id=self.terms.session_id,
            total_processing_time_ms=self._since_end_ms(),
        )
        return [told, *self._go(State.IDLE)]

    def _cut_off(self) -> list[Effect]:
        """The client goes on to its next turn."""
        if self._state not in _ANSWERING:
            return []
        return [CutOff(), self._last_chunk(), *self._complete()]

    def _failed(self, event: Failed) -> list[Effect]:
        if event.fatal:
            return self._error(event.code, event.detail)
        if self._state in (State.IDLE, State.ERROR):
            return []  # of a turn that is over
        if event.code is ErrorCode.ASR_FAILED and self._turn.answer_began:
            return []  # all that was said is known
        return self._turn_failed(event.code, event.detail)

    def _turn_failed(self, code: ErrorCode, detail: str) -> list[Effect]:
        """The turn is over. What still comes of its audio is no turn of its own."""
        heard = self._state is State.LISTENING
        told = self._error(code, detail)
        self._turn.answer_began = False
        failed = [CutOff(), *told, *self._go(State.ERROR)]
        if heard:
            return [*failed, SetTimer(Timer.QUIET, QUIET_S)]
        return [*failed, *self._go(State.IDLE)]

    def _recover(self) -> list[Effect]:
        return [StopTimer(Timer.QUIET), *self._go(State.IDLE)]

    def _rang(self, timer: Timer) -> list[Effect]:
        if timer is Timer.QUIET and self._state is State.ERROR:
            return self._go(State.IDLE)
        return []

    def _error(self, code: ErrorCode, detail: str) -> list[Effect]:
        return [self._send("error", error_code=code.value, detail=detail), CountError(code)]

    def _go(self, state: State) -> list[Effect]:
        before, self._state = self._state, state
        return [self._send("state_update", state=state.value, previous_state=before.value)]

    def _since_end_ms(self) -> int:
        return max(0, round((self._at - self._turn.ended_at) * 1000))

    def _send(self, kind: str, *, is_audio: bool = False, **fields: JsonValue) -> Send:
        message: Mapping[str, JsonValue] = {
            "type": kind,
            **fields,
            "timestamp": iso_utc(self._at),
        }
        return Send(message, is_audio=is_audio)


def _begins_stream(container: InputFormat, data: bytes) -> bool:
    """Whether it is the first frame: pages of Ogg all look alike, but for a flag."""
    if container is InputFormat.OGG:
        return len(data) < 6 or bool(data[5] & _OGG_BEGINS)
    if container is InputFormat.MP4:
        return data[4:8] == b"ftyp"
    return True


DOOR = Door(
    path="/ws/conversation",
    id_prefix="conversation_",
    dialect=ConversationDialect,
    manual_turns=True,
    client_tells_playback=False,
    output=OutputFormat.MP3,
    chunk_s=5.0,
)
