"""The stages of one conversation, as livekit-agents takes them."""

from dataclasses import dataclass
from typing import Any

from livekit.agents import APIConnectOptions, llm, stt, tts
from livekit.agents.voice.agent_session import SessionConnectOptions

from agent.settings import AgentSettings
from agent.stages.choice import Chosen, choose
from agent.stages.errors import StageUnavailable
from agent.stages.providers import PROVIDERS, Provider, Request, api_key
from agent.stages.voices import resolve_voice


@dataclass(frozen=True, slots=True)
class Stages:
    """What an `AgentSession` is made of."""

    stt: stt.STT[Any] | None
    """None: nobody here recognises this language; typed turns only."""
    llm: llm.LLM[Any]
    tts: tts.TTS[Any] | None
    """None: answers come as text only."""
    conn_options: SessionConnectOptions
    """Timeouts and retries of the settings, for the session."""

    async def aclose(self) -> None:
        """Close the connections of all three."""
        if self.stt is not None:
            await self.stt.aclose()
        await self.llm.aclose()
        if self.tts is not None:
            await self.tts.aclose()


def build_stages(
    settings: AgentSettings, *, language: str, voice: str | None, collection: str
) -> Stages:
    """The stages for a conversation in `language` (BCP-47) about `collection`.

    `voice` is the name that the client sent. Vendors' plugins want livekit's `http_context`
    open around their use. Raises `StageUnavailable`.
    """
    choice = choose(settings)
    speaks = resolve_voice(voice, language, settings.tts_voice_gender)

    def request(chosen: Chosen) -> tuple[Provider, Request]:
        provider = next(row for row in PROVIDERS if row.name == chosen.provider)
        key = api_key(provider, settings)
        return provider, Request(settings, language, speaks, collection, key)

    hears, hears_request = request(choice.recognition)
    answers, answers_request = request(choice.answers)
    says, says_request = request(choice.speech)
    if hears.recognizer is None or answers.answerer is None or says.synthesizer is None:
        raise StageUnavailable("a provider was chosen for a stage it lacks", setting="")
    return Stages(
        stt=hears.recognizer(hears_request),
        llm=answers.answerer(answers_request),
        tts=says.synthesizer(says_request),
        conn_options=SessionConnectOptions(
            stt_conn_options=_connect_options(settings, settings.asr_timeout_seconds),
            llm_conn_options=_connect_options(settings, settings.rag_timeout_seconds),
            tts_conn_options=_connect_options(settings, settings.tts_timeout_seconds),
        ),
    )


def preload(settings: AgentSettings) -> None:
    """Import what the chosen providers need, once, before any process is forked."""
    build_stages(settings, language="en-US", voice=None, collection=settings.knowledge_base)


def _connect_options(settings: AgentSettings, timeout_s: float) -> APIConnectOptions:
    return APIConnectOptions(
        max_retry=settings.max_retries,
        retry_interval=settings.retry_delay_seconds,
        timeout=timeout_s,
    )
