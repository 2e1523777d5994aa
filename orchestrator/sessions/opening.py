"""A new session, from what the client asked for and what the settings have for the rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from agent.assistants.description import Description
from agent.assistants.files import Assistants
from agent.stages.choice import StageNames, choose
from agent.stages.errors import StageUnavailable
from agent.stages.voices import resolve_voice
from orchestrator.assistants import brief_of, choose_assistant
from orchestrator.errors import InvalidField
from orchestrator.sessions.session import Session, new_session_id
from orchestrator.settings import Settings

DEFAULT_USER_NAME = "User"
UNHEARD = "Speech in this language is not recognised here; what is typed is answered."
_GREETINGS = {
    "en": "Hello! How can I help you?",
    "ar": "مرحبًا! كيف يمكنني مساعدتك؟",
}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the client asked for; None: nothing."""

    user_name: str | None = None
    voice: str | None = None
    opening_line: str | None = None
    """Empty: the agent is to say nothing first."""
    language: str | None = None
    knowledge_base: str | None = None
    assistant: str | None = None
    """Its name."""
    metadata: Mapping[str, JsonValue] = field(default_factory=dict)


def open_session(
    wishes: Wishes,
    settings: Settings,
    assistants: Assistants,
    *,
    at: float,
    deployment: str = "",
) -> tuple[Session, str | None]:
    """The session to start, and a warning for the client where a wish could not be met.

    A wish wins over the assistant's description, and that over the settings. Raises `InvalidField`
    for an assistant or a collection of documents that does not exist.
    """
    chosen = choose_assistant(wishes.assistant, settings, assistants)
    language = wishes.language or chosen.language or settings.default_language_code
    voice, voice_warning = _voice(wishes.voice or chosen.voice, language, settings)
    warnings = filter(None, (voice_warning, _deafness(language, chosen, settings)))
    greeting = chosen.greeting if wishes.opening_line is None else wishes.opening_line
    session_id = new_session_id(at)
    session = Session(
        session_id=session_id,
        user_identity=f"user-{session_id}",
        user_name=wishes.user_name or DEFAULT_USER_NAME,
        language=language,
        voice=voice,
        opening_line=_opening_line(greeting, language, settings),
        knowledge_base=knowledge_base(
            wishes.knowledge_base, chosen, settings, field="knowledgeBase"
        ),
        metadata=wishes.metadata,
        deployment=deployment,
        brief=brief_of(chosen),
        created_at=at,
        queued_at=at,
    )
    return session, " ".join(warnings) or None


def _deafness(language: str, chosen: Description, settings: Settings) -> str | None:
    """What to tell a client whose user cannot be heard, where that is known beforehand."""
    try:
        stages = choose(settings, StageNames(**chosen.stages.model_dump()))
    except StageUnavailable:
        return None  # the session itself says what is wrong
    return None if stages.hears(language) else UNHEARD


def _voice(asked: str | None, language: str, settings: Settings) -> tuple[str, str | None]:
    voice = resolve_voice(asked or settings.default_voice, language, settings.tts_voice_gender)
    if voice.known or not asked:
        return voice.name, None
    return voice.name, f"The voice asked for is not known; {voice.name} speaks instead."


def _opening_line(asked: str | None, language: str, settings: Settings) -> str:
    if asked is not None:
        return asked
    if settings.opening_line is not None:
        return settings.opening_line
    return _GREETINGS.get(language.lower().partition("-")[0], _GREETINGS["en"])


def knowledge_base(
    asked: str | None, chosen: Description, settings: Settings, *, field: str
) -> str:
    """The collection that was asked for, or the assistant's, or the settings'.

    Raises `InvalidField` for one that was named and does not exist; `field` is the request's word.
    """
    name = asked or chosen.collection
    if name is None:
        return settings.knowledge_base
    # there is no path separator in it: the schemas of requests and assistants see to that
    if not (settings.knowledge_index_dir / f"{name}.sqlite").is_file():
        if asked is None:
            raise InvalidField("assistant: its collection of documents does not exist.")
        raise InvalidField(f"{field}: there is no collection of that name.")
    return name
