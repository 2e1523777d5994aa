"""The stages of one conversation, as livekit-agents takes them."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from livekit.agents import llm, stt, tts
from livekit.agents.voice.agent_session import SessionConnectOptions

from agent.phrases import phrases
from agent.settings import AgentSettings
from agent.stages.backoff import backoff
from agent.stages.breaker import BreakerOptions, Breakers
from agent.stages.choice import Chosen, StageNames, choose
from agent.stages.errors import StageUnavailable
from agent.stages.fallback.answers import AnswerChain
from agent.stages.fallback.chain import Chain, Link, Patience
from agent.stages.fallback.recognition import RecognitionChain
from agent.stages.fallback.speech import SpeechChain
from agent.stages.languages import heard_language, spoken_language
from agent.stages.providers import LOCAL, Request, find_provider
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
        """Close the connections of each, whatever befalls another."""
        async with contextlib.AsyncExitStack() as closing:
            for stage in (self.stt, self.llm, self.tts):
                if stage is not None:
                    closing.push_async_callback(stage.aclose)


def build_stages(
    settings: AgentSettings,
    *,
    language: str,
    voice: str | None,
    collection: str,
    names: StageNames | None = None,
    breakers: Breakers | None = None,
) -> Stages:
    """The stages for a conversation in `language` (BCP-47) about `collection`.

    `voice` is the name that the client sent; `names` are the conversation's own providers;
    `breakers` are those of the process, else the conversation learns by itself who is down.
    Vendors' plugins want livekit's `http_context` open around their use. Raises
    `StageUnavailable`.
    """
    choice = choose(settings, names)
    spoken = spoken_language(language, settings)
    speaks = resolve_voice(voice, spoken, settings.tts_voice_gender)
    request = Request(settings, heard_language(language), speaks, collection)
    known = breakers or Breakers(BreakerOptions(pause_s=settings.breaker_seconds))
    return Stages(
        stt=_recognizer(_built(choice.recognition, request, known), settings),
        llm=_answerer(_built(choice.answers, request, known), request),
        tts=_synthesizer(_built(choice.speech, request, known), settings),
        conn_options=SessionConnectOptions(
            stt_conn_options=backoff(settings, settings.asr_timeout_seconds),
            llm_conn_options=backoff(settings, settings.rag_timeout_seconds),
            tts_conn_options=backoff(settings, settings.tts_timeout_seconds),
        ),
    )


def _recognizer(links: Sequence[Link[Any]], settings: AgentSettings) -> stt.STT[Any] | None:
    if not links or _is_local(links):
        return links[0].stage if links else None
    stall_s = settings.asr_stall_seconds
    return RecognitionChain(Chain("recognition", links, Patience(stall_s, stall_s)))


def _answerer(links: Sequence[Link[Any]], request: Request) -> llm.LLM[Any]:
    if not links:
        raise StageUnavailable(
            f"nobody answers in {request.language}", setting="LLM_PROVIDER", stage="answers"
        )
    if _is_local(links):
        answerer: llm.LLM[Any] = links[0].stage
        return answerer
    settings = request.settings
    patience = Patience(settings.rag_first_token_seconds, settings.rag_stall_seconds)
    begin_again = phrases(request.language).begin_again
    return AnswerChain(Chain("answers", links, patience), begin_again=begin_again)


def _synthesizer(links: Sequence[Link[Any]], settings: AgentSettings) -> tts.TTS[Any] | None:
    if not links or _is_local(links):
        return links[0].stage if links else None
    stall_s = settings.tts_stall_seconds
    return SpeechChain(Chain("speech", links, Patience(stall_s, stall_s)))


def _is_local(links: Sequence[Link[Any]]) -> bool:
    """Whether it is the local stage alone, which has nobody to fall back on and no need of it."""
    return [link.provider for link in links] == [LOCAL.name]


def _built(chosen: Chosen, request: Request, breakers: Breakers) -> list[Link[Any]]:
    """The stages of a chain, in its order, without those that do not know the language."""
    links = []
    for member in chosen.chain:
        provider = find_provider(member.provider)
        offer = None if provider is None else provider.offer(chosen.stage)
        if offer is None:
            message = f"{member.label} was chosen for {chosen.stage}, which it lacks"
            raise StageUnavailable(message, setting="", stage=chosen.stage)
        stage = offer.build(request) if offer.knows(request.language) else None
        if stage is not None:
            breaker = breakers.of(chosen.stage, member.provider)
            links.append(Link(member.provider, stage, breaker))
    return links


def preload(settings: AgentSettings) -> None:
    """Import what the chosen providers need, once, before any process is forked."""
    build_stages(settings, language="en-US", voice=None, collection=settings.knowledge_base)
