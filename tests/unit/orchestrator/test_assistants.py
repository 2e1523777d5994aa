"""Which of the assistants in the folder can be chosen here."""

from pathlib import Path

import pytest

from orchestrator.assistants import load_assistants
from orchestrator.settings import Settings, SettingsError

NEEDS_KEY = """\
name: caller
tools:
  - kind: http
    name: order
    description: Where an order is.
    url: https://shop.example/order
    headers: {X-Key: "${TOOL_SHOP_KEY}"}
"""


def settings(folder: Path, **given: object) -> Settings:
    return Settings.model_validate({"livekit_url": "", "assistants_dir": folder, **given})


def test_stages_that_cannot_be_had(tmp_path: Path) -> None:
    """Catches an assistant that is chosen and never comes, as its provider has no key."""
    (tmp_path / "a.yaml").write_text("name: a\nstages: {answers: groq}\n")
    (tmp_path / "b.yaml").write_text("name: b\nstages: {answers: local}\n")
    found = load_assistants(settings(tmp_path, groq_api_key=None))
    assert list(found.by_name) == ["b"]
    (problem,) = found.problems
    assert problem.file == "a.yaml"
    assert "GROQ_API_KEY" in problem.message
    assert list(load_assistants(settings(tmp_path, groq_api_key="k")).by_name) == ["a", "b"]


def test_secrets_that_are_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a tool that never works, without a word at the start."""
    (tmp_path / "caller.yaml").write_text(NEEDS_KEY)
    found = load_assistants(settings(tmp_path, groq_api_key="k"))
    assert list(found.by_name) == ["caller"]
    (problem,) = found.problems
    assert "TOOL_SHOP_KEY is not set" in problem.message
    monkeypatch.setenv("TOOL_SHOP_KEY", "very secret")
    assert load_assistants(settings(tmp_path, groq_api_key="k")).problems == ()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, ["tools: order: nobody calls them, as no language model answers"]),
        (
            {"rag_service_url": "http://127.0.0.1:8002"},
            ["tools: order: nobody calls them, as no language model answers"],
        ),
        (
            {"rag_service_url": "http://127.0.0.1:8002", "groq_api_key": "k"},
            ["tools: order: called only where the service does not answer"],
        ),
        ({"groq_api_key": "k"}, []),
    ],
)
def test_tools_that_nobody_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: list[str]
) -> None:
    """Catches tools that are described and, without a word, of no effect."""
    monkeypatch.setenv("TOOL_SHOP_KEY", "very secret")
    (tmp_path / "caller.yaml").write_text(NEEDS_KEY)
    (tmp_path / "plain.yaml").write_text("name: plain\ntools: [{kind: hand_over}]\n")
    found = load_assistants(settings(tmp_path, **given))
    assert [problem.message for problem in found.problems] == told


def test_the_default_must_be_there(tmp_path: Path) -> None:
    """Catches a deployment that starts without the assistant that all its calls are for."""
    (tmp_path / "a.yaml").write_text("name: a\ncolour: red\n")
    with pytest.raises(SettingsError, match=r"DEFAULT_ASSISTANT: .* called a; a.yaml, line 2"):
        load_assistants(settings(tmp_path, default_assistant="a"))
    (tmp_path / "a.yaml").write_text("name: a\n")
    assert "a" in load_assistants(settings(tmp_path, default_assistant="a")).by_name
