"""In which variety of a language a conversation is heard and spoken."""

import pytest

from agent.settings import AgentSettings
from agent.stages.languages import heard_language, spoken_language


def settings(**given: object) -> AgentSettings:
    """Settings that no environment has a say in."""
    return AgentSettings.model_construct(**given)  # type: ignore[arg-type]  # checked by the tests


@pytest.mark.parametrize(
    ("asked", "heard", "spoken"),
    [
        ("ar-EG", "ar-EG", "ar-XA"),
        ("ar", "ar-EG", "ar-XA"),
        ("ar-XA", "ar-EG", "ar-XA"),
        ("ar-SA", "ar-SA", "ar-XA"),
        ("en", "en-US", "en-US"),
        ("en-GB", "en-GB", "en-GB"),
        ("fr-FR", "fr-FR", "fr-FR"),
    ],
)
def test_arabic_is_heard_as_of_egypt_and_spoken_as_of_everywhere(
    asked: str, heard: str, spoken: str
) -> None:
    """Catches a recogniser asked for `ar-XA`, which is no country's."""
    assert heard_language(asked) == heard
    assert spoken_language(asked, settings()) == spoken


def test_the_voice_of_the_settings_is_for_its_own_language_only() -> None:
    """Catches English sessions that are spoken by an Arabic voice since one was set."""
    given = settings(tts_language_code="ar-SA")
    assert spoken_language("ar-EG", given) == "ar-SA"
    assert spoken_language("en-US", given) == "en-US"
