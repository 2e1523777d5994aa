"""Each chunk can be played by itself, and together they are what was said."""

import asyncio
import io
import wave

import av
import numpy as np
import pytest

from orchestrator.gateway.audio import OutputFormat, Pcm, make_encoder
from tests.unit.orchestrator.gateway.recordings import cuts, delay_and_snr, speech

MP3_EXCESS_BYTES = 92
"""Where the last frame is all but full, a player keeps up to 46 samples after it, of silence."""


def played(chunk: bytes) -> Pcm:
    """What a player makes of one chunk that it knows nothing else about."""
    with av.open(io.BytesIO(chunk), "r") as file:
        frames = list(file.decode(audio=0))
    samples = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)[0]
    if samples.dtype == np.float32:
        samples = np.clip(samples * 32_768, -32_768, 32_767)
    return Pcm(samples.astype("<i2").tobytes(), frames[0].sample_rate)


@pytest.mark.parametrize("chunk_ms", [20, 50, 200, 900, 3000])
@pytest.mark.parametrize("output", [OutputFormat.MP3, OutputFormat.WAV])
async def test_chunks_played_one_by_one_are_the_whole(output: OutputFormat, chunk_ms: int) -> None:
    """Catches silence that an encoder puts before and after each chunk: it would stutter."""
    sent = speech()
    encoder = make_encoder(output)
    heard = b""
    for part in cuts(sent.samples, chunk_ms * 32):
        one = played(await encoder.encode(Pcm(part, sent.rate_hz)))
        assert 0 <= len(one.samples) - len(part) <= MP3_EXCESS_BYTES
        heard += one.samples[: len(part)]
    delay, snr_db = delay_and_snr(sent, Pcm(heard, sent.rate_hz))
    assert delay == 0
    assert snr_db > 20


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 24_000, 44_100, 48_000])
async def test_mp3_at_other_rates_keeps_its_length(rate_hz: int) -> None:
    """Catches chunks at another speed than they were spoken at."""
    second = Pcm(speech().samples[: rate_hz * 2], rate_hz)
    heard = played(await make_encoder(OutputFormat.MP3).encode(second))
    assert heard.rate_hz == rate_hz
    assert len(heard.samples) == len(second.samples)


async def test_a_rate_that_mp3_does_not_know_is_raised() -> None:
    """Catches an encoder that fails on what a URL asked for."""
    sent = Pcm(speech().samples[:40_000], 20_000)
    heard = played(await make_encoder(OutputFormat.MP3).encode(sent))
    assert heard.rate_hz == 22_050
    assert heard.duration_s == pytest.approx(sent.duration_s, abs=0.002)


async def test_wav_says_what_it_is() -> None:
    """Catches a header that a strict reader refuses."""
    sent = Pcm(speech().samples[:3200], 16_000)
    chunk = await make_encoder(OutputFormat.WAV).encode(sent)
    with wave.open(io.BytesIO(chunk)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16_000)
        assert file.readframes(file.getnframes()) == sent.samples


async def test_pcm_is_left_alone() -> None:
    """Catches a header where bare samples were asked for."""
    sent = Pcm(b"\1\2\3\4", 16_000)
    assert await make_encoder(OutputFormat.PCM).encode(sent) == sent.samples


async def test_the_loop_runs_while_mp3_is_encoded() -> None:
    """Catches encoding on the event loop: a long sentence takes tens of milliseconds."""
    encoding = asyncio.create_task(make_encoder(OutputFormat.MP3).encode(speech()))
    ticks = 0
    while not encoding.done():
        ticks += 1
        await asyncio.sleep(0)
    assert await encoding
    assert ticks > 20


def test_durations() -> None:
    """Catches bytes taken for samples."""
    assert Pcm(bytes(3200), 16_000).duration_s == 0.1
    assert Pcm.silence(0.05, 16_000).samples == bytes(1600)
    assert not Pcm(b"", 16_000)
