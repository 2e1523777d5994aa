"""Names of voices, as clients send them.

Existing clients send the names of Inworld's voices (`Ashley`) or Google's (`ar-XA-Wavenet-B`); the
names of every other provider in the table are taken too. Whoever speaks in the end picks the voice
of its own that is nearest.
"""

from dataclasses import replace

from agent.stages.providers import PROVIDERS
from agent.stages.providers.inworld import VOICES as WELL_KNOWN
from agent.stages.providers.voice import Gender, Voice, Voices, primary_language

__all__ = ["Gender", "Voice", "list_voices", "resolve_voice"]


def resolve_voice(name: str | None, language: str, gender: Gender) -> Voice:
    """The voice of that name, speaking `language` (BCP-47).

    No name: the language's default of that gender. A name that nobody knows: the same, with
    `known=False`.
    """
    default = Voice(_default(language, gender), gender, language)
    if not name:
        return default
    asked = name.strip()
    found = [one for voices in _of_all() if (one := voices.find(asked)) is not None]
    if not found:
        return replace(default, known=False)
    exact = (one for one in found if one[0] == asked)
    spelled, its_gender = next(exact, found[0])
    return Voice(spelled, its_gender or gender, language)


def list_voices(language: str, speaker: Voices | None) -> tuple[Voice, ...]:
    """The voices to offer for a language: those that everybody knows, and the speaker's own."""
    own = {} if speaker is None else speaker.listed(language)
    names = {**WELL_KNOWN.listed(language), **own}
    return tuple(Voice(name, gender, language) for name, gender in sorted(names.items()))


def _of_all() -> tuple[Voices, ...]:
    offers = [provider.speech for provider in PROVIDERS]
    return tuple(offer.voices for offer in offers if offer is not None and offer.voices is not None)


def _default(language: str, gender: Gender) -> str:
    defaults = WELL_KNOWN.defaults
    return defaults.get((primary_language(language), gender)) or defaults["en", gender]
