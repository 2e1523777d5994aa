"""Which provider serves a stage."""

import subprocess
import sys

import pytest
from pydantic import SecretStr

from agent.settings import AgentSettings
from agent.stages.choice import Chosen, StageChoice, StageNames, choose
from agent.stages.errors import StageUnavailable


def settings(**given: object) -> AgentSettings:
    """Settings that no environment has a say in."""
    return AgentSettings.model_construct(**given)  # type: ignore[arg-type]  # checked by the tests


def chosen(**given: object) -> StageChoice:
    keys = {name: SecretStr("k") for name, value in given.items() if value == "key"}
    return choose(settings(**{**given, **keys}), installed=lambda _: True)


def names(chosen: Chosen) -> list[str]:
    return [member.provider for member in chosen.chain]


def test_without_keys_everything_is_local() -> None:
    """Catches a fresh install that wants a key."""
    choice = chosen()
    assert choice.recognition.local
    assert choice.answers.local
    assert choice.speech.local


def test_a_key_is_enough() -> None:
    """Catches deployments that set their keys, as ever, and get the local stages."""
    choice = chosen(assembly_api_key="key", groq_api_key="key", inworld_api_key="key")
    assert choice.banner == (
        "recognition: AssemblyAI (ASSEMBLY_API_KEY), then local",
        "answers: Groq (GROQ_API_KEY), then local",
        "speech: Inworld (INWORLD_API_KEY), then local",
    )


def test_a_groq_key_alone_leaves_speech_local() -> None:
    """Catches `auto` taking a provider for stages that it serves by name only."""
    choice = chosen(groq_api_key="key")
    assert (choice.recognition.provider, choice.speech.provider) == ("local", "local")


def test_a_name_wins_over_keys() -> None:
    """Catches a choice of the operator's that is not honoured."""
    choice = chosen(
        groq_api_key="key", inworld_api_key="key", tts_provider="Groq", llm_provider="local"
    )
    assert choice.speech.provider == "groq"
    assert choice.speech.told == "Groq (TTS_PROVIDER=groq)"
    assert choice.answers.local


def test_a_list_is_the_order_of_fallback() -> None:
    """Catches a list that is sorted as the table is, or filled up with what nobody asked for."""
    choice = chosen(groq_api_key="key", llm_provider="local, groq", stt_provider="GROQ,auto")
    assert names(choice.answers) == ["local", "groq"]
    assert choice.answers.told == "local (LLM_PROVIDER=local, groq), then Groq"
    assert names(choice.recognition) == ["groq", "local"]


def test_nobody_is_in_a_list_twice() -> None:
    """Catches `auto` moving the provider that was named first to where it has it itself."""
    choice = chosen(groq_api_key="key", llm_provider="groq,local,auto,groq")
    assert names(choice.answers) == ["groq", "local"]


def test_a_key_of_two_is_told_of() -> None:
    """Catches a key that is set and of no effect without a word."""
    given = settings(provider_variables={"AZURE_SPEECH_KEY": SecretStr("k")})
    choice = choose(given, installed=lambda _: True)
    assert names(choice.speech) == ["local"]
    assert "left out: Azure: AZURE_SPEECH_REGION is not set" in choice.speech.told
    assert not choice.speech.remedy
    missing = settings(provider_variables={"GOOGLE_APPLICATION_CREDENTIALS": SecretStr("/none")})
    assert "Google" in choose(missing, installed=lambda _: True).recognition.told


def test_a_conversation_may_have_its_own() -> None:
    """Catches names of a conversation that are dropped, or that change what it left open."""
    given = settings(groq_api_key=SecretStr("k"), tts_provider="none")
    own = StageNames(recognition="groq,local", answers="local")
    choice = choose(given, own, installed=lambda _: True)
    assert names(choice.recognition) == ["groq", "local"]
    assert names(choice.answers) == ["local"]
    assert names(choice.speech) == ["none"]


@pytest.mark.parametrize("asked", ["", " , ", "none,local", "local,nobody"])
def test_a_list_that_says_nothing_is_an_error(asked: str) -> None:
    """Catches lists that end as no stage at all."""
    with pytest.raises(StageUnavailable) as caught:
        chosen(tts_provider=asked)
    assert caught.value.setting == "TTS_PROVIDER"
    assert caught.value.stage == "speech"


