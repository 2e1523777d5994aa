"""Pipecat's own WebSocket transport, with stages that take no time, for comparison.

    PYTHONPATH=. pipecat-python -m bench.gateway.pipecat_server --port 9000 --turns manual

Raw serializer: bare PCM both ways, JSON for what is not audio, and Pipecat's defaults for the
rest. `manual`: the client tells where its turn begins and ends; `detected`: Silero and the default
end-of-turn model. Runs in an interpreter that has Pipecat (requirements-pipecat.txt).
"""

import argparse
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from fastapi import FastAPI, WebSocket
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    ProposedUserStartedSpeakingFrame,
    ProposedUserStoppedSpeakingFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.llm_service import LLMService
from pipecat.services.stt_service import STTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.time import time_now_iso8601
from pipecat.workers.runner import WorkerRunner

from bench.gateway import work

_TONE = work.tone()


class _Raw(FrameSerializer):
    async def serialize(self, frame: Frame) -> str | bytes | None:
        if isinstance(frame, OutputAudioRawFrame):
            return bytes(frame.audio)
        if isinstance(frame, (OutputTransportMessageFrame, OutputTransportMessageUrgentFrame)):
            return json.dumps(frame.message)
        if isinstance(frame, InterruptionFrame):
            return json.dumps({"type": "playback_control", "action": "stop"})
        return None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        if isinstance(data, bytes):
            return InputAudioRawFrame(audio=data, sample_rate=work.RATE_HZ, num_channels=1)
        match json.loads(data)["type"]:
            case "begin" | "interrupt":
                return ProposedUserStartedSpeakingFrame()
            case "audio_end":
                return ProposedUserStoppedSpeakingFrame()
        return None


class _Recognizer(STTService):
    def __init__(self) -> None:
        super().__init__(ttfs_p99_latency=0.0)

    async def run_stt(self, audio: bytes) -> AsyncIterator[Frame]:
        if work.turn_ended(audio):
            frame = TranscriptionFrame(work.TRANSCRIPT, "", time_now_iso8601())
            frame.finalized = True
            yield frame


class _Answerer(LLMService):
    async def process_frame(self, frame: Frame, direction: Any) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        for word in work.words():
            await self.push_frame(LLMTextFrame(word))
        await self.push_frame(LLMFullResponseEndFrame())


class _Synthesizer(TTSService):
    def __init__(self) -> None:
        super().__init__(push_start_frame=True, push_stop_frames=True, sample_rate=work.RATE_HZ)

    def can_generate_metrics(self) -> bool:
        return False

    async def run_tts(self, text: str, context_id: str) -> AsyncIterator[Frame]:
        del text
        yield TTSAudioRawFrame(_TONE, work.RATE_HZ, 1, context_id=context_id)


async def _converse(socket: WebSocket, *, manual: bool) -> None:
    transport = FastAPIWebsocketTransport(
        websocket=socket,
        params=FastAPIWebsocketParams(
            audio_in_enabled=True, audio_out_enabled=True, serializer=_Raw()
        ),
    )
    turns = (
        LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies())
        if manual
        else LLMUserAggregatorParams(vad_analyzer=SileroVADAnalyzer())
    )
    user, assistant = LLMContextAggregatorPair(LLMContext(), user_params=turns)
    stages = [_Recognizer(), user, _Answerer(), _Synthesizer()]
    pipeline = Pipeline([transport.input(), *stages, transport.output(), assistant])
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_out_sample_rate=work.RATE_HZ),
        idle_timeout_secs=None,
        enable_rtvi=False,
    )
    runner = WorkerRunner(handle_sigint=False)

    @worker.event_handler("on_pipeline_started")
    async def _ready(*_: object) -> None:
        message = OutputTransportMessageUrgentFrame(message={"type": "ready"})
        await worker.queue_frames([message])

    @transport.event_handler("on_client_disconnected")
    async def _gone(*_: object) -> None:
        await runner.cancel()

    await runner.add_workers(worker)
    await runner.run()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--turns", choices=["manual", "detected"], required=True)
    arguments = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="CRITICAL")
    app = FastAPI()

    @app.websocket("/{path:path}")
    async def door(socket: WebSocket, path: str) -> None:
        del path
        await socket.accept()
        await _converse(socket, manual=arguments.turns == "manual")

    uvicorn.run(app, host="127.0.0.1", port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
