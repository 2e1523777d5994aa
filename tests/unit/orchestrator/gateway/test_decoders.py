"""What clients send comes out as sound, while it is being sent, however it is cut."""

import asyncio
import random
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import closing

import pytest

from orchestrator.gateway.audio import (
    AudioTooLong,
    Decoder,
    InputFormat,
    Pcm,
    UnreadableAudio,
    make_decoder,
    recognise,
)
from orchestrator.gateway.audio.reader import Reader
from tests.unit.orchestrator.gateway.recordings import (
    as_chromium_cut_it,
    as_sent,
    cuts,
    delay_and_snr,
    speech,
)

CONTAINERS = [kind for kind in InputFormat if kind is not InputFormat.PCM]
THREADED = [InputFormat.WEBM, InputFormat.OGG, InputFormat.MP4, InputFormat.MP3]

AAC_DELAY = 1024 * 16 // 48
"""What AAC puts before the sound, in samples at 16 kHz."""


async def decode(decoder: Decoder, frames: Iterable[bytes]) -> Pcm:
    heard = b""
    with closing(decoder):
        for frame in frames:
            heard += (await decoder.feed(frame)).samples
        heard += (await decoder.finish()).samples
    return Pcm(heard, 16_000)


def no_readers() -> bool:
    """Whether every thread that reads has ended; it is given time to."""
    readers = [thread for thread in threading.enumerate() if thread.name == "audio-reader"]
    for reader in readers:
        reader.join(10)
    return not any(reader.is_alive() for reader in readers)


@pytest.mark.parametrize("source", list(InputFormat))
@pytest.mark.parametrize("size", [1, 16, 97, 3200, 1 << 20])
async def test_speech_comes_out_as_it_went_in(source: InputFormat, size: int) -> None:
    """Catches a decoder that loses, repeats or delays samples, depending on how it is cut."""
    sent = Pcm(speech().samples[: 22_400 if size == 1 else None], 16_000)
    data = as_sent(source, sent)
    assert recognise(data[:16]) is source
    heard = await decode(make_decoder(source), cuts(data, size))
    delay, snr_db = delay_and_snr(sent, heard)
    assert delay == (AAC_DELAY if source is InputFormat.MP4 else 0)
    assert snr_db > 12
    assert 0 <= heard.duration_s - sent.duration_s < 0.08


@pytest.mark.parametrize("source", list(InputFormat))
async def test_sound_comes_while_it_is_being_sent(source: InputFormat) -> None:
    """Catches a decoder that waits for the end, or for much more than a frame."""
    sent = speech()
    data = as_sent(source, sent)
    frame_bytes = len(data) // 30
    sent_s, heard_s, late_s = 0.0, 0.0, []
    with closing(make_decoder(source)) as decoder:
        for frame in cuts(data, frame_bytes):
            sent_s += sent.duration_s / 30
            heard_s += (await decoder.feed(frame)).duration_s
            late_s.append(sent_s - heard_s)
    assert max(late_s[:6]) < 0.5, late_s
    assert max(late_s[6:]) < 0.3, late_s


@pytest.mark.parametrize("container", ["webm", "mp4"])
async def test_what_chromium_records_is_heard_frame_by_frame(container: str) -> None:
    """Catches a decoder that knows FFmpeg's files and not a browser's, or is late with them."""
    frames = as_chromium_cut_it(container)
    with closing(make_decoder(recognise(frames[0]))) as decoder:
        heard = [await decoder.feed(frame) for frame in frames]
        last = await decoder.finish()
    # two frames hold the header and the first sound; from then on each brings its own
    assert all(part.duration_s > 0.05 for part in heard[2:-1])
    assert last.duration_s < 0.02
    whole = Pcm(b"".join(part.samples for part in heard), 16_000)
    _, snr_db = delay_and_snr(speech("go-forward"), whole)
    assert snr_db > 10