def test_a_plugin_that_is_not_installed_is_left_out_with_the_remedy() -> None:
    """Catches a key that is set and of no effect without a word, and a start that stops for it."""
    given = settings(inworld_api_key=SecretStr("k"))
    absent = "livekit.plugins.inworld"
    choice = choose(given, installed=lambda asked: asked != absent)
    assert names(choice.speech) == ["local"]
    assert "pip install livekit-plugins-inworld" in choice.speech.told
    with pytest.raises(StageUnavailable, match="pip install livekit-plugins-inworld"):
        choose(given, StageNames(speech="inworld"), installed=lambda asked: asked != absent)


@pytest.mark.parametrize(
    ("given", "setting", "words"),
    [
        ({"stt_provider": "whisperer"}, "STT_PROVIDER", ("auto", "assemblyai", "local")),
        ({"tts_provider": "assemblyai"}, "TTS_PROVIDER", ("inworld",)),
        ({"stt_provider": "assemblyai"}, "ASSEMBLY_API_KEY", ("STT_PROVIDER=auto",)),
    ],
)
def test_what_cannot_be_had_is_said(
    given: dict[str, str], setting: str, words: tuple[str, ...]
) -> None:
    """Catches errors that do not name the variable and the remedy."""
    with pytest.raises(StageUnavailable) as caught:
        chosen(**given)
    assert caught.value.setting == setting
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("module", "at", "key"),
    [("pocketsphinx", 0, "ASSEMBLY_API_KEY"), ("espeakng_loader", 2, "INWORLD_API_KEY")],
)
def test_a_missing_wheel_is_said_with_the_remedy(module: str, at: int, key: str) -> None:
    """Catches a platform on which one library stops everything, or is missed without a word."""
    choice = choose(settings(), installed=lambda asked: asked != module)
    missing = choice.stages[at]
    assert missing.provider == "none"
    assert module in missing.told
    assert key in missing.told
    others = {0, 1, 2} - {at}
    assert all(choice.stages[other].local and not choice.stages[other].remedy for other in others)


@pytest.mark.parametrize("setting", ["STT_PROVIDER", "TTS_PROVIDER"])
def test_a_missing_wheel_that_was_asked_for_by_name_is_an_error(setting: str) -> None:
    """Catches an operator's wish that is dropped without their knowing."""
    with pytest.raises(StageUnavailable) as caught:
        choose(settings(**{setting.lower(): "local"}), installed=lambda _: False)
    assert caught.value.setting == setting
    assert f"{setting}=none" in str(caught.value)


def test_a_stage_can_be_done_without_by_name() -> None:
    """Catches a wish that is taken for a fault, and answers that nobody writes."""
    choice = chosen(stt_provider="none", tts_provider="none", assembly_api_key="key")
    assert [stage.provider for stage in choice.stages] == ["none", "local", "none"]
    assert not any(stage.remedy for stage in choice.stages)
    with pytest.raises(StageUnavailable):
        chosen(llm_provider="none")


def test_a_missing_wheel_that_is_not_needed_is_no_matter() -> None:
    """Catches a check of what is not used."""
    given = settings(assembly_api_key=SecretStr("k"), inworld_api_key=SecretStr("k"))
    choice = choose(given, installed=lambda asked: asked.startswith("livekit."))
    assert names(choice.recognition) == ["assemblyai"]
    assert not choice.recognition.remedy


def test_only_english_is_heard_locally() -> None:
    """Catches Arabic speech sent to an English recogniser."""
    assert chosen().hears("en-GB")
    assert not chosen().hears("ar-EG")
    assert chosen(assembly_api_key="key").hears("ar-EG")
    assert not chosen(stt_provider="none").hears("en-US")


def test_choosing_does_not_import_the_framework() -> None:
    """Catches a start-up banner that takes seconds."""
    code = (
        "import sys; from agent.stages.choice import choose;"
        "sys.exit(any(name.split('.')[0] == 'livekit' for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
