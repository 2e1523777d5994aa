"""What a new session is, from the client's wishes and the settings."""

from pathlib import Path

import pytest

from agent.assistants.description import Description, StageProviders
from agent.assistants.files import Assistants
from agent.job import NO_BRIEF
from orchestrator.errors import InvalidField
from orchestrator.sessions.opening import UNHEARD, Wishes, open_session
from orchestrator.sessions.session import SessionStatus, is_session_id
from orchestrator.settings import Settings
from tests.unit.orchestrator.sessions import NOW

NO_ASSISTANTS = Assistants()
SHOP = Description(
    name="shop",
    instructions="You are Noor.",
    language="ar-EG",
    voice="Nour",
    greeting="أهلًا بك",
    collection="lamps",
    stages=StageProviders(answers="local"),
)


def _settings(**given: object) -> Settings:
    return Settings.model_validate({"livekit_url": "", **given})


def test_without_wishes_the_settings_decide() -> None:
    """Catches a default that is not the documented one."""
    session, warning = open_session(Wishes(), _settings(), NO_ASSISTANTS, at=NOW)
    assert is_session_id(session.session_id)
    assert session.user_name == "User"
    assert session.voice == "Dennis"
    assert session.opening_line.startswith("Hello")
    assert (session.status, warning) == (SessionStatus.QUEUED, None)


def test_two_users_of_one_name_are_two() -> None:
    """Catches an identity made from the name: the second would throw the first out."""
    wishes = Wishes(user_name="Jane")
    one, _ = open_session(wishes, _settings(), NO_ASSISTANTS, at=NOW)
    two, _ = open_session(wishes, _settings(), NO_ASSISTANTS, at=NOW)
    assert one.user_identity != two.user_identity


def test_the_greeting_is_in_the_sessions_language() -> None:
    """Catches an English greeting for an Arabic session."""
    session, _ = open_session(Wishes(language="ar-EG"), _settings(), NO_ASSISTANTS, at=NOW)
    assert session.opening_line.startswith("مرحب")


def test_an_empty_opening_line_stays_empty() -> None:
    """Catches a greeting for a client that asked for silence."""
    assert (
        open_session(Wishes(opening_line=""), _settings(), NO_ASSISTANTS, at=NOW)[0].opening_line
        == ""
    )
    settings = _settings(opening_line="Hi there.")
    assert open_session(Wishes(), settings, NO_ASSISTANTS, at=NOW)[0].opening_line == "Hi there."


@pytest.mark.parametrize(
    ("language", "keys", "heard"),
    [
        ("ar-EG", {}, False),
        ("en-US", {}, True),
        ("ar-EG", {"assembly_api_key": "k"}, True),
        ("en-US", {"stt_provider": "none"}, False),
    ],
)
def test_a_language_that_nobody_hears_is_said(
    language: str, keys: dict[str, str], heard: bool
) -> None:
    """Catches an Arabic caller without any key who talks to somebody deaf, and is not told."""
    wishes = Wishes(language=language)
    _, warning = open_session(wishes, _settings(**keys), NO_ASSISTANTS, at=NOW)
    assert warning == (None if heard else UNHEARD)


def test_both_warnings_are_told() -> None:
    """Catches one warning that hides the other."""
    wishes = Wishes(language="ar-EG", voice="Zaphod")
    _, warning = open_session(wishes, _settings(), NO_ASSISTANTS, at=NOW)
    assert warning is not None
    assert "Omar" in warning
    assert UNHEARD in warning


def test_an_unknown_voice_falls_back_with_a_warning() -> None:
    """Catches a session that fails for a voice, and a fallback that nobody is told of."""
    session, warning = open_session(Wishes(voice="Zaphod"), _settings(), NO_ASSISTANTS, at=NOW)
    assert session.voice == "Dennis"
    assert warning is not None
    assert "Dennis" in warning


def test_the_collection_must_exist(tmp_path: Path) -> None:
    """Catches a session that can answer nothing, as its documents are misspelt."""
    settings = _settings(data_dir=tmp_path)
    with pytest.raises(InvalidField, match="knowledgeBase"):
        open_session(Wishes(knowledge_base="shop"), settings, NO_ASSISTANTS, at=NOW)
    settings.knowledge_index_dir.mkdir()
    (settings.knowledge_index_dir / "shop.sqlite").touch()
    session, _ = open_session(Wishes(knowledge_base="shop"), settings, NO_ASSISTANTS, at=NOW)
    assert session.knowledge_base == "shop"


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    """Settings of a deployment that has the shop's documents, and settings of its own."""
    settings = _settings(data_dir=tmp_path, default_voice="Omar", opening_line="Hi there.")
    settings.knowledge_index_dir.mkdir()
    for name in ("lamps", "clinic"):
        (settings.knowledge_index_dir / f"{name}.sqlite").touch()
    return settings


def test_an_assistant_wins_over_the_settings(shop: Settings) -> None:
    """Catches a session that is not the assistant's in one thing or another."""
    session, warning = open_session(
        Wishes(assistant="shop"), shop, Assistants({"shop": SHOP}), at=NOW
    )
    assert (session.language, session.voice) == ("ar-EG", "Nour")
    assert (session.opening_line, session.knowledge_base) == ("أهلًا بك", "lamps")
    assert warning == UNHEARD
    brief = session.job(history_turns=4).brief
    assert (brief.assistant, brief.instructions) == ("shop", "You are Noor.")
    assert brief.stages.answers == "local"


def test_a_wish_wins_over_the_assistant(shop: Settings) -> None:
    """Catches an assistant that does not leave a client its choice."""
    wishes = Wishes(
        assistant="shop", voice="Hades", opening_line="", language="en-GB", knowledge_base="clinic"
    )
    session, _ = open_session(wishes, shop, Assistants({"shop": SHOP}), at=NOW)
    assert (session.language, session.voice) == ("en-GB", "Hades")
    assert (session.opening_line, session.knowledge_base) == ("", "clinic")
    assert session.brief.assistant == "shop"


def test_the_settings_say_what_the_assistant_does_not(shop: Settings) -> None:
    """Catches a description that empties what it does not speak of."""
    bare = Assistants({"bare": Description(name="bare")})
    session, _ = open_session(Wishes(assistant="bare"), shop, bare, at=NOW)
    assert (session.language, session.voice, session.opening_line) == ("en-US", "Omar", "Hi there.")
    assert session.knowledge_base == "default"


def test_the_default_assistant(shop: Settings) -> None:
    """Catches a default that is not taken, and one that is taken in place of what was asked for."""
    both = Assistants({"shop": SHOP, "bare": Description(name="bare")})
    assert open_session(Wishes(), shop, both, at=NOW)[0].brief == NO_BRIEF
    default = shop.model_copy(update={"default_assistant": "shop"})
    assert open_session(Wishes(), default, both, at=NOW)[0].brief.assistant == "shop"
    asked = open_session(Wishes(assistant="bare"), default, both, at=NOW)[0]
    assert asked.brief.assistant == "bare"


def test_an_assistant_that_is_not_there(shop: Settings) -> None:
    """Catches a session with nobody, or about documents that are not there."""
    with pytest.raises(InvalidField, match="assistant: there is no assistant"):
        open_session(Wishes(assistant="clerk"), shop, Assistants({"shop": SHOP}), at=NOW)
    lost = Assistants({"lost": Description(name="lost", collection="nowhere")})
    with pytest.raises(InvalidField, match="assistant: its collection"):
        open_session(Wishes(assistant="lost"), shop, lost, at=NOW)
