"""What a dialect is: one protocol's messages on one side, a conversation's events on the other.

A dialect is pure. It is told what happened and when (`on`), changes its own state, and gives back
what is to be done, in order. It does no I/O, waits for nothing and has no clock; so it is tested
from transcripts (tests/golden), and a further protocol is one further module in `dialects`.

    client ──Received──►          ──Hear, EndTurn, CutOff──► conversation
                        dialect
    client ◄──Send──────          ◄──Transcribed, Sentence, Audio──────
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pydantic import JsonValue

from agent.job import Source
from orchestrator.gateway.audio.recognise import OutputFormat


class Activity(StrEnum):
    """What a conversation is doing, in the words of `/stats`."""

    IDLE = "idle"
    LISTENING = "listening"
    PROCESSING = "processing"
    SPEAKING = "speaking"


class ErrorCode(StrEnum):
    """What can go wrong, in the words of the wire."""

    ASR_FAILED = "asr_failed"
    RAG_FAILED = "rag_failed"
    TTS_FAILED = "tts_failed"
    INVALID_MESSAGE = "invalid_message"
    AUDIO_TOO_LONG = "audio_too_long"
    NO_SPEECH = "no_speech"
    SESSION_LIMIT = "session_limit"
    SESSION_TIMEOUT = "session_timeout"
    UNAUTHORIZED = "unauthorized"
    RATE_LIMITED = "rate_limited"
    INTERNAL_ERROR = "internal_error"


class Timer(StrEnum):
    """What a dialect may want to be woken for."""

    QUIET = "quiet"
    """The client sends no more of what is not wanted."""
    PLAYBACK = "playback"
    """The client must have played it all by now."""


# what happened


@dataclass(frozen=True, slots=True)
class Opened:
    """The conversation can begin; the first event of all."""

    resumed: bool = False
    """It has been there before, with the same history."""


@dataclass(frozen=True, slots=True)
class Received:
    """The client sent a text or a binary frame."""

    data: str | bytes


@dataclass(frozen=True, slots=True)
class TimerRang:
    """The time that was set with `SetTimer` is over."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class Transcribed:
    """What the user has said in this turn so far; final: the whole turn, typed or spoken."""

    text: str
    is_final: bool
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class UserSpoke:
    """The conversation's own ear heard the user begin, or cease, to speak."""

    speaking: bool


@dataclass(frozen=True, slots=True)
class AnswerBegan:
    """The user's turn is over, as the conversation found, or a line of the agent's own begins."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the answer is known; it comes before its audio."""

    index: int
    text: str
    """With the space that follows it: together they are the answer."""
    sources: tuple[Source, ...] = ()
    model: str = ""


@dataclass(frozen=True, slots=True)
class TextEnded:
    """There are no more sentences."""


@dataclass(frozen=True, slots=True)
class Audio:
    """A chunk of the answer's audio that is to go out now."""

    data: bytes
    """In the client's format, playable by itself, never empty."""
    duration_s: float
    sentence_index: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class AudioEnded:
    """The chunk that went out last was the last one, as is known only now."""


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """Nothing more comes of this answer, which may have had no audio at all."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The conversation's own ear heard the user speak over the answer, which is cut off."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Something went wrong."""

    code: ErrorCode
    detail: str
    """For the client; never what was said, never a secret."""
    fatal: bool = False
    """The connection is going to be closed."""


Event = (
    Opened
    | Received
    | TimerRang
    | Transcribed
    | UserSpoke
    | AnswerBegan
    | Sentence
    | TextEnded
    | Audio
    | AudioEnded
    | AnswerEnded
    | Interrupted
    | Failed
)


# what is to be done


@dataclass(frozen=True, slots=True)
class Send:
    """Send this as JSON."""

    message: Mapping[str, JsonValue]
    is_audio: bool = False
    """Audio that is still waiting to be sent is thrown away by `CutOff`."""


@dataclass(frozen=True, slots=True)
class Hear:
    """The user's audio, as it was sent."""

    data: bytes
    begins: bool = False
    """A stream begins with it: what is in the decoder belongs to another."""
    late: bool = False
    """It came after the end of the turn that it belongs to."""


@dataclass(frozen=True, slots=True)
class EndTurn:
    """The user's turn is over, and is to be answered."""


@dataclass(frozen=True, slots=True)
class TypeText:
    """The user typed a turn."""

    text: str


@dataclass(frozen=True, slots=True)
class CutOff:
    """Stop the answer, and throw away what of its audio is still waiting here."""

    played_s: float | None = None
    """How much of it was heard, where the client told; else it is reckoned."""


@dataclass(frozen=True, slots=True)
class PlayedAll:
    """The user has heard the whole answer."""


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Tell `TimerRang` after this time; replaces an earlier one of the name."""

    timer: Timer
    after_s: float


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Do not tell it any more."""

    timer: Timer


@dataclass(frozen=True, slots=True)
class CountError:
    """An error was told to the client."""

    code: ErrorCode


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection once all that was sent is out."""

    code: int
    reason: str


Effect = (
    Send
    | Hear
    | EndTurn
    | TypeText
    | CutOff
    | PlayedAll
    | SetTimer
    | StopTimer
    | CountError
    | Close
)


class Dialect(Protocol):
    """One connection's side of a protocol."""

    def on(self, event: Event, at: float) -> list[Effect]:
        """What is to be done about `event`, which happened at `at` (Unix seconds), in order.

        Never raises for anything that a client can send.
        """

    @property
    def activity(self) -> Activity:
        """What the conversation is doing now."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a connection was opened with, as far as its dialect needs to know."""

    session_id: str
    language: str
    """BCP-47."""
    rate_hz: int
    """Of the raw audio that the client sends."""
    silence: bytes
    """A short silence in the format of the audio that the client plays."""
    channels: int = 1


@dataclass(frozen=True, slots=True)
class Door:
    """A protocol: where it is, what its clients expect, and its dialect."""

    path: str
    id_prefix: str
    """Of its session ids."""
    dialect: Callable[[Terms], Dialect]
    manual_turns: bool
    """The client says when a turn is over; else the conversation finds out."""
    client_tells_playback: bool
    """`PlayedAll` ends the playback; else it has ended with the last chunk's sending."""
    output: OutputFormat
    """Of the audio, where the client does not choose."""
    outputs: frozenset[OutputFormat] = field(default_factory=lambda: frozenset(OutputFormat))
    chunk_s: float = 5.0
    """The longest chunk of audio; a sentence that is shorter is one chunk."""
