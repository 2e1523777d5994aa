"""`/orchestrate`: one duplex stream of JSON, turns found by the server, barge-in by either side.

    idle ──► listening ──turn over──► thinking ──first audio──► speaking
                 ▲  ▲                     │                       │  │
                 │  └──nothing to say─────┘        playback_done──┘  │interrupt, barge-in
                 └───────────────────── interrupt ◄──────────────────┘

Only the client knows when the user has heard everything: `speaking` ends with its `playback_done`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import assert_never

from pydantic import JsonValue

from orchestrator.gateway.audio.recognise import OutputFormat
from orchestrator.gateway.dialect import (
    Activity,
    AnswerBegan,
    AnswerEnded,
    Audio,
    AudioEnded,
    Close,
    CountError,
    CutOff,
    Door,
    Effect,
    ErrorCode,
    Event,
    Failed,
    Hear,
    Interrupted,
    Opened,
    PlayedAll,
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
from orchestrator.gateway.messages import InvalidMessage, Message, encode_base64, parse

PLAYBACK_MARGIN_S = 5.0
"""A client that has not said `playback_done` so long after the audio's own end never will."""

NORMAL_CLOSURE = 1000


class State(StrEnum):
    """In the words of the wire."""

    IDLE = "idle"
    LISTENING = "listening"
    THINKING = "thinking"
    SPEAKING = "speaking"
    INTERRUPT = "interrupt"


_ACTIVITY = {
    State.IDLE: Activity.IDLE,
    State.LISTENING: Activity.LISTENING,
    State.THINKING: Activity.PROCESSING,
    State.SPEAKING: Activity.SPEAKING,
    State.INTERRUPT: Activity.LISTENING,
}


_OF_ANSWERS = frozenset({ErrorCode.RAG_FAILED, ErrorCode.TTS_FAILED, ErrorCode.INTERNAL_ERROR})
"""Errors with which an answer is over; the others are about what the user says."""


@dataclass(slots=True)
class _Answer:
    """One answer, as far as it was sent."""

    number: int = 0
    is_wanted: bool = False
    """It has begun, and was not cut off."""
    chunks: int = 0
    is_whole: bool = False
    """The final chunk is out."""
    plays_until: float = 0.0
    """When a client that plays what it gets has played it all; Unix seconds."""


