"""What a conversation can be made of: the providers of each stage, and the voices."""

from typing import Literal, Self

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from agent.settings import BCP47
from agent.stages.providers.voice import Gender
from agent.stages.survey import (
    SpokenVoice,
    StageSurvey,
    Standing,
    default_voice,
    installed_plugins,
    survey_stages,
    survey_voices,
)
from orchestrator.api.schemas import ErrorAnswer
from orchestrator.api.services import Provided
from orchestrator.security.api_keys import check_api_key


class _Body(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class MissingAnswer(_Body):
    """Something that a provider lacks here, and how to have it."""

    what: str
    remedy: str


class ProviderAnswer(_Body):
    """One provider of a stage."""

    name: str
    label: str
    about: str
    languages: list[str]
    """Primary subtags; empty: more than are listed."""
    automatic: bool
    """Whether `auto` takes it once it is ready."""
    ready: bool
    missing: list[MissingAnswer]

    @classmethod
    def of(cls, standing: Standing) -> Self:
        """As JSON has it."""
        missing = [MissingAnswer(what=m.what, remedy=m.remedy) for m in standing.missing]
        return cls(
            name=standing.provider,
            label=standing.label,
            about=standing.about,
            languages=list(standing.languages),
            automatic=standing.automatic,
            ready=not missing,
            missing=missing,
        )


class StageAnswer(_Body):
    """One stage, and who serves it."""

    stage: str
    setting: str
    """The environment variable that names its providers."""
    chain: list[str]
    """Who is in use, in the order of fallback; empty: nobody."""
    told: str
    """The same with the reasons, or what is wrong, for people."""
    providers: list[ProviderAnswer]

    @classmethod
    def of(cls, survey: StageSurvey) -> Self:
        """As JSON has it."""
        return cls(
            stage=survey.stage,
            setting=survey.setting,
            chain=list(survey.chain),
            told=survey.told,
            providers=[ProviderAnswer.of(standing) for standing in survey.providers],
        )


class StagesAnswer(_Body):
    """All three, in the order of a turn."""

    success: Literal[True] = True
    stages: list[StageAnswer]
    plugins: list[str]
    """Other plugins that are installed, as settings name them."""


class SpeakerAnswer(_Body):
    """Who speaks a voice, and what it is called there."""

    provider: str
    voice: str


class VoiceAnswer(_Body):
    """A voice that a session may ask for by its name."""

    name: str
    gender: Gender
    language: str
    spoken_by: list[SpeakerAnswer]
    """In the order of fallback; empty: answers come as text only."""

    @classmethod
    def of(cls, spoken: SpokenVoice) -> Self:
        """As JSON has it."""
        speakers = [SpeakerAnswer(provider=s.provider, voice=s.voice) for s in spoken.speakers]
        voice = spoken.voice
        return cls(
            name=voice.name, gender=voice.gender, language=voice.language, spoken_by=speakers
        )


class VoicesAnswer(_Body):
    """The voices for a language, by name."""

    success: Literal[True] = True
    language: str
    default: str
    voices: list[VoiceAnswer]


def _authorized(request: Request, services: Provided) -> None:
    check_api_key(request.headers, services.settings.api_keys)


router = APIRouter(
    prefix="/api",
    tags=["stages"],
    dependencies=[Depends(_authorized)],
    responses={code: {"model": ErrorAnswer} for code in (401, 403)},
)

# in threads: they look at what is installed, which is in files


@router.get("/stages")
def list_stages(services: Provided) -> StagesAnswer:
    """Who there is for each stage, who is ready, what is missing, and who is in use."""
    return StagesAnswer(
        stages=[StageAnswer.of(survey) for survey in survey_stages(services.settings)],
        plugins=list(installed_plugins()),
    )


@router.get("/voices")
def show_voices(services: Provided, language: BCP47 | None = None) -> VoicesAnswer:
    """The voices for a language, that of the settings where none is named."""
    settings = services.settings
    spoken = language or settings.default_language_code
    return VoicesAnswer(
        language=spoken,
        default=default_voice(settings, spoken).name,
        voices=[VoiceAnswer.of(voice) for voice in survey_voices(settings, spoken)],
    )
