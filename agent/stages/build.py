"""The stages of one conversation, as livekit-agents takes them."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from livekit.agents import inference, llm, stt, tts
from livekit.agents.voice.agent_session import SessionConnectOptions

from agent.settings import AgentSettings
from agent.stages.backoff import backoff
from agent.stages.choice import Chosen, StageNames, choose
from agent.stages.errors import StageUnavailable
from agent.stages.providers import Request, find_provider
from agent.stages.voices import resolve_voice

AnyStage: TypeAlias = stt.STT[Any] | llm.LLM[Any] | tts.TTS[Any]


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
    members: tuple[AnyStage, ...] = ()
    """All that the three are made of: where one falls back on another, both."""

    async def aclose(self) -> None:
        """Close the connections of all of them."""
        stages = [stage for stage in (self.stt, self.llm, self.tts) if stage is not None]
        stages += [member for member in self.members if member not in stages]
        for stage in stages:
            await stage.aclose()


def build_stages(
    settings: AgentSettings,
    *,
    language: str,
    voice: str | None,
    collection: str,
    names: StageNames | None = None,
) -> Stages:
    """The stages for a conversation in `language` (BCP-47) about `collection`.

    `voice` is the name that the client sent; `names` are the conversation's own providers.
    Vendors' plugins want livekit's `http_context` open around their use. Raises
    `StageUnavailable`.
    """
    choice = choose(settings, names)
    speaks = resolve_voice(voice, language, settings.tts_voice_gender)
    request = Request(settings, language, speaks, collection)
    recognizers: list[stt.STT[Any]] = _built(choice.recognition, request)
    answerers: list[llm.LLM[Any]] = _built(choice.answers, request)
    synthesizers: list[tts.TTS[Any]] = _built(choice.speech, request)
    if not answerers:
        raise StageUnavailable(
            f"nobody answers in {language}", setting="LLM_PROVIDER", stage="answers"
        )
    return Stages(
        stt=_recognizer(recognizers),
        llm=_answerer(answerers),
        tts=_synthesizer(synthesizers),
        conn_options=SessionConnectOptions(
            stt_conn_options=backoff(settings, settings.asr_timeout_seconds),
            llm_conn_options=backoff(settings, settings.rag_timeout_seconds),
            tts_conn_options=backoff(settings, settings.tts_timeout_seconds),
        ),
        members=(*recognizers, *answerers, *synthesizers),
    )


# FALLBACK: a chain of several becomes one stage here, and nowhere else.


def _recognizer(chain: list[stt.STT[Any]]) -> stt.STT[Any] | None:
    if len(chain) < 2:
        return chain[0] if chain else None
    streaming = all(recognizer.capabilities.streaming for recognizer in chain)
    return stt.FallbackAdapter(chain, vad=None if streaming else inference.VAD(model="silero"))


def _answerer(chain: list[llm.LLM[Any]]) -> llm.LLM[Any]:
    return chain[0] if len(chain) < 2 else llm.FallbackAdapter(chain)


def _synthesizer(chain: list[tts.TTS[Any]]) -> tts.TTS[Any] | None:
    if len(chain) < 2:
        return chain[0] if chain else None
    return tts.FallbackAdapter(chain)


# FALLBACK: the end.


def _built(chosen: Chosen, request: Request) -> list[Any]:
    """The stages of a chain, in its order, without those that do not know the language."""
    stages = []
    for member in chosen.chain:
        provider = find_provider(member.provider)
        offer = None if provider is None else provider.offer(chosen.stage)
        if offer is None:
            message = f"{member.label} was chosen for {chosen.stage}, which it lacks"
            raise StageUnavailable(message, setting="", stage=chosen.stage)
        stage = offer.build(request) if offer.knows(request.language) else None
        if stage is not None:
            stages.append(stage)
    return stages


def preload(settings: AgentSettings) -> None:
    """Import what the chosen providers need, once, before any process is forked."""
    build_stages(settings, language="en-US", voice=None, collection=settings.knowledge_base)
