"""In which variety of a language a conversation is heard, and in which it is spoken. Pure."""

from agent.settings import AgentSettings

_HEARD = {"ar": "ar-EG", "ar-xa": "ar-EG", "en": "en-US"}
_SPOKEN = {"ar": "ar-XA"}
"""`XA` is no country: vendors call so the Arabic that all of them share."""


def heard_language(language: str) -> str:
    """What a recogniser is asked for (BCP-47): that of a country, where the session names none."""
    return _HEARD.get(language.lower(), language)


def spoken_language(language: str, settings: AgentSettings) -> str:
    """What a synthesiser is asked for (BCP-47).

    `TTS_LANGUAGE_CODE` where it is of the session's language: a session may be in another.
    """
    primary = _primary(language)
    asked = settings.tts_language_code
    if asked is not None and _primary(asked) == primary:
        return asked
    return _SPOKEN.get(primary, heard_language(language))


def _primary(language: str) -> str:
    return language.lower().partition("-")[0]
