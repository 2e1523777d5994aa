"""How well the local recogniser hears; prints JSON.

    python -m bench.recognition [--voice en-us+f3] [--voice en-us]

Word error rates of the clips in `tests/audio` and of the questions in `tests/evaluation`, spoken
by the local synthesiser and carried as Opus at 48 kHz, as in a room; and how often the document
with the answer is the first source of what was heard. It runs servers of its own.
"""

import argparse
import asyncio
import io
import json
import re
import sys
import tempfile
import time
import wave
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import jiwer
import numpy as np
from livekit import rtc
from livekit.agents import stt

from agent.knowledge import KnowledgeBase
from agent.knowledge.index import index_directory
from agent.settings import PROJECT_ROOT, AgentSettings
from agent.stages.local import language_model
from agent.stages.local.collection_model import models_dir
from agent.stages.local.recognizer import LocalSTT
from agent.stages.local.synthesizer import LocalTTS
from bench.local_servers import running

ROOM_RATE_HZ = 48_000
COLLECTION = "default"
SPOKEN = {
    "austen-0870": "and mister john dashwood had then leisure to consider how much there might be"
    " prudently in his power to do for them",
    "austen-0880": "he was not an ill disposed young man",
    "go-forward": "go forward ten meters",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One question and the document with its answer."""

    question: str
    filename: str


@dataclass(frozen=True, slots=True)
class SpokenQuestions:
    """How the questions fared in one voice."""

    word_error_rate: float
    first_source_right: int
    of: int
    audio_s: float
    cpu_bound_s: float
    """Time to hear them all, fed as fast as they are taken."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--voice", action="append", help="of espeak-ng; may be repeated")
    parser.add_argument("--show", action="store_true", help="print what was heard, to stderr")
    given = parser.parse_args()
    report = asyncio.run(_measure(given.voice or ["en-us+f3"], show=given.show))
    print(json.dumps(report, indent=2))


async def _measure(voices: list[str], *, show: bool) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="mj") as folder:
        base = AgentSettings()
        settings = base.model_copy(
            update={"run_dir": Path(folder, "r"), "data_dir": Path(folder, "d")}
        )
        for _ in index_directory(base.knowledge_dir, settings.knowledge_index_dir):
            pass
        knowledge = KnowledgeBase.open(settings.knowledge_index_dir, COLLECTION)
        language_model.build(knowledge.texts(), models_dir(settings.data_dir) / COLLECTION)
        questions = _questions()
        with running(settings, "recognizer_server"), running(settings, "synthesizer_server"):
            recognizer = LocalSTT(
                settings.recognizer_socket, language="en-US", collection=COLLECTION
            )
            report: dict[str, object] = {"clips": await _clips(recognizer)}
            for voice in voices:
                clips = [await _speak(settings, voice, one.question) for one in questions]
                before = time.perf_counter()
                heard = [await _hear(recognizer, clip, ROOM_RATE_HZ) for clip in clips]
                took_s = time.perf_counter() - before
                right = [
                    _first_source(knowledge, text) == one.filename
                    for one, text in zip(questions, heard, strict=True)
                ]
                if show:
                    for one, text, ok in zip(questions, heard, right, strict=True):
                        sys.stderr.write(f"{'+' if ok else '-'} {one.question} | {text}\n")
                report[voice] = asdict(
                    SpokenQuestions(
                        word_error_rate=_error_rate([one.question for one in questions], heard),
                        first_source_right=sum(right),
                        of=len(questions),
                        audio_s=round(sum(map(len, clips)) / 2 / ROOM_RATE_HZ, 1),
                        cpu_bound_s=round(took_s, 1),
                    )
                )
        return report


async def _clips(recognizer: LocalSTT) -> dict[str, float]:
    heard = {}
    for name in SPOKEN:
        with wave.open(str(PROJECT_ROOT / f"tests/audio/{name}.wav")) as clip:
            pcm: bytes = clip.readframes(clip.getnframes())
        heard[name] = await _hear(recognizer, pcm, 16_000)
    austen = [name for name in SPOKEN if name.startswith("austen")]
    return {
        "austen_word_error_rate": _error_rate(
            [SPOKEN[name] for name in austen], [heard[name] for name in austen]
        ),
        "go_forward_word_error_rate": _error_rate([SPOKEN["go-forward"]], [heard["go-forward"]]),
    }


async def _speak(settings: AgentSettings, voice: str, text: str) -> bytes:
    frame = await LocalTTS(settings.synthesizer_socket, voice=voice).synthesize(text).collect()
    return await asyncio.to_thread(_through_opus, frame.data.tobytes(), frame.sample_rate)


def _through_opus(pcm: bytes, rate_hz: int) -> bytes:
    frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, np.int16)[None, :], "s16", "mono")
    frame.sample_rate = rate_hz
    resampler = av.AudioResampler("s16", "mono", ROOM_RATE_HZ)
    carried = io.BytesIO()
    with av.open(carried, "w", format="ogg") as out:
        stream = out.add_stream("libopus", rate=ROOM_RATE_HZ, layout="mono")
        stream.bit_rate = 32_000
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    carried.seek(0)
    back = av.AudioResampler("s16", "mono", ROOM_RATE_HZ)
    with av.open(carried, "r") as container:
        parts = [out for part in container.decode(audio=0) for out in back.resample(part)]
    return b"".join(part.to_ndarray().tobytes() for part in parts)


async def _hear(recognizer: LocalSTT, pcm: bytes, rate_hz: int) -> str:
    silence = bytes(rate_hz)
    async with recognizer.stream() as stream:
        audio = silence + pcm + silence
        step = rate_hz // 50 * 2
        for at in range(0, len(audio), step):
            part = audio[at : at + step]
            stream.push_frame(rtc.AudioFrame(part, rate_hz, 1, len(part) // 2))
        stream.end_input()
        finals = [
            event.alternatives[0].text
            async for event in stream
            if event.type == stt.SpeechEventType.FINAL_TRANSCRIPT
        ]
    return " ".join(finals)


def _questions() -> list[Question]:
    path = PROJECT_ROOT / "tests/evaluation/questions_en.json"
    return [Question(**one) for one in json.loads(path.read_text(encoding="utf-8"))]


def _first_source(knowledge: KnowledgeBase, text: str) -> str | None:
    hits = knowledge.search(text).hits
    return hits[0].passage.filename if hits else None


def _error_rate(said: list[str], heard: list[str]) -> float:
    return round(float(jiwer.wer([_words(s) for s in said], [_words(h) for h in heard])), 3)


def _words(text: str) -> str:
    return " ".join(re.findall(r"[a-z']+", text.lower()))


if __name__ == "__main__":
    main()
