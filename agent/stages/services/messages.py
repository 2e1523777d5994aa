"""What an agent and the three services say to each other, as closed unions (docs/services.md).

Each message is one JSON object, in a text frame of a WebSocket or on a line of an answer's body;
audio is in binary frames. Fields that nobody knows are ignored.

    WireError   what came is no message of the protocol
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from agent.job import Source

VERSION = 1
"""Stands in every path: `/v1/…`."""

MAX_MESSAGE_BYTES = 256 * 1024
"""Of one frame, one line or one request's body."""
MAX_AUDIO_FRAME_BYTES = 64 * 1024
MAX_QUESTION_CHARACTERS = 4_000
MAX_TURN_CHARACTERS = 4_000
MAX_HISTORY_TURNS = 50
MAX_INSTRUCTIONS_CHARACTERS = 8_000
MAX_PASSAGES = 20
MAX_TEXT_CHARACTERS = 4_000
"""Of one piece of text that is to be spoken."""
MAX_SEGMENT_CHARACTERS = 8_000
"""Of all pieces of one segment."""

Seconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")]
Collection = Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_-]{0,63})?$")]
RateHz = Annotated[int, Field(ge=8_000, le=48_000)]
Segment = Annotated[int, Field(ge=0, le=2**31 - 1)]


class WireError(Exception):
    """What came is no message of the protocol; the message says why, and quotes nothing of it."""


class ErrorCode(StrEnum):
    """Why a service does not go on."""

    UNAUTHORIZED = "unauthorized"
    INVALID_MESSAGE = "invalid_message"
    TOO_LARGE = "too_large"
    BUSY = "busy"
    """All connections are in use."""
    UNSUPPORTED_LANGUAGE = "unsupported_language"
    UNKNOWN_COLLECTION = "unknown_collection"
    SLOW_READER = "slow_reader"
    """The peer does not take what is sent to it."""
    TIMEOUT = "timeout"
    """The peer did not say in time what it wants."""
    STAGE_FAILED = "stage_failed"
    """What recognises, answers or speaks behind the service failed."""


RETRYABLE = frozenset(
    {ErrorCode.BUSY, ErrorCode.STAGE_FAILED, ErrorCode.SLOW_READER, ErrorCode.TIMEOUT}
)
"""After these the same may be asked again a little later."""


@dataclass(frozen=True, slots=True)
class Failure:
    """The service will not go on; the connection, or the answer, ends with it."""

    code: str
    """One of `ErrorCode`; others may come with later versions."""
    message: str = ""
    """For people; holds nothing of what was said."""
    retryable: bool = False
    type: Literal["error"] = "error"


# recognition


@dataclass(frozen=True, slots=True)
class StartListening:
    """Begin to hear mono s16le audio."""

    language: Language
    sample_rate: RateHz = 16_000
    collection: Collection = ""
    """Whose words to expect."""
    type: Literal["start"] = "start"


@dataclass(frozen=True, slots=True)
class FlushAudio:
    """What is being said is over: one final transcript of all that has none, empty if need be."""

    type: Literal["flush"] = "flush"


@dataclass(frozen=True, slots=True)
class EndAudio:
    """No more audio comes."""

    type: Literal["end"] = "end"


@dataclass(frozen=True, slots=True)
class Listening:
    """Ready to hear."""

    model: str = ""
    type: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak."""

    at_s: Seconds
    """In the audio of this connection, as all times are."""
    type: Literal["speech_started"] = "speech_started"


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a transcript."""

    text: str
    start_s: Seconds
    end_s: Seconds
    confidence: Share | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """All of the utterance so far; nothing that had a final transcript before."""

    text: str
    is_final: bool
    confidence: Share | None = None
    """None: the recogniser does not tell."""
    words: tuple[Word, ...] = ()
    """None of them where the recogniser does not tell."""
    start_s: Seconds | None = None
    end_s: Seconds | None = None
    """When the words were said."""
    settled_s: Seconds | None = None
    """Of a final one: no transcript will come any more of audio before this; None: `end_s`."""
    type: Literal["transcript"] = "transcript"


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is over."""

    at_s: Seconds
    type: Literal["speech_ended"] = "speech_ended"


@dataclass(frozen=True, slots=True)
class AudioEnded:
    """All that came before `end` has its transcript."""

    audio_s: Seconds
    type: Literal["ended"] = "ended"


# synthesis


@dataclass(frozen=True, slots=True)
class StartSpeaking:
    """Begin to speak; what is spoken comes in segments."""

    language: Language
    voice: Annotated[str, Field(max_length=200)] = ""
    """As the client of the session named it; one that the service does not know is its default."""
    gender: Literal["male", "female"] | None = None
    """Of the default voice."""
    sample_rate: RateHz | None = None
    """What would suit; the service says in `ready` what it is."""
    type: Literal["start"] = "start"


@dataclass(frozen=True, slots=True)
class SpeakText:
    """A piece of a segment's text, of any length: the service finds the sentences."""

    segment: Segment
    text: Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS)]
    type: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class FlushText:
    """The segment's text is complete."""

    segment: Segment
    type: Literal["flush"] = "flush"


@dataclass(frozen=True, slots=True)
class CancelSegment:
    """No more audio of the segment is wanted."""

    segment: Segment
    type: Literal["cancel"] = "cancel"


@dataclass(frozen=True, slots=True)
class Speaking:
    """Ready to speak."""

    sample_rate: RateHz
    """Of all audio on this connection: mono s16le."""
    voice: str = ""
    model: str = ""
    type: Literal["ready"] = "ready"


@dataclass(frozen=True, slots=True)
class SegmentStarted:
    """The binary frames from here on are this segment's."""

    segment: Segment
    type: Literal["segment_start"] = "segment_start"


