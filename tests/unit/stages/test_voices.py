"""What the name of a voice means."""

import re

import pytest

from agent.stages.local.messages import VOICE_PATTERN
from agent.stages.providers import PROVIDERS, find_provider
from agent.stages.providers.voice import Gender, Voices
from agent.stages.voices import list_voices, resolve_voice

SPEAKERS = [
    (provider.name, provider.speech.voices)
    for provider in PROVIDERS
    if provider.speech is not None and provider.speech.voices is not None
]
GENDERS: tuple[Gender, Gender] = ("female", "male")


def voices_of(name: str) -> Voices:
    provider = find_provider(name)
    assert provider is not None
    assert provider.speech is not None
    assert provider.speech.voices is not None
    return provider.speech.voices


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
    assert voice.known
    assert voices_of("local").pick(voice) == espeak
    assert voices_of("inworld").pick(voice) == inworld


@pytest.mark.parametrize("name", [None, ""])
def test_no_name_is_the_default_and_no_mistake(name: str | None) -> None:
    """Catches a warning to clients that asked for nothing."""
    voice = resolve_voice(name, "ar-EG", "male")
    assert (voice.name, voice.gender, voice.known) == ("Omar", "male", True)
    assert voices_of("local").pick(voice) == "ar+m3"


@pytest.mark.parametrize("name", ["Zork", "../etc/passwd", "en-us+f3;x", "x" * 10_000])
def test_unknown_names_fall_back(name: str) -> None:
    """Catches an unknown voice that fails the session, or reaches an engine."""
    voice = resolve_voice(name, "en-US", "female")
    assert (voice.name, voice.known) == ("Ashley", False)


@pytest.mark.parametrize(("name", "speaker"), SPEAKERS)
@pytest.mark.parametrize("language", ["en-US", "ar-EG"])
def test_every_listed_voice_is_known_and_spoken(name: str, speaker: Voices, language: str) -> None:
    """Catches a list that offers what is then unknown, or of another gender."""
    del name
    for voice in list_voices(language, speaker):
        assert resolve_voice(voice.name, language, "male") == voice
        assert speaker.pick(voice)


def test_every_voice_of_espeak_is_one() -> None:
    """Catches a name that the synthesiser's server refuses."""
    for voice in list_voices("en-US", voices_of("local")):
        assert re.match(VOICE_PATTERN, voices_of("local").pick(voice))


@pytest.mark.parametrize(("name", "speaker"), SPEAKERS)
@pytest.mark.parametrize("language", ["en-US", "ar-EG", "fr-FR"])
def test_a_stranger_keeps_the_gender(name: str, speaker: Voices, language: str) -> None:
    """Catches one provider's voice that another one speaks with a voice of the other gender."""
    del name
    picked = {gender: speaker.pick(resolve_voice(None, language, gender)) for gender in GENDERS}
    assert picked["female"] != picked["male"]
    for gender, own in picked.items():
        found = speaker.find(own)
        assert found is None or found[1] in (gender, None)


@pytest.mark.parametrize(
    ("name", "language", "picked"),
    [
        ("ar-XA-Wavenet-B", "ar-EG", "ar-XA-Wavenet-B"),
        ("ar-XA-Wavenet-B", "en-US", "en-US-Chirp3-HD-Charon"),
        ("en-GB-Chirp3-HD-Leda", "en-GB", "en-GB-Chirp3-HD-Leda"),
        ("Ashley", "ar-EG", "ar-XA-Chirp3-HD-Kore"),
        ("Ashley", "en", "en-US-Chirp3-HD-Kore"),
        ("Ashley", "en-ZA", "en-US-Chirp3-HD-Kore"),
        ("Ashley", "fr-FR", "fr-FR-Chirp3-HD-Kore"),
    ],
)
def test_google_speaks_a_language_by_its_own_code(name: str, language: str, picked: str) -> None:
    """Catches `ar-EG`, which Google hears and does not speak."""
    assert voices_of("google").pick(resolve_voice(name, language, "male")) == picked
