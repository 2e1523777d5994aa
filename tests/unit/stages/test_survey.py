"""What there is for each stage, and what is told of it."""

import pytest
from pydantic import SecretStr

from agent.settings import AgentSettings
from agent.stages.survey import (
    StageSurvey,
    Standing,
    installed_plugins,
    survey_stages,
    survey_voices,
)

SECRET = "do-not-tell"


def settings(**given: object) -> AgentSettings:
    """Settings that no environment has a say in."""
    return AgentSettings.model_construct(**given)  # type: ignore[arg-type]  # checked by the tests


def with_keys(*names: str, **given: object) -> AgentSettings:
    return settings(provider_variables={name: SecretStr(SECRET) for name in names}, **given)


def surveyed(given: AgentSettings, *absent: str) -> dict[str, StageSurvey]:
    found = survey_stages(given, installed=lambda module: module not in absent)
    return {survey.stage: survey for survey in found}


def standing(survey: StageSurvey, provider: str) -> Standing:
    return next(each for each in survey.providers if each.provider == provider)


def test_what_is_missing_is_told_all_at_once() -> None:
    """Catches somebody who sets a key, only to be told next that a package is missing too."""
    survey = surveyed(settings(), "livekit.plugins.deepgram")["recognition"]
    deepgram = standing(survey, "deepgram")
    assert [str(each) for each in deepgram.missing] == [
        "DEEPGRAM_API_KEY is not set; set DEEPGRAM_API_KEY",
        "livekit-plugins-deepgram is not installed; pip install -e '.[deepgram]'",
    ]


def test_a_key_makes_a_provider_ready_and_used() -> None:
    """Catches a list that is not what conversations get."""
    survey = surveyed(with_keys("DEEPGRAM_API_KEY"))["recognition"]
    assert standing(survey, "deepgram").missing == ()
    assert survey.chain == ("deepgram", "local")
    assert survey.told == "Deepgram (DEEPGRAM_API_KEY), then local"


def test_what_is_wrong_with_one_stage_hides_no_other() -> None:
    """Catches a mistake in one setting for which nothing at all is told."""
    found = surveyed(settings(stt_provider="deepgram"))
    assert found["recognition"].chain == ()
    assert "DEEPGRAM_API_KEY" in found["recognition"].told
    assert found["speech"].chain == ("local",)


def test_keys_are_told_by_name_only() -> None:
    """Catches a secret in what everybody may read, or in a log of it."""
    given = with_keys("DEEPGRAM_API_KEY", "ANTHROPIC_API_KEY", "ELEVEN_API_KEY")
    assert SECRET not in repr(survey_stages(given, installed=lambda _: True))
    assert SECRET not in repr(given)


@pytest.mark.parametrize(
    ("keys", "language", "name", "speakers"),
    [
        ((), "en-US", "Ashley", [("local", "en-us+f3")]),
        (
            ("ELEVEN_API_KEY",),
            "ar-EG",
            "Omar",
            [("elevenlabs", "nPczCjzI2devNBz1zQrb"), ("local", "ar+m3")],
        ),
        (
            ("AZURE_SPEECH_KEY", "AZURE_SPEECH_REGION"),
            "ar-EG",
            "ar-EG-SalmaNeural",
            [("azure", "ar-EG-SalmaNeural"), ("local", "ar+f3")],
        ),
    ],
)
def test_voices_are_told_with_who_speaks_them(
    keys: tuple[str, ...], language: str, name: str, speakers: list[tuple[str, str]]
) -> None:
    """Catches a voice that is offered as one thing and heard as another."""
    voices = survey_voices(with_keys(*keys), language, installed=lambda _: True)
    spoken = next(each for each in voices if each.voice.name == name)
    assert [(each.provider, each.voice) for each in spoken.speakers] == speakers


def test_without_speech_nobody_speaks() -> None:
    """Catches voices that are promised where answers are only read."""
    voices = survey_voices(settings(tts_provider="none"), "en-US", installed=lambda _: True)
    assert voices
    assert not any(each.speakers for each in voices)


def test_other_plugins_are_found_by_their_name() -> None:
    """Catches a plugin that is installed and not told of, and one that is told of twice."""
    found = installed_plugins()
    assert "plugin:rime" in found
    assert "plugin:deepgram" not in found
