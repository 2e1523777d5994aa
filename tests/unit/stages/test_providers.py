"""The table of providers, and where its keys come from."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from agent.settings import PROJECT_ROOT, AgentSettings
from agent.stages.choice import StageNames, choose, what_is_missing
from agent.stages.errors import StageUnavailable
from agent.stages.providers import (
    PROVIDERS,
    STAGES,
    VARIABLES,
    Offer,
    Request,
    Stage,
    find_provider,
)
from agent.stages.voices import resolve_voice

SECRET = "do-not-tell"
PROJECT = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
PLUGIN_OFFERS = [
    pytest.param(offer, id=f"{provider.name}-{stage}")
    for provider in PROVIDERS
    for stage in STAGES
    if (offer := provider.offer(stage)) is not None and offer.module.startswith("livekit.")
]


def with_keys(*names: str) -> AgentSettings:
    variables = {name: SecretStr(SECRET) for name in names}
    return AgentSettings.model_construct(provider_variables=variables)


def built(name: str, stage: Stage, *keys: str, language: str = "en-US") -> object:
    provider = find_provider(name)
    assert provider is not None
    offer = provider.offer(stage)
    assert offer is not None
    voice = resolve_voice(None, language, "female")
    return offer.build(Request(with_keys(*keys), language, voice, "default"))


def test_names_are_unique() -> None:
    """Catches a provider that another one hides."""
    names = [provider.name for provider in PROVIDERS]
    assert len(names) == len(set(names))
    assert all(name == name.lower() and "," not in name for name in names)


@pytest.mark.parametrize("offer", PLUGIN_OFFERS)
def test_each_plugin_can_be_installed_as_it_is_told(offer: Offer[Any]) -> None:
    """Catches a remedy that installs nothing, and a plugin that `all` leaves out."""
    package = offer.module.replace(".", "-")
    where = EXTRAS[offer.extra] if offer.extra else PROJECT["dependencies"]
    assert any(each.startswith(package) for each in where)
    assert not offer.extra or any(each.startswith(package) for each in EXTRAS["all"])


@pytest.mark.parametrize("offer", PLUGIN_OFFERS)
def test_a_key_is_all_that_a_provider_needs(offer: Offer[Any], tmp_path: Path) -> None:
    """Catches a provider that is said to be ready and cannot be built, or that tells its key."""
    file = tmp_path / "account.json"
    file.write_text("{}")
    wanted = {group[0]: SecretStr(SECRET) for group in offer.needs}
    for name in wanted:
        if name == "GOOGLE_APPLICATION_CREDENTIALS":
            wanted[name] = SecretStr(str(file))
        elif name.endswith(("_URL", "_ENDPOINT")):
            wanted[name] = SecretStr("https://vendor.example")
    fields: dict[str, Any] = {name.lower(): value for name, value in wanted.items()}
    settings = AgentSettings.model_construct(provider_variables=wanted, **fields)
    assert what_is_missing(offer, settings, lambda _: True) is None
    for language in ("en-US", "ar-EG"):
        voice = resolve_voice(None, language, "male")
        made = offer.build(Request(settings, language, voice, "default"))
        assert made is not None
        assert SECRET not in repr(made)
    for name in wanted:
        others = AgentSettings.model_construct(
            provider_variables={n: v for n, v in wanted.items() if n != name}
        )
        missing = what_is_missing(offer, others, lambda _: True)
        assert missing is not None
        assert missing.variable == name


def test_google_speaks_arabic_by_its_own_code_and_hears_it_by_another(tmp_path: Path) -> None:
    """Catches `ar-EG` spoken and `ar-XA` heard, neither of which Google knows."""
    file = tmp_path / "account.json"
    file.write_text("{}")
    keys = {"GOOGLE_APPLICATION_CREDENTIALS": SecretStr(str(file))}
    settings = AgentSettings.model_construct(provider_variables=keys)
    google = find_provider("google")
    assert google is not None
    assert google.speech is not None
    assert google.recognition is not None
    for asked, streams in (("ar-XA-Wavenet-B", False), (None, True)):
        voice = resolve_voice(asked, "ar-EG", "male")
        speech = google.speech.build(Request(settings, "ar-EG", voice, "default"))
        assert speech is not None
        spoken = speech._opts.voice  # type: ignore[attr-defined]  # the plugin's
        assert spoken.language_code == "ar-XA"
        assert spoken.name == (asked or "ar-XA-Chirp3-HD-Charon")
        assert not spoken.model_name
        assert speech.capabilities.streaming is streams
        heard = google.recognition.build(Request(settings, "ar-XA", voice, "default"))
        assert heard is not None
        assert heard._config.languages == ["ar-EG"]  # type: ignore[attr-defined]  # the plugin's


@pytest.mark.parametrize(
    ("language", "codes"), [("ar-EG", ["ar", "en"]), ("en-GB", ["en"]), ("fr-FR", ["fr"])]
)
def test_who_speaks_arabic_may_mix_it_with_english(language: str, codes: list[str]) -> None:
    """Catches English words in Arabic speech that are forced into Arabic."""
    made = built("assemblyai", "recognition", "ASSEMBLYAI_API_KEY", language=language)
    assert made._opts.language_codes == codes  # type: ignore[attr-defined]  # the plugin's


def test_another_plugin_is_had_by_its_name() -> None:
    """Catches a plugin that gets no key, or that is not told as what it is."""
    made = built("plugin:rime", "speech", "RIME_API_KEY")
    assert type(made).__module__.startswith("livekit.plugins.rime")
    assert made._api_key == SECRET  # type: ignore[attr-defined]  # the plugin's
    choice = choose(with_keys("RIME_API_KEY"), StageNames(speech="plugin:rime,local"))
    assert [member.provider for member in choice.speech.chain] == ["plugin:rime", "local"]


@pytest.mark.parametrize(
    ("name", "stage", "words"),
    [
        ("plugin:rime", "speech", "RIME_API_KEY"),
        ("plugin:rime", "recognition", "no class STT"),
    ],
)
def test_a_plugin_that_cannot_serve_says_why(
    name: str, stage: Stage, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a session that ends with a traceback of somebody else's."""
    monkeypatch.delenv("RIME_API_KEY", raising=False)
    with pytest.raises(StageUnavailable, match=words):
        built(name, stage)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("plugin:nobody", "pip install livekit-plugins-nobody"),
        ("plugin:", "no such provider"),
        ("plugin:../x", "no such provider"),
        ("plugin:os.path", "no such provider"),
    ],
)
def test_a_plugin_that_is_not_there_is_an_error(name: str, words: str) -> None:
    """Catches a name that imports something else, and one that is dropped without a word."""
    with pytest.raises(StageUnavailable, match=words):
        choose(with_keys(), StageNames(speech=name))


def test_variables_of_providers_come_from_the_environment_and_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches keys of `.env` that no provider gets, the wrong one of two, and keys in a repr."""
    file = tmp_path / ".env"
    file.write_text(
        f"DEEPGRAM_API_KEY={SECRET}\nANTHROPIC_API_KEY=of-the-file\nCARTESIA_API_KEY=\n"
        f"GROQ_API_KEY={SECRET}\n"
    )
    monkeypatch.setenv("ANTHROPIC_API_KEY", "of-the-environment")
    settings = AgentSettings(_env_file=file)  # type: ignore[call-arg]  # pydantic-settings' own
    assert settings.variable("DEEPGRAM_API_KEY") == SECRET
    assert settings.variable("ANTHROPIC_API_KEY") == "of-the-environment"
    assert settings.variable("CARTESIA_API_KEY") == ""
    assert settings.variable("GROQ_API_KEY") == SECRET
    assert "GROQ_API_KEY" not in settings.provider_variables
    assert SECRET not in repr(settings)
    assert SECRET not in settings.model_dump_json()


def test_every_variable_is_a_plain_name() -> None:
    """Catches a variable that no shell can set."""
    assert all(name.replace("_", "").isalnum() and name.isupper() for name in VARIABLES)
