"""What an agent and a local speech server say to each other, as closed unions.

Recogniser: the agent opens with `Open`, is answered `Opened`, and then sends `Audio` and, at the
end of each utterance, `EndUtterance`. The server sends `Partial` while it hears and one `Final`
for every `EndUtterance`.

Synthesiser: for every `Speak` the server sends `Audio` and one `Spoken`. `Cancel`, or closing
the connection, stops it.

`Refused` may come instead of anything; the server then closes the connection.
"""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from agent.stages.local.wire import Frame, WireError, encode

RECOGNIZER_RATE_HZ = 16_000
SYNTHESIZER_RATE_HZ = 22_050
"""Of espeak-ng; Piper's voices have rates of their own."""
MAX_TEXT_CHARS = 8_000
"""Most that one `Speak` may carry."""
VOICE_PATTERN = r"^[a-z]{2,3}(-[a-z0-9]{2,8})*(\+[a-z][a-z0-9]{0,11})?$"
LANGUAGE_PATTERN = r"^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*)?$"
COLLECTION_PATTERN = r"^([a-z0-9][a-z0-9_-]{0,63})?$"


@dataclass(frozen=True, slots=True)
class Open:
    """Begin to hear, with the vocabulary of a document collection where it has one."""

    collection: Annotated[str, Field(pattern=COLLECTION_PATTERN)] = ""
    language: Annotated[str, Field(pattern=LANGUAGE_PATTERN)] = ""
    """BCP-47, for a recogniser of several; empty: as it finds."""
    type: Literal["open"] = "open"


@dataclass(frozen=True, slots=True)
class Audio:
    """Mono s16le samples at the server's rate."""

    pcm: bytes
    type: Literal["audio"] = "audio"


@dataclass(frozen=True, slots=True)
class EndUtterance:
    """The utterance is over; what comes next begins another."""

    type: Literal["end_utterance"] = "end_utterance"


@dataclass(frozen=True, slots=True)
class Opened:
    """Ready to hear."""

    collection: str
    """Whose vocabulary is in use; empty: general speech only."""
    type: Literal["opened"] = "opened"


@dataclass(frozen=True, slots=True)
class Partial:
    """What has been heard of the utterance so far; all of it, not the latest words only."""

    text: str
    type: Literal["partial"] = "partial"


@dataclass(frozen=True, slots=True)
class Final:
    """What the utterance was; empty when nothing was understood."""

    text: str
    confidence: float
    """0..1."""
    audio_s: float
    type: Literal["final"] = "final"


@dataclass(frozen=True, slots=True)
class Speak:
    """Say this."""

    text: Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
    voice: Annotated[str, Field(pattern=VOICE_PATTERN)]
    rate_wpm: Annotated[int, Field(ge=80, le=450)] = 165
    pitch: Annotated[int, Field(ge=0, le=100)] = 50
    """0 low … 100 high."""
    type: Literal["speak"] = "speak"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop what is being said."""

    type: Literal["cancel"] = "cancel"


@dataclass(frozen=True, slots=True)
class Spoken:
    """No more audio comes for the `Speak` at hand."""

    cancelled: bool
    type: Literal["spoken"] = "spoken"


@dataclass(frozen=True, slots=True)
class Refused:
    """The server will not go on."""

    reason: str
    retryable: bool
    """Whether the same may be served a little later."""
    type: Literal["refused"] = "refused"


RecognizerRequest = Annotated[Open | Audio | EndUtterance, Field(discriminator="type")]
RecognizerReply = Annotated[Opened | Partial | Final | Refused, Field(discriminator="type")]
SynthesizerRequest = Annotated[Speak | Cancel, Field(discriminator="type")]
SynthesizerReply = Annotated[Audio | Spoken | Refused, Field(discriminator="type")]
Message = Open | Audio | EndUtterance | Opened | Partial | Final | Speak | Cancel | Spoken | Refused

RECOGNIZER_REQUESTS: TypeAdapter[Open | Audio | EndUtterance] = TypeAdapter(RecognizerRequest)
RECOGNIZER_REPLIES: TypeAdapter[Opened | Partial | Final | Refused] = TypeAdapter(RecognizerReply)
SYNTHESIZER_REQUESTS: TypeAdapter[Speak | Cancel] = TypeAdapter(SynthesizerRequest)
SYNTHESIZER_REPLIES: TypeAdapter[Audio | Spoken | Refused] = TypeAdapter(SynthesizerReply)

_M = TypeVar("_M")


def pack(message: Message) -> bytes:
    """The message's bytes; raises `WireError` when it is larger than a peer takes."""
    header = asdict(message)
    payload = header.pop("pcm", b"")
    return encode(Frame(json.dumps(header, ensure_ascii=False).encode(), payload))


def unpack(union: TypeAdapter[_M], frame: Frame) -> _M:
    """The message of that union in a frame; raises `WireError` when there is none."""
    try:
        header = json.loads(frame.header)
    except (ValueError, RecursionError) as error:
        raise WireError("a header that is not JSON") from error
    if not isinstance(header, dict):
        raise WireError("a header that is not an object")
    if header.get("type") == "audio":
        header = {"type": "audio", "pcm": frame.payload}
    elif frame.payload:
        raise WireError("a payload without audio")
    try:
        return union.validate_python(header)
    except ValidationError as error:
        raise WireError("a message that is not in the protocol") from error
