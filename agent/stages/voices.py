"""Names of voices, as clients send them, and what each means to every synthesiser.

Existing clients send the names of Inworld's voices (`Ashley`) or Google's (`ar-XA-Wavenet-B`);
espeak's own (`en-us+f3`) are taken too.
"""

import re
from dataclasses import dataclass
from typing import Literal

Gender = Literal["male", "female"]


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice in one language."""

    name: str
    """As the client may send it."""
    gender: Gender
    language: str
    """What it is to speak, BCP-47."""
    espeak: str
    """espeak-ng's name: language and variant, `en-us+f3`."""
    inworld: str
    groq: str
    known: bool = True
    """False: the name asked for is nobody's, and this is the language's default instead."""


# Inworld's catalogue, as far as existing clients name it.
_INWORLD: dict[str, Gender] = {
    "Alex": "male",
    "Ashley": "female",
    "Blake": "male",
    "Carter": "male",
    "Clive": "male",
    "Craig": "male",
    "Deborah": "female",
    "Dennis": "male",
    "Dominus": "male",
    "Edward": "male",
    "Elizabeth": "female",
    "Hades": "male",
    "Hana": "female",
    "Julia": "female",
    "Luna": "female",
    "Mark": "male",
    "Nour": "female",
    "Olivia": "female",
    "Omar": "male",
    "Pixie": "female",
    "Priya": "female",
    "Ronald": "male",
    "Sarah": "female",
    "Shaun": "male",
    "Theodore": "male",
    "Timothy": "male",
    "Wendy": "female",
}
_INWORLD_DEFAULT: dict[tuple[str, Gender], str] = {
    ("en", "female"): "Ashley",
    ("en", "male"): "Dennis",
    ("ar", "female"): "Nour",
    ("ar", "male"): "Omar",
}
_GROQ_DEFAULT: dict[tuple[str, Gender], str] = {
    ("en", "female"): "autumn",
    ("en", "male"): "troy",
    ("ar", "female"): "noura",
    ("ar", "male"): "fahad",
}

# Each Inworld name keeps a timbre of its own among espeak's variants.
_ESPEAK_VARIANTS: dict[Gender, tuple[str, ...]] = {
    "female": ("f3", "f2", "f1", "f4", "f5"),
    "male": ("m3", "m1", "m2", "m4", "m7"),
}
_DEEP = {"Hades": "m2", "Dominus": "m2"}

_GOOGLE_NAME = re.compile(
    r"^(?P<language>[a-z]{2,3}-[A-Z]{2})-"
    r"(?:Standard|Wavenet|Neural2|News|Studio|Polyglot|Casual)-(?P<letter>[A-Z])$"
)
_GOOGLE_FEMALE_LETTERS = {"ar-XA": "AD", "en-US": "CEFGH", "en-GB": "ACFN"}
_ESPEAK_NAME = re.compile(r"^(?P<language>[a-z]{2,3}(?:-[a-z0-9]{2,8})*)\+(?P<variant>[fm][1-8])$")


def resolve_voice(name: str | None, language: str, gender: Gender) -> Voice:
    """The voice of that name, speaking `language` (BCP-47).

    No name: the language's default of that gender. A name that nobody knows: the same, with
    `known=False`.
    """
    if not name:
        return _voice(_default(_INWORLD_DEFAULT, language, gender), gender, language)
    asked = name.strip()
    inworld = _INWORLD.get(asked.title())
    if inworld is not None:
        return _voice(asked.title(), inworld, language)
    if google := _GOOGLE_NAME.match(asked):
        female = _GOOGLE_FEMALE_LETTERS.get(google["language"], "ACEG")
        return _foreign(asked, "female" if google["letter"] in female else "male", language)
    if espeak := _ESPEAK_NAME.match(asked):
        spoken: Gender = "female" if espeak["variant"].startswith("f") else "male"
        return _foreign(asked, spoken, language, variant=espeak["variant"])
    default = _default(_INWORLD_DEFAULT, language, gender)
    return _voice(default, gender, language, known=False)


def list_voices() -> tuple[Voice, ...]:
    """Every voice with a name of its own, in English, by name."""
    return tuple(_voice(name, gender, "en-US") for name, gender in sorted(_INWORLD.items()))


def espeak_language(language: str) -> str:
    """espeak-ng's name of a BCP-47 language: `en-US` → `en-us`, `ar-EG` → `ar`."""
    primary, _, region = language.lower().partition("-")
    match primary:
        case "en":
            return "en" if region == "gb" else "en-us"  # its name of British English
        case _:
            return primary


def _voice(name: str, gender: Gender, language: str, *, known: bool = True) -> Voice:
    return Voice(
        name=name,
        gender=gender,
        language=language,
        espeak=f"{espeak_language(language)}+{_variant(name, gender)}",
        inworld=name,
        groq=_default(_GROQ_DEFAULT, language, gender),
        known=known,
    )


def _foreign(name: str, gender: Gender, language: str, *, variant: str | None = None) -> Voice:
    """A voice of some other provider's: the language's default there, its own timbre here."""
    default = _default(_INWORLD_DEFAULT, language, gender)
    return Voice(
        name=name,
        gender=gender,
        language=language,
        espeak=f"{espeak_language(language)}+{variant or _variant(default, gender)}",
        inworld=default,
        groq=_default(_GROQ_DEFAULT, language, gender),
    )


def _default(names: dict[tuple[str, Gender], str], language: str, gender: Gender) -> str:
    primary = language.lower().partition("-")[0]
    return names.get((primary, gender), names["en", gender])


def _variant(name: str, gender: Gender) -> str:
    if name in _DEEP:
        return _DEEP[name]
    if name in _INWORLD_DEFAULT.values():
        return _ESPEAK_VARIANTS[gender][0]
    variants = _ESPEAK_VARIANTS[gender]
    place = sorted(n for n, g in _INWORLD.items() if g == gender).index(name)
    return variants[place % len(variants)]
