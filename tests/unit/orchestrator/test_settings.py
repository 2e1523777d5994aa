"""Settings: what they read, and what they say about a wrong one."""

from pathlib import Path

import pytest
from pydantic_settings import SettingsConfigDict

from agent.settings import PROJECT_ROOT, AgentSettings
from orchestrator.settings import (
    WITHOUT_EFFECT,
    Settings,
    SettingsError,
    host_name,
    load_settings,
    warn_misspellings,
    warn_without_effect,
)


class Isolated(Settings):
    """Settings that no `.env` of this checkout reaches."""

    model_config = SettingsConfigDict(env_file=None)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_defaults_of_the_contract() -> None:
    """Catches a default that existing deployments rely on and that moved."""
    settings = load_settings(Isolated)
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.alias_ports == (8004, 5204, 8765)
    assert settings.max_concurrent_sessions == 100
    assert settings.cors_origins == ("*",)
    assert settings.default_language_code == "en-US"


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches lists that want JSON, which no existing `.env` has."""
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("ALIAS_PORTS", "9001")
    monkeypatch.setenv("API_KEYS", "one,two")
    settings = load_settings(Isolated)
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.alias_ports == (9001,)
    assert [key.get_secret_value() for key in settings.api_keys] == ["one", "two"]


def test_other_ports_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches ports that are listened on although their owner said that they must not be."""
    monkeypatch.setenv("ALIAS_PORTS", "none")
    assert load_settings(Isolated).alias_ports == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "70000"),
        ("ALIAS_PORTS", "8004,x"),
        ("MAX_CONCURRENT_SESSIONS", "-1"),
        ("SESSION_STORAGE_TYPE", "disk"),
        ("LIVEKIT_URL", "livekit.example"),
        ("REDIS_URL", "hunter2@nowhere"),
        ("DEBUG", "perhaps"),
        ("RECORD_TTL_SECONDS", "0"),
        ("DEFAULT_LANGUAGE_CODE", "english please"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a traceback, a line without the name, and a secret in the message."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings(Isolated)
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert "\n" not in message
    assert "hunter2" not in message


@pytest.mark.parametrize("missing", ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"])
def test_a_room_server_needs_its_key(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a start with half of the credentials, which fails at the first session only."""
    given = {"LIVEKIT_URL": "wss://x", "LIVEKIT_API_KEY": "k", "LIVEKIT_API_SECRET": "s"}
    for name, value in given.items():
        if name != missing:
            monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{missing}: "):
        load_settings(Isolated)


def test_secrets_are_not_shown() -> None:
    """Catches a secret in a log line that prints the settings."""
    settings = Isolated.model_validate({"api_keys": "k3y", "redis_url": "redis://:pw1@h/0"})
    assert "k3y" not in repr(settings)
    assert "pw1" not in repr(settings)


def test_misspellings_are_told_of(tmp_path: Path) -> None:
    """Catches silence over `MAX_CONCURENT_SESSIONS`, and noise over other programs' variables."""
    env_file = tmp_path / ".env"
    env_file.write_text("REDIS_URI=redis://x\n")

    class WithFile(Settings):
        model_config = SettingsConfigDict(env_file=env_file)

    told: list[str] = []
    environ = {"MAX_CONCURENT_SESSIONS": "5", "PATH": "/bin", "HOME": "/", "PORT": "1"}
    warn_misspellings(environ, WithFile, told.append)
    assert [line.split()[0] for line in told] == ["MAX_CONCURENT_SESSIONS", "REDIS_URI"]
    assert "REDIS_URL" in told[1]
    assert "redis://x" not in told[1]


def test_settings_without_effect_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a setting that somebody turns and wonders about, and noise where none was set."""
    told: list[str] = []
    warn_without_effect(load_settings(Isolated), told.append)
    assert told == []
    monkeypatch.setenv("SILENCE_DETECTION_THRESHOLD", "0.3")
    monkeypatch.setenv("AUDIO_CHANNELS", "1")
    warn_without_effect(load_settings(Isolated), told.append)
    assert [line.split()[0] for line in told] == ["SILENCE_DETECTION_THRESHOLD"]


def test_nothing_reads_a_setting_that_is_said_to_have_no_effect() -> None:
    """Catches a setting that came to have an effect, and is still said to have none."""
    sources = [
        path for part in ("agent", "orchestrator") for path in (PROJECT_ROOT / part).rglob("*.py")
    ]
    for name in WITHOUT_EFFECT:
        assert not [path for path in sources if f"settings.{name}" in path.read_text()]


def test_a_machine_without_a_name_takes_its_host_name() -> None:
    """Catches two machines with the same empty name."""
    assert host_name(AgentSettings.model_construct(agent_host_name="m1")) == "m1"
    assert host_name(AgentSettings.model_construct(agent_host_name=""))