async def test_a_frame_is_decoded_when_feed_returns() -> None:
    """Catches a decoder that lags behind: the frame's own sound must not wait for the next."""
    data = as_sent(InputFormat.WEBM, speech())
    with closing(make_decoder(InputFormat.WEBM)) as decoder:
        heard = await decoder.feed(data[: len(data) // 2])
        rest = await decoder.finish()
    assert heard.duration_s > 1.3
    assert rest.duration_s < 0.03


@pytest.mark.parametrize("source", CONTAINERS)
async def test_what_is_cut_short_is_heard_up_to_there(source: InputFormat) -> None:
    """Catches a user who is not heard at all because the connection's last frame is missing."""
    sent = speech()
    data = as_sent(source, sent)
    heard = await decode(make_decoder(source), cuts(data[: len(data) * 2 // 3], 500))
    assert heard.duration_s > sent.duration_s / 2


@pytest.mark.parametrize("source", CONTAINERS)
async def test_a_header_alone_is_no_sound(source: InputFormat) -> None:
    """Catches a turn without a sample that passes for an empty one, or that never ends."""
    decoder = make_decoder(source)
    with pytest.raises(UnreadableAudio):
        await decode(decoder, [as_sent(source, speech())[:40]])
    assert no_readers()


@pytest.mark.parametrize("source", CONTAINERS)
@pytest.mark.parametrize("seed", range(4))
async def test_noise_is_refused(source: InputFormat, seed: int) -> None:
    """Catches a crash, a hang, or any other error than the typed one, on bytes of no audio."""
    noise = random.Random(seed).randbytes(20_000)  # noqa: S311 - repeatable
    data = as_sent(source, speech())[:12] + noise
    try:
        heard = await decode(make_decoder(source, limit_s=60), cuts(data, 1000))
    except (UnreadableAudio, AudioTooLong):
        pass
    else:
        # MP3 has no checksum: some noise looks like frames of it
        assert source in (InputFormat.MP3, InputFormat.WAV), heard.duration_s
    assert no_readers()


@pytest.mark.parametrize("source", THREADED)
@pytest.mark.parametrize("seed", range(6))
async def test_damage_is_survived(source: InputFormat, seed: int) -> None:
    """Catches a crash or a hang on a recording with flipped bytes; what can be heard is heard."""
    chance = random.Random(seed)  # noqa: S311 - repeatable
    data = bytearray(as_sent(source, speech()))
    for _ in range(30):
        data[chance.randrange(len(data))] = chance.randrange(256)
    try:
        heard = await decode(make_decoder(source, limit_s=60), cuts(bytes(data), 700))
    except (UnreadableAudio, AudioTooLong):
        pass
    else:
        assert heard.duration_s < 60
    assert no_readers()


@pytest.mark.parametrize("source", list(InputFormat))
async def test_more_than_is_allowed_is_refused_at_once(source: InputFormat) -> None:
    """Catches a limit that is looked at only at the end, when the memory is gone."""
    data = as_sent(source, speech())
    heard_s = 0.0
    with (  # noqa: PT012 - which frame it is, is part of the question
        closing(make_decoder(source, limit_s=1.0)) as decoder,
        pytest.raises(AudioTooLong),
    ):
        for frame in cuts(data, 500):
            heard_s += (await decoder.feed(frame)).duration_s
    assert 0.4 < heard_s <= 1.0
    assert no_readers()


async def test_few_bytes_that_hold_hours_are_refused() -> None:
    """Catches a small message that unpacks to more than memory: Opus can say 60 ms in one byte."""
    data = as_sent(InputFormat.WEBM, speech())
    first_cluster = data.index(b"\x1f\x43\xb6\x75")
    one_byte = b"\xa3\x85\x81" + b"\0\0\x80" + b"\x18"  # SimpleBlock: 60 ms of SILK, nothing in it
    bomb = data[:first_cluster] + b"\x1f\x43\xb6\x75\x01\xff\xff\xff\xff\xff\xff\xff\xe7\x81\0"
    decoder = make_decoder(InputFormat.WEBM)
    with pytest.raises(AudioTooLong):
        await decode(decoder, [bomb, one_byte * 10_000])
    assert no_readers()


@pytest.mark.parametrize("source", [*THREADED, InputFormat.WAV])
async def test_a_megabyte_without_sound_is_refused(source: InputFormat) -> None:
    """Catches memory that grows with what a client sends and that never becomes sound."""
    heads = {
        InputFormat.WEBM: b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm\xec\x01\0\0\0\x70\0\0\0",
        InputFormat.OGG: b"OggS\0\0",
        InputFormat.MP4: b"\0\0\0\x10ftypisom\0\0\0\0\x70\0\0\0free",
        InputFormat.MP3: b"ID3\4\0\0\x7f\x7f\x7f\x7f",
        InputFormat.WAV: b"RIFF\xff\xff\xff\x7fWAVELIST\xff\xff\xff\x7f",
    }
    fed = 0
    with (  # noqa: PT012 - which frame it is, is the question
        closing(make_decoder(source)) as decoder,
        pytest.raises(UnreadableAudio),
    ):
        await decoder.feed(heads[source])
        for _ in range(40):
            await decoder.feed(bytes(1 << 16))
            fed += 1 << 16
    assert fed <= 1 << 20
    assert no_readers()


async def test_a_stream_that_failed_stays_failed() -> None:
    """Catches a decoder that hangs when it is fed after an error."""
    garbage = random.Random(5).randbytes(5000)  # noqa: S311 - of others, FFmpeg may await the rest
    with closing(make_decoder(InputFormat.WEBM)) as decoder:
        with pytest.raises(UnreadableAudio):
            await decoder.feed(b"\x1a\x45\xdf\xa3" + garbage)
        with pytest.raises(UnreadableAudio):
            await decoder.feed(b"more")
        with pytest.raises(UnreadableAudio):
            await decoder.finish()
    decoder.close()


@pytest.mark.parametrize("source", THREADED)
async def test_closing_ends_the_thread_at_any_time(source: InputFormat) -> None:
    """Catches threads that stay behind connections that went away in the middle of a turn.

    FFmpeg's MP3 reader, for one, asks again after an error.
    """
    data = as_sent(source, speech())
    with (
        closing(make_decoder(source)),
        closing(make_decoder(source)) as begun,
        closing(make_decoder(source)) as fed,
    ):
        await begun.feed(data[:20])
        await fed.feed(data[:5000])
    assert no_readers()
    with pytest.raises(UnreadableAudio):
        await fed.feed(data[5000:])


async def test_a_cancelled_feed_leaves_nothing() -> None:
    """Catches a thread, or an exception that nobody takes, when a connection goes."""
    with closing(make_decoder(InputFormat.WEBM)) as decoder:
        feeding = asyncio.create_task(decoder.feed(as_sent(InputFormat.WEBM, speech())))
        await asyncio.sleep(0)
        feeding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await feeding
        assert no_readers()


async def test_a_decoder_that_hangs_is_given_up() -> None:
    """Catches a connection that waits for ever for a decoder that never answers."""
    held = threading.Event()

    def take(_: int) -> None:
        held.wait(10)

    ogg = as_sent(InputFormat.OGG, speech())
    reader = Reader(InputFormat.OGG, rate_hz=16_000, take=take, step_timeout_s=0.01)
    with closing(reader), pytest.raises(UnreadableAudio, match="too long"):
        await reader.step(ogg)
    held.set()
    assert no_readers()


async def test_the_loop_runs_while_audio_is_decoded() -> None:
    """Catches decoding on the event loop: everybody else would wait."""
    data = as_sent(InputFormat.OGG, Pcm(speech().samples * 5, 16_000))
    ticks = 0
    with closing(make_decoder(InputFormat.OGG)) as decoder:
        feeding = asyncio.create_task(decoder.feed(data))
        while not feeding.done():
            ticks += 1
            await asyncio.sleep(0)
    assert (await feeding).duration_s > 10
    assert ticks > 20


@pytest.mark.parametrize(
    ("channels", "rate_hz"), [(1, 8_000), (2, 16_000), (2, 44_100), (1, 48_000)]
)
@pytest.mark.parametrize("source", [InputFormat.PCM, InputFormat.WAV])
async def test_any_rate_and_two_channels(source: InputFormat, channels: int, rate_hz: int) -> None:
    """Catches speech at double speed, and channels taken for one."""
    sent = speech()
    widened = await decode(
        make_decoder(InputFormat.PCM, rate_hz=rate_hz), [sent.samples]
    )  # the decoder's own resampling, upwards
    mono = widened.samples
    data = (
        mono if channels == 1 else b"".join(mono[at : at + 2] * 2 for at in range(0, len(mono), 2))
    )
    if source is InputFormat.WAV:
        fmt = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * 2 * channels, 2 * channels, 16)
        data = b"RIFF\0\0\0\0WAVELIST\3\0\0\0abc\0fmt \x10\0\0\0" + fmt + b"data\0\0\0\0" + data
    decoder = make_decoder(source, source_rate_hz=rate_hz, source_channels=channels)
    heard = await decode(decoder, cuts(data, 333))
    delay, snr_db = delay_and_snr(sent, heard)
    assert abs(delay) <= 1
    assert snr_db > 10
    assert abs(heard.duration_s - sent.duration_s) < 0.01


@pytest.mark.parametrize(
    "fields",
    [
        b"",
        struct.pack("<HHIIHH", 1, 7, 16_000, 0, 0, 16),
        struct.pack("<HHIIHH", 1, 1, 0, 0, 0, 16),
        struct.pack("<HHIIHH", 85, 1, 16_000, 0, 0, 16),
    ],
)
async def test_a_wav_that_we_cannot_read_is_refused(fields: bytes) -> None:
    """Catches a division by zero, or noise in the place of a codec that is not read."""
    head = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(fields)) + fields + b"data\0\0\0\0"
    with closing(make_decoder(InputFormat.WAV)) as decoder, pytest.raises(UnreadableAudio):
        await decoder.feed(head + bytes(100))


@pytest.mark.parametrize(
    ("head", "source"),
    [
        (b"", InputFormat.PCM),
        (b"\0\0\1\0", InputFormat.PCM),
        (b"\x1a\x45\xdf\xa3\x9f", InputFormat.WEBM),
        (b"OggS\0", InputFormat.OGG),
        (b"RIFF\0\0\0\0WAVE", InputFormat.WAV),
        (b"RIFF", InputFormat.WAV),
        (b"RIFF\0\0\0\0AVI ", InputFormat.PCM),
        (b"\0\0\0\x1cftypiso5", InputFormat.MP4),
        (b"ID3\4", InputFormat.MP3),
        (b"\xff\xfb\x90\x64", InputFormat.PCM),
    ],
)
def test_formats_are_known_by_their_first_bytes(head: bytes, source: InputFormat) -> None:
    """Catches samples taken for a container, or the other way round."""
    assert recognise(head) is source


def test_ffmpeg_is_not_loaded_for_samples() -> None:
    """Catches a tenth of a second and some megabytes more for those who send and hear PCM."""
    code = (
        "import asyncio, sys\n"
        "from orchestrator.gateway.audio import *\n"
        "asyncio.run(make_decoder(InputFormat.PCM).feed(bytes(100)))\n"
        "asyncio.run(make_encoder(OutputFormat.WAV).encode(Pcm(bytes(100), 16000)))\n"
        "print('av' in sys.modules)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert told.stdout.split() == ["False"]
