"""Voices: what a client asks for, and what that means to one synthesiser."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Gender = Literal["male", "female"]


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice in one language, whoever speaks it."""

    name: str
    """As the client may send it."""
    gender: Gender
    language: str
    """What it is to speak, BCP-47."""
    known: bool = True
    """False: the name asked for is nobody's, and this is the language's default instead."""


class Voices(Protocol):
    """The voices of one synthesiser."""

    def listed(self, language: str) -> Mapping[str, Gender]:
        """Those to offer for a language (BCP-47), by the name that clients send."""
        ...

    def find(self, name: str) -> tuple[str, Gender | None] | None:
        """The right spelling of a name of its own, and its gender where that is known."""
        ...

    def pick(self, voice: Voice) -> str:
        """What the synthesiser calls the voice, or the nearest that it has."""
        ...


@dataclass(frozen=True, slots=True)
class Named:
    """One voice of a `Catalogue`."""

    gender: Gender
    id: str = ""
    """What the synthesiser calls it; empty: the same as the client does."""
    language: str = ""
    """Primary subtag of the only language that it speaks; empty: it speaks any."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Voices that are a list of names."""

    named: Mapping[str, Named]
    defaults: Mapping[tuple[str, Gender], str]
    """Names by primary language subtag and gender; `en` for languages that are not there."""
    others: re.Pattern[str] | None = None
    """Names that are taken as they are besides: ids of voices that are not listed. A group
    `language` in it is the only language that such a voice speaks."""
    _spelled: Mapping[str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_spelled", {name.lower(): name for name in self.named})

    def listed(self, language: str) -> Mapping[str, Gender]:
        """Those that speak it."""
        wanted = primary_language(language)
        return {
            name: named.gender
            for name, named in self.named.items()
            if named.language in ("", wanted)
        }

    def find(self, name: str) -> tuple[str, Gender | None] | None:
        """By its name in any case, or by its id."""
        spelled = self._spelled.get(name.lower())
        if spelled is not None:
            return spelled, self.named[spelled].gender
        if self.others is not None and self.others.fullmatch(name):
            return name, None
        return None

    def pick(self, voice: Voice) -> str:
        """The voice of that name where it speaks the language, else the language's default."""
        wanted = primary_language(voice.language)
        spelled = self._spelled.get(voice.name.lower(), "")
        named = self.named.get(spelled)
        if named is not None and named.language in ("", wanted):
            return named.id or spelled
        if self.others is not None and (other := self.others.fullmatch(voice.name)):
            language = other.groupdict().get("language", wanted)
            if primary_language(language) == wanted:
                return voice.name
        default = self.defaults.get((wanted, voice.gender)) or self.defaults["en", voice.gender]
        return self.named[default].id or default if default in self.named else default


def primary_language(language: str) -> str:
    """A BCP-47 language without its region: `ar` of `ar-EG`."""
    return language.lower().partition("-")[0]
