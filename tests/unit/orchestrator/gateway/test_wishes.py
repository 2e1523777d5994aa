"""What a client may ask for on the URL."""

from pathlib import Path

import pytest

from agent.assistants.description import Description
from agent.assistants.files import Assistants
from agent.job import Role, Turn
from orchestrator.errors import InvalidField
from orchestrator.gateway.dialects.conversation import DOOR as CONVERSATION
from orchestrator.gateway.dialects.orchestrate import DOOR as ORCHESTRATE
from orchestrator.gateway.sessions import Tenancy
from orchestrator.gateway.wishes import (
    Wishes,
    is_session_id,
    make_job,
    new_session_id,
    read_wishes,
)
from orchestrator.settings import Settings

NO_ASSISTANTS = Assistants()
TENANCY = Tenancy("conversation_1", 3, (), resumed=False)


def settings(folder: Path) -> Settings:
    return Settings(_env_file=None, data_dir=folder, opening_line="Welcome!")  # type: ignore[call-arg] # pydantic's


def test_nothing_is_asked_for() -> None:
    """Catches parameters that are not optional, or that fail when they are empty or unknown."""
    assert read_wishes({}, CONVERSATION) == Wishes()
    empty = dict.fromkeys(Wishes.model_fields, "")
    assert read_wishes({**empty, "anything": "else"}, CONVERSATION) == Wishes()


@pytest.mark.parametrize(
    "query",
    [
        {"audio_format": "flac"},
        {"language": "not a language"},
        {"sample_rate": "x"},
        {"sample_rate": "1"},
        {"pacing": "sometimes"},
        {"opening_line": "x" * 2000},
        {"opening_line": "bell \x07"},
        {"knowledge_base": "../secrets"},
    ],
    ids=str,
)
def test_what_cannot_be_had_is_named(query: dict[str, str]) -> None:
    """Catches a wish that is silently ignored, or that becomes a path."""
    with pytest.raises(InvalidField, match=next(iter(query))):
        read_wishes(query, CONVERSATION)


def test_formats_are_the_doors() -> None:
    """Catches a format that the protocol's clients cannot play."""
    assert read_wishes({"audio_format": "mp3"}, CONVERSATION).audio_format == "mp3"
    with pytest.raises(InvalidField, match="pcm, wav"):
        read_wishes({"audio_format": "mp3"}, ORCHESTRATE)


def test_a_token_is_not_shown() -> None:
    """Catches a secret in a log."""
    assert "secret" not in repr(read_wishes({"token": "secret"}, CONVERSATION))


@pytest.mark.parametrize("door", [CONVERSATION, ORCHESTRATE], ids=lambda door: door.path)
def test_ids(door: object) -> None:
    """Catches ids that can be guessed, and one door's id at another."""
    assert door in (CONVERSATION, ORCHESTRATE)
    one = CONVERSATION if door is CONVERSATION else ORCHESTRATE
    other = ORCHESTRATE if door is CONVERSATION else CONVERSATION
    first, second = new_session_id(one), new_session_id(one)
    assert first != second
    assert len(bytes.fromhex(first.removeprefix(one.id_prefix))) * 8 >= 128
    assert is_session_id(first, one)
    assert not is_session_id(first, other)
    assert not is_session_id(f"{first}:*", one)


def test_no_greeting_unless_it_is_asked_for(tmp_path: Path) -> None:
    """Catches a greeting that a protocol does not have, or one in the middle of a conversation."""
    assert make_job(Wishes(), TENANCY, settings(tmp_path), NO_ASSISTANTS).opening_line == ""
    asked = Wishes(opening_line="Hello!")
    assert make_job(asked, TENANCY, settings(tmp_path), NO_ASSISTANTS).opening_line == "Hello!"
    past = Tenancy("conversation_1", 4, (Turn(Role.USER, "Hi", at=1.0),), resumed=True)
    job = make_job(asked, past, settings(tmp_path), NO_ASSISTANTS)
    assert (job.opening_line, job.history, job.attempt) == ("", past.history, 0)


def test_documents_that_are_not_there(tmp_path: Path) -> None:
    """Catches a conversation about nothing."""
    with pytest.raises(InvalidField, match="knowledge_base"):
        make_job(Wishes(knowledge_base="clinic"), TENANCY, settings(tmp_path), NO_ASSISTANTS)


def test_an_assistant_on_the_url(tmp_path: Path) -> None:
    """Catches an assistant that is chosen and not had, and one that greets where none may."""
    shop = Description(
        name="shop", instructions="You are Noor.", language="ar-EG", voice="Nour", greeting="أهلًا"
    )
    assistants = Assistants({"shop": shop})
    asked = read_wishes({"assistant": "shop"}, CONVERSATION)
    job = make_job(asked, TENANCY, settings(tmp_path), assistants)
    assert (job.language, job.voice, job.opening_line) == ("ar-EG", "Nour", "")
    assert (job.brief.assistant, job.brief.instructions) == ("shop", "You are Noor.")
    own = read_wishes({"assistant": "shop", "language": "en-GB", "voice_id": "Hades"}, ORCHESTRATE)
    job = make_job(own, TENANCY, settings(tmp_path), assistants)
    assert (job.language, job.voice) == ("en-GB", "Hades")
    with pytest.raises(InvalidField, match="assistant"):
        make_job(Wishes(assistant="clinic"), TENANCY, settings(tmp_path), assistants)
