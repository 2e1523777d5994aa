"""What a new session is, from the client's wishes and the settings."""

from pathlib import Path

import pytest

from orchestrator.errors import InvalidField
from orchestrator.sessions.opening import Wishes, open_session
from orchestrator.sessions.session import SessionStatus, is_session_id
from orchestrator.settings import Settings
from tests.unit.orchestrator.sessions import NOW


def _settings(**given: object) -> Settings:
    return Settings.model_validate({"livekit_url": "", **given})


def test_without_wishes_the_settings_decide() -> None:
    """Catches a default that is not the documented one."""
    session, warning = open_session(Wishes(), _settings(), at=NOW)
    assert is_session_id(session.session_id)
    assert session.user_name == "User"
    assert session.voice == "Dennis"
    assert session.opening_line.startswith("Hello")
    assert (session.status, warning) == (SessionStatus.QUEUED, None)


def test_two_users_of_one_name_are_two() -> None:
    """Catches an identity made from the name: the second would throw the first out."""
    wishes = Wishes(user_name="Jane")
    one, _ = open_session(wishes, _settings(), at=NOW)
    two, _ = open_session(wishes, _settings(), at=NOW)
    assert one.user_identity != two.user_identity


def test_the_greeting_is_in_the_sessions_language() -> None:
    """Catches an English greeting for an Arabic session."""
    session, _ = open_session(Wishes(language="ar-EG"), _settings(), at=NOW)
    assert session.opening_line.startswith("مرحب")


def test_an_empty_opening_line_stays_empty() -> None:
    """Catches a greeting for a client that asked for silence."""
    assert open_session(Wishes(opening_line=""), _settings(), at=NOW)[0].opening_line == ""
    settings = _settings(opening_line="Hi there.")
    assert open_session(Wishes(), settings, at=NOW)[0].opening_line == "Hi there."


def test_an_unknown_voice_falls_back_with_a_warning() -> None:
    """Catches a session that fails for a voice, and a fallback that nobody is told of."""
    session, warning = open_session(Wishes(voice="Zaphod"), _settings(), at=NOW)
    assert session.voice == "Dennis"
    assert warning is not None
    assert "Dennis" in warning


def test_the_collection_must_exist(tmp_path: Path) -> None:
    """Catches a session that can answer nothing, as its documents are misspelt."""
    settings = _settings(data_dir=tmp_path)
    with pytest.raises(InvalidField, match="knowledgeBase"):
        open_session(Wishes(knowledge_base="shop"), settings, at=NOW)
    settings.knowledge_index_dir.mkdir()
    (settings.knowledge_index_dir / "shop.sqlite").touch()
    session, _ = open_session(Wishes(knowledge_base="shop"), settings, at=NOW)
    assert session.knowledge_base == "shop"
