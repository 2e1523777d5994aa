"""Stages for livekit-agents that take no time."""

from typing import Any

from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    NOT_GIVEN,
    APIConnectOptions,
    NotGivenOr,
    llm,
    stt,
    tts,
)
from livekit.agents.utils import AudioBuffer
from livekit.agents.voice.agent_session import SessionConnectOptions

from agent.stages.build import Stages
from bench.gateway import work


def stages() -> Stages:
    """All three, for one conversation."""
    return Stages(
        stt=_Recognizer(), llm=_Answerer(), tts=_Synthesizer(), conn_options=SessionConnectOptions()
    )


class _Recognizing(stt.RecognizeStream):
    async def _run(self) -> None:
        async for frame in self._input_ch:
            if isinstance(frame, rtc.AudioFrame) and work.turn_ended(bytes(frame.data)):
                data = stt.SpeechData(language="en", text=work.TRANSCRIPT, confidence=1.0)  # type: ignore[arg-type]
                self._event_ch.send_nowait(
                    stt.SpeechEvent(type=stt.SpeechEventType.FINAL_TRANSCRIPT, alternatives=[data])
                )


class _Recognizer(stt.STT[Any]):
    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=False))

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.SpeechEvent:
        raise NotImplementedError

    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        return _Recognizing(stt=self, conn_options=conn_options)


class _Answering(llm.LLMStream):
    async def _run(self) -> None:
        for word in work.words():
            delta = llm.ChoiceDelta(role="assistant", content=word)
            self._event_ch.send_nowait(llm.ChatChunk(id="answer", delta=delta))


class _Answerer(llm.LLM[Any]):
    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **_: object,
    ) -> llm.LLMStream:
        return _Answering(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _Speaking(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id="answer", sample_rate=work.RATE_HZ, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(_TONE)


_TONE = work.tone()


class _Synthesizer(tts.TTS[Any]):
    def __init__(self) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False),
            sample_rate=work.RATE_HZ,
            num_channels=1,
        )

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _Speaking(tts=self, input_text=text, conn_options=conn_options)
