"""What a client asks for on the URL, and what it gets where it asks for nothing."""

import re
import secrets
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.assistants.files import Assistants
from agent.job import Job
from agent.settings import BCP47
from agent.stages.voices import resolve_voice
from orchestrator.api.schemas import Collection, Line, Name
from orchestrator.assistants import brief_of, choose_assistant
from orchestrator.errors import InvalidField
from orchestrator.gateway.audio.recognise import OutputFormat
from orchestrator.gateway.dialect import Door
from orchestrator.gateway.sessions import Tenancy
from orchestrator.sessions.opening import knowledge_base
from orchestrator.settings import Settings

_ID_BYTES = 16
_ID = re.compile(r"[A-Za-z0-9_-]{8,128}")


class Wishes(BaseModel):
    """The parameters of the URL. Unknown ones are ignored, empty ones are not there."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    session_id: str | None = None
    language: BCP47 | None = None
    voice_id: Name | None = None
    knowledge_base: Collection | None = None
    assistant: Name | None = None
    opening_line: Line | None = None
    token: str | None = Field(default=None, repr=False)
    audio_format: OutputFormat | None = None
    sample_rate: Annotated[int, Field(ge=8_000, le=48_000)] | None = None
    pacing: Literal["none", "realtime"] | None = None


def read_wishes(query: Mapping[str, str], door: Door) -> Wishes:
    """Raises `InvalidField`, which names the parameter."""
    try:
        wishes = Wishes.model_validate({name: value for name, value in query.items() if value})
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidField(f"{first['loc'][0]}: {first['msg']}") from None
    if wishes.audio_format is not None and wishes.audio_format not in door.outputs:
        known = ", ".join(sorted(door.outputs))
        raise InvalidField(f"audio_format: one of {known}")
    return wishes


def new_session_id(door: Door) -> str:
    """An id that nobody guesses: who knows it can take the session up."""
    return f"{door.id_prefix}{secrets.token_hex(_ID_BYTES)}"


def is_session_id(text: str, door: Door) -> bool:
    """Whether it may be an id of this door's."""
    return text.startswith(door.id_prefix) and _ID.fullmatch(text) is not None


def make_job(wishes: Wishes, tenancy: Tenancy, settings: Settings, assistants: Assistants) -> Job:
    """The conversation to hold: a wish wins over the assistant's description, and that over the
    settings. But it is greeted only where a line was wished for.

    Raises `InvalidField` for an assistant or a collection that does not exist.
    """
    chosen = choose_assistant(wishes.assistant, settings, assistants)
    language = wishes.language or chosen.language or settings.default_language_code
    asked = wishes.voice_id or chosen.voice or settings.default_voice
    voice = resolve_voice(asked, language, settings.tts_voice_gender).name
    return Job(
        session_id=tenancy.session_id,
        fence=tenancy.fence,
        user_identity=f"user-{tenancy.session_id}",
        user_name="User",
        language=language,
        voice=voice,
        opening_line="" if tenancy.history else wishes.opening_line or "",
        knowledge_base=knowledge_base(
            wishes.knowledge_base, chosen, settings, field="knowledge_base"
        ),
        metadata={},
        history=tenancy.history,
        brief=brief_of(chosen),
    )