@dataclass(frozen=True, slots=True)
class SentenceStarted:
    """The next audio of the segment is of this text."""

    segment: Segment
    text: str
    at_s: Seconds
    """How much audio of the segment came before."""
    type: Literal["sentence"] = "sentence"


@dataclass(frozen=True, slots=True)
class SegmentEnded:
    """No more audio of the segment comes; exactly one for each segment."""

    segment: Segment
    audio_s: Seconds = 0.0
    cancelled: bool = False
    type: Literal["segment_end"] = "segment_end"


# retrieval and answers


@dataclass(frozen=True, slots=True)
class PastTurn:
    """Something that was said before, as it was heard."""

    role: Literal["user", "assistant"]
    text: Annotated[str, Field(max_length=MAX_TURN_CHARACTERS)]


@dataclass(frozen=True, slots=True)
class AnswerRequest:
    """The body of `POST /v1/answer`."""

    question: Annotated[str, Field(max_length=MAX_QUESTION_CHARACTERS)]
    language: Language = "en-US"
    """Of the session; what the service says of itself is in it."""
    collection: Collection = "default"
    history: Annotated[tuple[PastTurn, ...], Field(max_length=MAX_HISTORY_TURNS)] = ()
    """Oldest first, without the question."""
    unsure: bool = False
    """The question was heard, with little confidence."""
    instructions: Annotated[str, Field(max_length=MAX_INSTRUCTIONS_CHARACTERS)] = ""
    """What the assistant is told to be; for a language model, where the service has one."""


@dataclass(frozen=True, slots=True)
class RetrieveRequest:
    """The body of `POST /v1/retrieve`."""

    query: Annotated[str, Field(max_length=MAX_QUESTION_CHARACTERS)]
    context: Annotated[str, Field(max_length=MAX_QUESTION_CHARACTERS)] = ""
    """What was asked before, where the query refers to that."""
    collection: Collection = "default"
    limit: Annotated[int, Field(ge=1, le=MAX_PASSAGES)] = 4


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage that meets a query."""

    filename: str
    chunk_index: int
    title: str
    heading: str
    text: str
    similarity_score: Share


@dataclass(frozen=True, slots=True)
class Retrieved:
    """The answer to `POST /v1/retrieve`."""

    passages: tuple[FoundPassage, ...]
    """Best first."""
    answerable: bool
    """Whether they seem to hold the answer."""


@dataclass(frozen=True, slots=True)
class AnswerSources:
    """What the answer rests on; the first line that is no ping, also where it rests on nothing."""

    sources: tuple[Source, ...]
    type: Literal["sources"] = "sources"


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """The next part of the answer; together with its spaces they are the text."""

    text: str
    type: Literal["sentence"] = "sentence"


@dataclass(frozen=True, slots=True)
class AnswerDone:
    """The answer is complete."""

    model: str = ""
    took_ms: float = 0.0
    type: Literal["done"] = "done"


@dataclass(frozen=True, slots=True)
class Ping:
    """Still at work."""

    type: Literal["ping"] = "ping"


AsrRequest = StartListening | FlushAudio | EndAudio
AsrReply = Listening | SpeechStarted | Transcript | SpeechEnded | AudioEnded | Failure
TtsRequest = StartSpeaking | SpeakText | FlushText | CancelSegment
TtsReply = Speaking | SegmentStarted | SentenceStarted | SegmentEnded | Failure
AnswerLine = AnswerSources | AnswerSentence | AnswerDone | Ping | Failure
Message = AsrRequest | AsrReply | TtsRequest | TtsReply | AnswerLine

_TYPE = Field(discriminator="type")
ASR_REQUESTS: TypeAdapter[AsrRequest] = TypeAdapter(Annotated[AsrRequest, _TYPE])
ASR_REPLIES: TypeAdapter[AsrReply] = TypeAdapter(Annotated[AsrReply, _TYPE])
TTS_REQUESTS: TypeAdapter[TtsRequest] = TypeAdapter(Annotated[TtsRequest, _TYPE])
TTS_REPLIES: TypeAdapter[TtsReply] = TypeAdapter(Annotated[TtsReply, _TYPE])
ANSWER_LINES: TypeAdapter[AnswerLine] = TypeAdapter(Annotated[AnswerLine, _TYPE])
ANSWER_REQUEST: TypeAdapter[AnswerRequest] = TypeAdapter(AnswerRequest)
RETRIEVE_REQUEST: TypeAdapter[RetrieveRequest] = TypeAdapter(RetrieveRequest)

_M = TypeVar("_M")


def encode(message: Message | AnswerRequest | Retrieved) -> str:
    """The message as JSON, on one line."""
    return json.dumps(asdict(message), ensure_ascii=False, separators=(",", ":"))


def decode(union: TypeAdapter[_M], text: str | bytes) -> _M:
    """The message of that union in a piece of JSON. Raises `WireError`."""
    if len(text) > MAX_MESSAGE_BYTES:
        raise WireError("a message that is too large")
    try:
        return union.validate_json(text)
    except ValidationError as error:
        raise WireError(_what_is_wrong(error)) from None


def failure(code: ErrorCode, message: str) -> Failure:
    """An error of ours, retryable or not by its code."""
    return Failure(code.value, message, retryable=code in RETRYABLE)


def _what_is_wrong(error: ValidationError) -> str:
    first: Mapping[str, object] = dict(error.errors(include_input=False, include_url=False)[0])
    if first["type"] == "union_tag_invalid":
        return "no message of that type is known"
    place = first["loc"]
    where = ".".join(map(str, place)) if isinstance(place, tuple) else ""
    return f"{where}: {first['msg']}" if where else str(first["msg"])
