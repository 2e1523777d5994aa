"""Recordings as clients send them, made of human speech, and how alike two of them are."""

import base64
import io
import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import numpy as np
from av import AudioStream
from numpy.typing import NDArray

from orchestrator.gateway.audio import InputFormat, Pcm
from orchestrator.gateway.audio.encoders import mp3
from orchestrator.gateway.audio.wav import wav

AUDIO = Path(__file__).resolve().parents[3] / "audio"

FRAGMENTED = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    "frag_duration": "100000",
}
"""MP4 as browsers record it: a fragment every 100 ms."""


def speech(clip: str = "austen-0880") -> Pcm:
    """Three seconds of a human voice at 16 kHz."""
    with wave.open(str(AUDIO / f"{clip}.wav")) as file:
        return Pcm(file.readframes(file.getnframes()), file.getframerate())


def as_sent(source: InputFormat, pcm: Pcm) -> bytes:
    """The same sound in a client's format."""
    match source:
        case InputFormat.PCM:
            return pcm.samples
        case InputFormat.WAV:
            return wav(pcm)
        case InputFormat.MP3:
            # an ID3 tag of no more than its head
            return b"ID3\4" + bytes(6) + mp3(pcm)
        case InputFormat.WEBM:
            return contained(pcm, "webm", "libopus", {"cluster_time_limit": "100"})
        case InputFormat.OGG:
            return contained(pcm, "ogg", "libopus", {"page_duration": "100000"})
        case InputFormat.MP4:
            return contained(pcm, "mp4", "aac", FRAGMENTED)


def contained(pcm: Pcm, container: str, codec: str, options: dict[str, str]) -> bytes:
    """Encoded at 48 kHz, as browsers do."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as out:
        stream = cast("AudioStream", out.add_stream(codec, rate=48_000, layout="mono"))
        samples = np.frombuffer(pcm.samples, "<i2")[np.newaxis]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = pcm.rate_hz
        resampler = av.AudioResampler(
            stream.format.name, "mono", 48_000, frame_size=stream.codec_context.frame_size or 960
        )
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return file.getvalue()


def cuts(data: bytes, size: int) -> Iterator[bytes]:
    """The same bytes in frames of so many."""
    return (data[at : at + size] for at in range(0, len(data), size))


def _samples(pcm: Pcm) -> NDArray[np.float64]:
    return np.frombuffer(pcm.samples, "<i2").astype(np.float64)


def delay_and_snr(sent: Pcm, heard: Pcm) -> tuple[int, float]:
    """By how many samples `heard` is late, and how loud `sent` is over what differs, in dB."""
    assert sent.rate_hz == heard.rate_hz
    before, after = _samples(sent), _samples(heard)
    size = 2 * max(len(before), len(after))
    likeness = np.fft.irfft(np.fft.rfft(after, size) * np.conj(np.fft.rfft(before, size)))
    delay = int(np.argmax(likeness))
    delay = delay if delay < len(likeness) // 2 else delay - len(likeness)
    before, after = before[max(-delay, 0) :], after[max(delay, 0) :]
    both = min(len(before), len(after))
    noise = float(((before[:both] - after[:both]) ** 2).sum())
    signal = float((before[:both] ** 2).sum())
    return delay, float("inf") if noise == 0 else 10 * float(np.log10(signal / noise))


def as_chromium_cut_it(container: str) -> list[bytes]:
    """What a real MediaRecorder with a time slice of 100 ms handed out while "go forward ten
    meters" was said to it, the last frame after `stop`."""
    recorded = json.loads((AUDIO / f"go-forward.chromium-{container}.json").read_text())
    return [base64.b64decode(frame) for frame in recorded]
