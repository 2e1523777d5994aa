"""What the session API reads and answers, as JSON. Unknown fields are ignored."""

import json
import unicodedata
from collections import Counter
from collections.abc import Container, Iterator
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from agent.assistants.description import Description
from agent.job import Handover, Source, Turn
from agent.knowledge.library import DocumentState, DocumentStatus
from agent.settings import BCP47
from orchestrator.documents import Contents
from orchestrator.sessions.opening import Wishes
from orchestrator.sessions.session import Session, SessionStatus
from orchestrator.settings import Settings

MAX_NAME_CHARS = 100
MAX_OPENING_LINE_CHARS = 1_000
MAX_METADATA_BYTES = 4_096
_FORBIDDEN = frozenset({"Cc", "Cs", "Co", "Cn"})


def _one_line(text: str) -> str:
    """Line breaks and tabs become spaces; other control characters are refused."""
    flat = " ".join(text.split())
    if any(unicodedata.category(each) in _FORBIDDEN for each in flat):
        raise PydanticCustomError("control_characters", "must not hold control characters")
    return flat


def _small(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    try:
        size = len(json.dumps(metadata, allow_nan=False, ensure_ascii=False).encode())
    except (ValueError, RecursionError):
        raise PydanticCustomError("metadata", "must be plain JSON") from None
    if size > MAX_METADATA_BYTES:
        message = "must be at most {limit} bytes of JSON"
        raise PydanticCustomError("metadata_size", message, {"limit": MAX_METADATA_BYTES})
    return metadata


Name = Annotated[str, Field(max_length=MAX_NAME_CHARS), AfterValidator(_one_line)]
Line = Annotated[str, Field(max_length=MAX_OPENING_LINE_CHARS), AfterValidator(_one_line)]
Collection = Annotated[str, Field(max_length=MAX_NAME_CHARS, pattern=r"^\w[\w .-]*$")]
Metadata = Annotated[dict[str, JsonValue], AfterValidator(_small)]


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")


class StartRequest(_Body):
    """Everything is optional."""

    user_name: Name | None = None
    voice_id: Name | None = None
    opening_line: Line | None = None
    language: BCP47 | None = None
    knowledge_base: Collection | None = None
    assistant: Name | None = None
    metadata: Metadata | None = None

    def wishes(self) -> Wishes:
        """The same without JSON's spelling."""
        return Wishes(
            user_name=self.user_name,
            voice=self.voice_id,
            opening_line=self.opening_line,
            language=self.language,
            knowledge_base=self.knowledge_base,
            assistant=self.assistant,
            metadata=self.metadata or {},
        )


class StartAnswer(_Body):
    """What a client needs to join the room."""

    success: Literal[True] = True
    session_id: str
    token: str
    server_url: str
    room_name: str
    message: str = "Session created. Voice agent is being spawned."
    warning: str | None = None


class EndRequest(_Body):
    """Which session to end."""

    session_id: str


class EndAnswer(_Body):
    """How far the end has come."""

    success: Literal[True] = True
    message: str


class SourceAnswer(_Body):
    """A passage that an answer rests on."""

    model_config = ConfigDict(alias_generator=None)

    filename: str
    chunk_index: int
    similarity_score: float
    preview: str

    @classmethod
    def of(cls, source: Source) -> Self:
        """As JSON has it."""
        return cls(
            filename=source.filename,
            chunk_index=source.chunk_index,
            similarity_score=source.similarity_score,
            preview=source.preview,
        )


class TurnAnswer(_Body):
    """One thing that was said."""

    role: str
    text: str
    at: str
    interrupted: bool
    sources: list[SourceAnswer]

    @classmethod
    def of(cls, turn: Turn) -> Self:
        """As JSON has it."""
        return cls(
            role=turn.role.value,
            text=turn.text,
            at=iso(turn.at),
            interrupted=turn.interrupted,
            sources=[SourceAnswer.of(source) for source in turn.sources],
        )


class HandoverStanding(_Body):
    """How asking for a person stands; why, and what was said, is for operators."""

    state: str
    asked_at: str
    changed_at: str

    @classmethod
    def of(cls, handover: Handover) -> Self:
        """As JSON has it."""
        return cls(
            state=handover.state.value,
            asked_at=iso(handover.asked_at),
            changed_at=iso(handover.changed_at),
        )


class SessionAnswer(_Body):
    """The state of a session. Times are ISO 8601 in UTC, null as long as they have not come."""

    success: Literal[True] = True
    session_id: str
    room_name: str
    status: SessionStatus
    user_name: str
    voice_id: str
    language: str
    assistant: str | None
    created_at: str
    agent_joined_at: str | None
    ended_at: str | None
    end_reason: str | None
    error: str | None
    restarts: int
    handover: HandoverStanding | None
    transcript: list[TurnAnswer]

    @classmethod
    def of(cls, session: Session, *, with_transcript: bool) -> Self:
        """As JSON has it."""
        turns = session.turns if with_transcript else ()
        return cls(
            session_id=session.session_id,
            room_name=session.session_id,
            status=session.status,
            user_name=session.user_name,
            voice_id=session.voice,
            language=session.language,
            assistant=session.brief.assistant or None,
            created_at=iso(session.created_at),
            agent_joined_at=_iso_or_none(session.agent_joined_at),
            ended_at=_iso_or_none(session.ended_at),
            end_reason=session.end_reason.value if session.end_reason else None,
            error=session.error or None,
            restarts=session.restarts,
            handover=HandoverStanding.of(session.handover) if session.handover else None,
            transcript=[TurnAnswer.of(turn) for turn in turns],
        )


class TokenRequest(_Body):
    """What LiveKit's token sources send; what it asks of the room itself is not up to a client."""

    model_config = ConfigDict(alias_generator=None)

    participant_name: Name | None = None
    assistant: Name | None = None
    room_config: JsonValue = None

    def assistant_among(self, known: Container[str]) -> str | None:
        """The assistant that is asked for by our own word, or by LiveKit's name of an agent.

        The latter is what the client's author calls an agent: only if it is one of ours.
        """
        return self.assistant or next(
            (name for name in _agent_names(self.room_config) if name in known), None
        )


def _agent_names(room_config: JsonValue) -> Iterator[str]:
    """Of `{"agents": [{"agent_name": …}]}`, in either spelling, whatever else it may be."""
    agents = room_config.get("agents") if isinstance(room_config, dict) else None
    for agent in agents if isinstance(agents, list) else []:
        if isinstance(agent, dict):
            name = agent.get("agent_name", agent.get("agentName"))
            if isinstance(name, str):
                yield name


class TokenAnswer(BaseModel):
    """In both spellings: starter apps read camel case, the SDKs' token sources snake case."""

    serverUrl: str  # noqa: N815
    roomName: str  # noqa: N815
    participantName: str  # noqa: N815
    participantToken: str  # noqa: N815
    server_url: str
    room_name: str
    participant_name: str
    participant_token: str


class AssistantAnswer(_Body):
    """One assistant, as people choose it: neither its instructions nor how its tools work."""

    name: str
    description: str
    language: str
    voice: str | None
    greeting: bool
    """Whether it has one of its own."""
    collection: str
    tools: list[str]

    @classmethod
    def of(cls, description: Description, settings: Settings) -> Self:
        """As JSON has it, with what the settings say where it says nothing."""
        return cls(
            name=description.name,
            description=description.description,
            language=description.language or settings.default_language_code,
            voice=description.voice or settings.default_voice,
            greeting=bool(description.greeting),
            collection=description.collection or settings.knowledge_base,
            tools=[tool.name for tool in description.tools],
        )


class AssistantsAnswer(_Body):
    """Which assistants there are, and which one talks where none is chosen."""

    success: Literal[True] = True
    default: str | None
    assistants: list[AssistantAnswer]


class CollectionsAnswer(_Body):
    """Which collections there are."""

    success: Literal[True] = True
    collections: list[str]


class ProgressAnswer(_Body):
    """How far the files are that are new or changed."""

    done: int
    total: int
    filename: str


class CollectionAnswer(_Body):
    """How far a collection is indexed."""

    success: Literal[True] = True
    collection: str
    status: Literal["idle", "queued", "indexing"]
    documents: dict[DocumentStatus, int]
    passages: int
    progress: ProgressAnswer | None

    @classmethod
    def of(cls, contents: Contents) -> Self:
        """As JSON has it."""
        counts = Counter(each.status for each in contents.documents)
        progress = contents.progress
        waiting = counts[DocumentStatus.QUEUED] + counts[DocumentStatus.REMOVING]
        return cls(
            collection=contents.name,
            status="indexing" if progress is not None else "queued" if waiting else "idle",
            documents={status: counts[status] for status in DocumentStatus},
            passages=sum(each.passages for each in contents.documents),
            progress=None
            if progress is None
            else ProgressAnswer(
                done=progress.done, total=progress.total, filename=progress.filename
            ),
        )


class DocumentAnswer(_Body):
    """One document of a collection."""

    filename: str
    status: DocumentStatus
    bytes: int
    passages: int
    error: str | None
    changed_at: str
    uploaded: bool

    @classmethod
    def of(cls, state: DocumentState) -> Self:
        """As JSON has it."""
        return cls(
            filename=state.filename,
            status=state.status,
            bytes=state.bytes,
            passages=state.passages,
            error=state.error or None,
            changed_at=iso(state.changed_at),
            uploaded=state.uploaded,
        )


class DocumentsAnswer(_Body):
    """Documents of a collection, by name."""

    success: Literal[True] = True
    collection: str
    total: int
    documents: list[DocumentAnswer]


class UploadedDocument(_Body):
    """What became of one file that was sent."""

    filename: str
    status: DocumentStatus | Literal["refused"]
    error: str | None


class UploadAnswer(_Body):
    """What became of each file that was sent."""

    success: Literal[True] = True
    collection: str
    documents: list[UploadedDocument]


class RemovedAnswer(_Body):
    """The file is gone."""

    success: Literal[True] = True
    message: str


class ErrorDetail(BaseModel):
    """What went wrong, for programs and for people."""

    code: str
    message: str


class ErrorAnswer(BaseModel):
    """Every error of the API."""

    success: Literal[False] = False
    error: ErrorDetail


def iso(at: float) -> str:
    """Unix seconds as ISO 8601 in UTC with a `Z`."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _iso_or_none(at: float | None) -> str | None:
    return None if at is None else iso(at)
