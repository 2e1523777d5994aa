"""What the name of a voice means."""

import re

import pytest

from agent.stages.local.messages import VOICE_PATTERN
from agent.stages.voices import list_voices, resolve_voice


@pytest.mark.parametrize(
    ("name", "language", "espeak", "inworld"),
    [
        ("Ashley", "en-US", "en-us+f3", "Ashley"),
        ("ashley", "en-US", "en-us+f3", "Ashley"),
        ("Hades", "en-US", "en-us+m2", "Hades"),
        ("Dennis", "en-GB", "en+m3", "Dennis"),
        ("Ashley", "ar-EG", "ar+f3", "Ashley"),
        ("ar-XA-Wavenet-B", "ar-EG", "ar+m3", "Omar"),
        ("ar-XA-Wavenet-D", "ar-EG", "ar+f3", "Nour"),
        ("en-us+f2", "en-US", "en-us+f2", "Ashley"),
    ],
)
def test_known_names(name: str, language: str, espeak: str, inworld: str) -> None:
    """Catches names of existing clients that change their gender or their language."""
    voice = resolve_voice(name, language, "male")
    assert (voice.espeak, voice.inworld, voice.known) == (espeak, inworld, True)


@pytest.mark.parametrize("name", [None, ""])
def test_no_name_is_the_default_and_no_mistake(name: str | None) -> None:
    """Catches a warning to clients that asked for nothing."""
    voice = resolve_voice(name, "ar-EG", "male")
    assert (voice.espeak, voice.gender, voice.known) == ("ar+m3", "male", True)


@pytest.mark.parametrize("name", ["Zork", "../etc/passwd", "en-us+f3;x", "x" * 10_000])
def test_unknown_names_fall_back(name: str) -> None:
    """Catches an unknown voice that fails the session, or reaches an engine."""
    voice = resolve_voice(name, "en-US", "female")
    assert (voice.espeak, voice.known) == ("en-us+f3", False)


def test_every_listed_voice_resolves_to_itself() -> None:
    """Catches a list that offers what is then unknown, or what the synthesiser refuses."""
    for voice in list_voices():
        assert resolve_voice(voice.name, "en-US", "male") == voice
        assert re.match(VOICE_PATTERN, voice.espeak)
