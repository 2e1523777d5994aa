"""Google Cloud: recognition and synthesis over gRPC. Its language model is in `gemini.py`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.settings import AgentSettings
from agent.stages.providers.provider import Missing, Offer, Provider, Request
from agent.stages.providers.voice import Gender, Voice, primary_language

if TYPE_CHECKING:
    from livekit.agents import stt, tts

_CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS"
_MODULE = "livekit.plugins.google"

_NAME = re.compile(
    r"^(?P<language>[a-z]{2,3}-[A-Z]{2})-"
    r"(?:(?:Standard|Wavenet|Neural2|News|Studio|Polyglot|Casual)-(?P<letter>[A-Z])"
    r"|Chirp3-HD-(?P<star>[A-Z][a-z]+))$"
)
_FEMALE_LETTERS = {"ar-XA": "AD", "en-US": "CEFGH", "en-GB": "ACFN"}
_STARS: dict[str, Gender] = {
    "Aoede": "female",
    "Charon": "male",
    "Fenrir": "male",
    "Kore": "female",
    "Leda": "female",
    "Orus": "male",
    "Puck": "male",
    "Zephyr": "female",
}
_DEFAULT: dict[Gender, str] = {"female": "Kore", "male": "Charon"}
_REGIONS = {"ar": "ar-XA", "en": "en-US"}
"""What a language without a region of Google's is spoken as."""
_ENGLISH = {"en-AU", "en-GB", "en-IN", "en-US"}


class GoogleVoices:
    """`ar-XA-Wavenet-B` and `en-US-Chirp3-HD-Kore`: the language is in the name."""

    def listed(self, language: str) -> Mapping[str, Gender]:
        """The Chirp 3 voices of the language."""
        return {f"{google_language(language)}-Chirp3-HD-{s}": g for s, g in _STARS.items()}

    def find(self, name: str) -> tuple[str, Gender | None] | None:
        """Its own names; a letter of the older voices stands for a gender."""
        named = _NAME.match(name)
        if named is None:
            return None
        if named["star"] is not None:
            return name, _STARS.get(named["star"])
        female = _FEMALE_LETTERS.get(named["language"], "ACEG")
        return name, "female" if named["letter"] in female else "male"

    def pick(self, voice: Voice) -> str:
        """The voice itself where it speaks the language, else a Chirp 3 voice of its gender."""
        named = _NAME.match(voice.name)
        if named and primary_language(named["language"]) == primary_language(voice.language):
            return voice.name
        return f"{google_language(voice.language)}-Chirp3-HD-{_DEFAULT[voice.gender]}"


def google_language(language: str) -> str:
    """The code that Google speaks a BCP-47 language by: `ar-EG` → `ar-XA`, `en` → `en-US`."""
    primary = primary_language(language)
    if primary == "en" and language in _ENGLISH:
        return language
    return _REGIONS.get(primary, language)


_VOICES = GoogleVoices()


def _recognizer(request: Request) -> "stt.STT[Any]":
    from livekit.plugins import google

    return google.STT(
        languages=_heard(request.language),
        detect_language=False,
        credentials_file=request.variable(_CREDENTIALS),
    )


def _heard(language: str) -> str:
    """The code that Google hears a language by: Arabic is that of a country there."""
    if primary_language(language) == "ar":
        return "ar-EG" if language.lower() in ("ar", "ar-xa") else language
    return "en-US" if language.lower() == "en" else language


def _synthesizer(request: Request) -> "tts.TTS[Any]":
    from livekit.plugins import google

    voice = _VOICES.pick(request.voice)
    named = _NAME.match(voice)
    return google.TTS(
        language=named["language"] if named else google_language(request.voice.language),
        voice_name=voice,
        # by this the plugin leaves the model to the voice's name, as the older voices want it too
        model_name="chirp_3",
        # only Chirp 3 speaks as the text comes in
        use_streaming="-Chirp3-HD-" in voice,
        credentials_file=request.variable(_CREDENTIALS),
    )


def _no_file(settings: AgentSettings) -> Missing | None:
    if Path(settings.variable(_CREDENTIALS)).is_file():
        return None
    return Missing(
        f"the file that {_CREDENTIALS} names cannot be read",
        "set it to the JSON key of a service account",
        _CREDENTIALS,
    )


GOOGLE = Provider(
    "google",
    "Google Cloud",
    recognition=Offer(
        _recognizer, needs=((_CREDENTIALS,),), module=_MODULE, extra="google", lacks=_no_file
    ),
    speech=Offer(
        _synthesizer,
        needs=((_CREDENTIALS,),),
        module=_MODULE,
        extra="google",
        voices=_VOICES,
        lacks=_no_file,
    ),
)
