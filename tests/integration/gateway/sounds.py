"""What is said to the doors, and what the local synthesiser says by itself."""

import base64
import json
import wave
from pathlib import Path

from livekit import rtc
from livekit.agents import utils

from agent.settings import AgentSettings
from agent.stages.build import build_stages
from agent.stages.local.sentences import SentenceSplitter
from tests.clients.recording import RATE_HZ, Samples, samples_of

AUDIO = Path(__file__).resolve().parents[2] / "audio"
GO_FORWARD = "go forward ten meters"


def clip(name: str) -> bytes:
    """A human voice: mono s16le at 16 kHz."""
    with wave.open(str(AUDIO / f"{name}.wav")) as file:
        samples: bytes = file.readframes(file.getnframes())
        return samples


def chromium_frames(container: str) -> list[bytes]:
    """The same words as a real MediaRecorder cut them, the last frame after `stop`."""
    recorded = json.loads((AUDIO / f"go-forward.chromium-{container}.json").read_text())
    return [base64.b64decode(frame) for frame in recorded]


async def synthesised(machine: AgentSettings, text: str) -> Samples:
    """What the product's synthesiser makes of a text by itself, sentence by sentence, at 16 kHz."""
    stages = build_stages(machine, language="en-US", voice=None, collection="default")
    assert stages.tts is not None
    splitter = SentenceSplitter()
    resampler = rtc.AudioResampler(stages.tts.sample_rate, RATE_HZ)
    frames: list[rtc.AudioFrame] = []
    async with utils.http_context.open():
        for sentence in [*splitter.push(text), *splitter.flush()]:
            async with stages.tts.synthesize(sentence.strip()) as stream:
                async for event in stream:
                    frames += resampler.push(event.frame)
        await stages.aclose()
    frames += resampler.flush()
    return samples_of(b"".join(bytes(frame.data) for frame in frames))