@dataclass(slots=True)
class OrchestrateDialect:
    """One connection's side of the protocol."""

    terms: Terms
    _state: State = State.IDLE
    _answer: _Answer = field(default_factory=_Answer)
    _at: float = 0.0

    @property
    def activity(self) -> Activity:
        return _ACTIVITY[self._state]

    def on(self, event: Event, at: float) -> list[Effect]:
        self._at = at
        match event:
            case Opened(resumed):
                return self._opened(resumed=resumed)
            case Received(data):
                return self._received(data)
            case TimerRang(timer):
                done = timer is Timer.PLAYBACK and self._state is State.SPEAKING
                return self._played_all() if done else []
            case Failed():
                return self._failed(event)
            case Transcribed(text, is_final):
                return [self._send("transcript", text=text, is_final=is_final)] if text else []
            case UserSpoke(speaking):
                return self._user_spoke(speaking=speaking)
            case _:
                return self._of_answer(event)

    # from the client

    def _opened(self, *, resumed: bool) -> list[Effect]:
        ready = self._send("session_ready", session_id=self.terms.session_id)
        return [ready, *(self._go(State.LISTENING) if resumed else ())]

    def _received(self, data: str | bytes) -> list[Effect]:
        try:
            if isinstance(data, bytes):
                raise InvalidMessage("Messages are JSON in text frames.")
            return self._message(parse(data))
        except InvalidMessage as error:
            return self._error(ErrorCode.INVALID_MESSAGE, str(error))

    def _message(self, message: Message) -> list[Effect]:
        match message.type:
            case "start_session":
                return self._go(State.LISTENING) if self._state is State.IDLE else [self._told()]
            case "audio_chunk":
                return self._heard(message.base64("data"))
            case "playback_done":
                # a client says so whenever its queue runs empty
                done = self._state is State.SPEAKING and self._answer.is_whole
                return self._played_all() if done else []
            case "interrupt":
                return self._interrupt(message.milliseconds("played_ms"))
            case "state_sync_request":
                return [self._told()]
            case "end_session":
                return self._end()
            case "text":
                return self._typed(message)
            case _:
                raise InvalidMessage("There is no message of this type.")

    def _heard(self, data: bytes) -> list[Effect]:
        if not data:
            return []
        begins = self._state is State.IDLE
        return [*(self._go(State.LISTENING) if begins else ()), Hear(data)]

    def _typed(self, message: Message) -> list[Effect]:
        text = message.text("text")
        before = self._cut_off(None) if self._state is State.SPEAKING else self._drop(None)
        return [*before, *self._go(State.THINKING), TypeText(text)]

    def _interrupt(self, played_s: float | None) -> list[Effect]:
        return self._cut_off(played_s) if self._state is State.SPEAKING else [self._stop()]

    def _end(self) -> list[Effect]:
        before = [] if self._state is State.IDLE else self._go(State.IDLE)
        return [*self._drop(None), *before, Close(NORMAL_CLOSURE, "session ended")]

    # from the conversation

    def _user_spoke(self, *, speaking: bool) -> list[Effect]:
        return self._go(State.LISTENING) if speaking and self._state is State.IDLE else []

    def _of_answer(
        self,
        event: AnswerBegan | Sentence | TextEnded | Audio | AudioEnded | AnswerEnded | Interrupted,
    ) -> list[Effect]:
        match event:
            case AnswerBegan():
                return self._began()
            case Interrupted():
                return self._cut_off(None) if self._state is State.SPEAKING else []
            case TextEnded():
                return []
        if not self._answer.is_wanted:
            return []  # it was cut off
        match event:
            case Sentence(text=text):
                told = self._send("agent_response", text=text.strip(), is_streaming=True)
                return [told] if text.strip() else []
            case Audio():
                return self._chunk(event)
            case AudioEnded():
                return self._final()
            case AnswerEnded():
                return self._answer_ended()
            case _:
                assert_never(event)

    def _answer_ended(self) -> list[Effect]:
        """While its audio plays, it has ended when the client says so."""
        if self._state is not State.THINKING:
            return []
        self._answer.is_wanted = False
        return self._go(State.LISTENING)

    def _began(self) -> list[Effect]:
        """An answer; one that was still spoken has been cut off by it."""
        before = self._cut_off(None) if self._state is State.SPEAKING else []
        self._answer = _Answer(self._answer.number + 1, is_wanted=True)
        return [*before, *(() if self._state is State.THINKING else self._go(State.THINKING))]

    def _chunk(self, audio: Audio) -> list[Effect]:
        answer = self._answer
        before = self._go(State.SPEAKING) if self._state is State.THINKING else []
        answer.plays_until = max(answer.plays_until, self._at) + audio.duration_s
        chunk = self._audio_chunk(is_final=False, audio=encode_base64(audio.data))
        return [*before, chunk, *(self._final() if audio.is_last else ())]

    def _final(self) -> list[Effect]:
        answer = self._answer
        if answer.is_whole:
            return []
        answer.is_whole = True
        patience_s = max(0.0, answer.plays_until - self._at) + PLAYBACK_MARGIN_S
        return [self._audio_chunk(is_final=True), SetTimer(Timer.PLAYBACK, patience_s)]

    def _audio_chunk(self, *, is_final: bool, **audio: JsonValue) -> Send:
        answer = self._answer
        chunk_id = f"{self.terms.session_id}_{answer.number}_chunk_{answer.chunks}"
        answer.chunks += 1
        return self._send(
            "audio_chunk", is_audio=True, **audio, chunk_id=chunk_id, is_final=is_final
        )

    # ends

    def _played_all(self) -> list[Effect]:
        return [StopTimer(Timer.PLAYBACK), PlayedAll(), *self._go(State.LISTENING)]

    def _cut_off(self, played_s: float | None) -> list[Effect]:
        """First of all the client is to fall silent."""
        return [
            self._stop(),
            *self._drop(played_s),
            *self._go(State.INTERRUPT),
            *self._go(State.LISTENING),
        ]

    def _drop(self, played_s: float | None) -> list[Effect]:
        self._answer.is_wanted = False
        return [CutOff(played_s), StopTimer(Timer.PLAYBACK)]

    def _stop(self) -> Send:
        return self._send("playback_control", action="stop", reason="user_interrupt")

    def _failed(self, event: Failed) -> list[Effect]:
        told = self._error(event.code, event.detail)
        if event.fatal or event.code not in _OF_ANSWERS:
            return told
        match self._state:
            case State.SPEAKING:
                # what was sent plays on, and then it is the user's turn
                return [*told, *self._final()]
            case State.THINKING:
                return [*self._drop(None), *told, *self._go(State.LISTENING)]
            case _:
                return told

    def _error(self, code: ErrorCode, detail: str) -> list[Effect]:
        return [self._send("error", error_code=code.value, detail=detail), CountError(code)]

    def _go(self, state: State) -> list[Effect]:
        self._state = state
        return [self._told()]

    def _told(self) -> Send:
        return self._send("state_update", state=self._state.value)

    def _send(self, kind: str, *, is_audio: bool = False, **fields: JsonValue) -> Send:
        message: Mapping[str, JsonValue] = {"type": kind, **fields, "timestamp": self._at}
        return Send(message, is_audio=is_audio)


DOOR = Door(
    path="/orchestrate",
    id_prefix="auto_session_",
    dialect=OrchestrateDialect,
    manual_turns=False,
    client_tells_playback=True,
    output=OutputFormat.WAV,
    outputs=frozenset({OutputFormat.WAV, OutputFormat.PCM}),
    chunk_s=2.0,
)
