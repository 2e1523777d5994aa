"""Models that a user has downloaded, behind their servers: tiny ones that the tests make."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from livekit.agents import APIConnectOptions, APIError, stt
from livekit.agents.voice.io import TimedString

from agent.knowledge.embeddings import make_embedder
from agent.knowledge.errors import EmbeddingFailed
from agent.settings import AgentSettings
from agent.stages.local.client import SpeechServer
from agent.stages.local.messages import SYNTHESIZER_REPLIES, Audio, Speak
from agent.stages.local.recognizer import LocalSTT
from agent.stages.local.synthesizer import LocalTTS
from agent.stages.providers import Request, find_provider
from agent.stages.voices import resolve_voice
from tests.integration.stages.conftest import Server, frames, speech, start_server
from tests.integration.stages.tiny_models import (
    make_embedding,
    make_moonshine,
    make_piper,
    make_whisper,
)

ONCE = APIConnectOptions(max_retry=0, timeout=10)
PATIENTLY = APIConnectOptions(max_retry=200, timeout=10, retry_interval=0.2)


@pytest.fixture(scope="module")
def models() -> Iterator[Path]:
    """A folder with one tiny model of each kind."""
    with tempfile.TemporaryDirectory(prefix="mj") as folder:
        root = Path(folder)
        make_whisper(root / "whisper" / "tiny")
        make_moonshine(root / "moonshine" / "tiny-en", ["good", "morning"])
        make_moonshine(root / "moonshine" / "tiny-ar", ["صباح", "الخير"])
        make_piper(root / "piper", "en_US-hum-tiny", hz=220)
        make_piper(root / "piper", "ar_JO-hum-tiny", hz=440)
        make_piper(root / "low", "ar_JO-hum-low", hz=440, rate_hz=16_000)
        make_embedding(
            root / "embedding",
            options={"query_prefix": "query: ", "passage_prefix": "passage: "},
        )
        yield root


def machine(folder: Path, models: Path, **others: object) -> AgentSettings:
    """A machine of a test's own that has all of them."""
    values: dict[str, object] = {
        "run_dir": folder / "r",
        "data_dir": folder / "d",
        "whisper_model_path": models / "whisper" / "tiny",
        "moonshine_model_path": models / "moonshine",
        "piper_voice_path": models / "piper",
        "embedding_model_path": models / "embedding",
        "asr_timeout_seconds": 20,
        "tts_timeout_seconds": 10,
    }
    return AgentSettings(_env_file=None, **{**values, **others})  # type: ignore[arg-type,call-arg]


def environment(settings: AgentSettings) -> dict[str, str]:
    """The same for a process."""
    names = (
        "run_dir", "data_dir", "whisper_model_path", "moonshine_model_path", "piper_voice_path",
        "embedding_model_path",
    )  # fmt: skip
    return {name.upper(): str(getattr(settings, name)) for name in names}


@contextmanager
def running(
    module: str, socket_name: str, models: Path, **others: object
) -> Iterator[tuple[AgentSettings, Server]]:
    """A server of a test's own."""
    with tempfile.TemporaryDirectory(prefix="mj") as folder:
        settings = machine(Path(folder), models, **others)
        server = start_server(module, getattr(settings, socket_name), environment(settings))
        try:
            yield settings, server
        finally:
            if server.process.poll() is None:
                assert server.stop() == 0
            assert server.process.stderr is not None
            server.process.stderr.close()


def request(settings: AgentSettings, language: str) -> Request:
    return Request(settings, language, resolve_voice(None, language, "female"), "")


def recognizer(name: str, settings: AgentSettings, language: str) -> LocalSTT | None:
    """As a conversation would have it."""
    provider = find_provider(name)
    assert provider is not None
    assert provider.recognition is not None
    built = provider.recognition.build(request(settings, language))
    assert built is None or isinstance(built, LocalSTT)
    return built


async def heard(stream: stt.RecognizeStream) -> list[stt.SpeechEvent]:
    """Everything until the first final transcript."""
    events = []
    async for event in stream:
        events.append(event)
        if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
            break
    return events


def said(event: stt.SpeechEvent) -> str:
    return event.alternatives[0].text


async def test_whisper_hears_in_the_language_of_the_session(models: Path) -> None:
    """Catches a model that is not loaded from its path, or not asked for the language."""
    with running("whisper_server", "whisper_socket", models) as (settings, _):
        texts = {}
        for language in ("en-US", "ar-EG"):
            recognizes = recognizer("whisper", settings, language)
            assert recognizes is not None
            assert recognizes.model == "faster-whisper/tiny"
            clip = list(frames(speech("go-forward")))
            event = await recognizes.recognize(clip, conn_options=ONCE)
            assert event.alternatives[0].language == language
            assert 0 <= event.alternatives[0].confidence <= 1
            texts[language] = said(event)
            assert said(event).startswith("w")  # the words of the tiny model's vocabulary
        assert texts["en-US"] != texts["ar-EG"]


async def test_what_was_said_is_not_lost_with_the_server(models: Path) -> None:
    """Catches a crash of the engine that costs the user's words, or ends the conversation."""
    with running("whisper_server", "whisper_socket", models) as (settings, server):
        recognizes = recognizer("whisper", settings, "ar-EG")
        assert recognizes is not None
        async with recognizes.stream(conn_options=PATIENTLY) as stream:
            for frame in frames(speech("go-forward")):
                stream.push_frame(frame)
            began = await asyncio.wait_for(anext(stream), 20)
            assert began.type is stt.SpeechEventType.START_OF_SPEECH
            server.process.kill()
            server.process.wait(10)
            again = await asyncio.to_thread(
                start_server, "whisper_server", settings.whisper_socket, environment(settings)
            )
            try:
                stream.flush()
                events = await asyncio.wait_for(heard(stream), 60)
                assert said(events[-1]).startswith("w")
            finally:
                await asyncio.to_thread(again.stop)
                assert again.process.stderr is not None
                again.process.stderr.close()


async def test_two_conversations_share_one_model(models: Path) -> None:
    """Catches a model for each agent, and conversations that wait for each other's end."""
    with running("moonshine_server", "moonshine_socket", models) as (settings, server):
        alone = psutil.Process(server.process.pid).memory_info().rss
        streams = []
        for language in ("en-US", "ar-EG"):
            recognizes = recognizer("moonshine", settings, language)
            assert recognizes is not None
            streams.append(recognizes.stream(conn_options=ONCE))
        for frame in frames(speech("go-forward")):
            for stream in streams:
                stream.push_frame(frame)
        for stream in streams:
            stream.flush()
        english, arabic = await asyncio.wait_for(asyncio.gather(*map(heard, streams)), 60)
        assert said(english[-1]) == "good morning"
        assert said(arabic[-1]) == "صباح الخير"
        assert server.children() == []
        assert psutil.Process(server.process.pid).memory_info().rss < alone + 80 * 2**20
        for stream in streams:
            await stream.aclose()


async def test_moonshine_tells_words_before_the_end(models: Path) -> None:
    """Catches interim words that never come: nothing could be looked up while the user speaks."""
    with running("moonshine_server", "moonshine_socket", models) as (settings, _):
        recognizes = recognizer("moonshine", settings, "en-US")
        assert recognizes is not None
        assert recognizes.model == "moonshine/tiny-en"
        async with recognizes.stream(conn_options=ONCE) as stream:
            for frame in frames(speech("go-forward")):
                stream.push_frame(frame)
            stream.flush()
            events = await asyncio.wait_for(heard(stream), 60)
        interim = [e for e in events if e.type is stt.SpeechEventType.INTERIM_TRANSCRIPT]
        assert interim
        assert {said(event) for event in interim} == {"good morning"}


@pytest.mark.parametrize("module", ["whisper_server", "moonshine_server"])
async def test_hostile_peers_cost_their_own_connection(module: str, models: Path) -> None:
    """Catches a peer that brings a server of threads down."""
    name = f"{module.removesuffix('_server')}_socket"
    with running(module, name, models) as (settings, server):
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 100, b""):
            reader, writer = await asyncio.open_unix_connection(getattr(settings, name))
            writer.write(garbage)
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), 10)
            assert (b"refused" in answer) == bool(garbage)
            writer.close()
        assert server.process.poll() is None
        recognizes = recognizer(module.removesuffix("_server"), settings, "en-US")
        assert recognizes is not None
        silence = list(frames(bytes(32_000)))
        assert (await recognizes.recognize(silence, conn_options=ONCE)).alternatives


def synthesizer(settings: AgentSettings, language: str) -> LocalTTS:
    provider = find_provider("piper")
    assert provider is not None
    assert provider.speech is not None
    built = provider.speech.build(request(settings, language))
    assert isinstance(built, LocalTTS)
    return built


def tone_hz(samples: "np.typing.NDArray[np.int16]", rate_hz: int) -> float:
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(samples.astype(np.float64)))
    return float(np.argmax(spectrum[1:]) + 1) * rate_hz / len(samples)


async def test_piper_speaks_in_the_voice_of_the_language(models: Path) -> None:
    """Catches a voice that is not loaded from its path, or speaks for the other language."""
    with running("piper_server", "piper_socket", models) as (settings, server):
        for language, text, hz in (("en-US", "Good.", 220), ("ar-EG", "صباح الخير", 440)):
            speaks = synthesizer(settings, language)
            frame = await speaks.synthesize(text, conn_options=ONCE).collect()
            assert frame.sample_rate == speaks.sample_rate == 22_050
            assert frame.duration > 0.1
            assert tone_hz(np.frombuffer(frame.data, np.int16), 22_050) == pytest.approx(
                hz, rel=0.05
            )
        assert synthesizer(settings, "ar-EG").model == "piper/ar_JO-hum-tiny"
        await asyncio.to_thread(server.wait_for_children, 0)


async def test_piper_speaks_numbers_as_words_and_shows_them_as_written(models: Path) -> None:
    """Catches digits that a voice reads one by one, and words for digits in what is shown."""
    with running("piper_server", "piper_socket", models) as (settings, _):
        speaks = synthesizer(settings, "en-US")
        written = await speaks.synthesize("1,250 lamps.", conn_options=ONCE).collect()
        words = "one thousand two hundred and fifty lamps."
        spelled = await speaks.synthesize(words, conn_options=ONCE).collect()
        assert written.duration == pytest.approx(spelled.duration)
        shown: list[TimedString] = []
        async with speaks.stream(conn_options=ONCE) as stream:
            stream.push_text("1,250 lamps. Yes.")
            stream.end_input()
            async for audio in stream:
                shown += audio.frame.userdata.get("lk.timed_transcripts", [])
        assert "".join(shown) == "1,250 lamps. Yes."


async def test_a_crash_of_piper_takes_one_connection_along(models: Path) -> None:
    """Catches a text that silences every conversation of the machine."""
    with running("piper_server", "piper_socket", models) as (settings, server):
        path = settings.piper_socket
        async with await SpeechServer.connect(path, SYNTHESIZER_REPLIES, timeout_s=5) as one:
            [child] = await asyncio.to_thread(server.wait_for_children, 1)
            async with await SpeechServer.connect(path, SYNTHESIZER_REPLIES, timeout_s=5) as two:
                await asyncio.to_thread(server.wait_for_children, 2)
                child.send_signal(11)
                await two.send(Speak("Still here.", "en-us"))
                assert isinstance(await two.receive_within(10), Audio)
            with pytest.raises(APIError) as caught:
                await one.receive_within(10)
        assert caught.value.retryable


@pytest.mark.parametrize("text", ["🙂", "[[_^_]] <x>\x00\x1b", "a" * 7_000, "\u202e" * 300])
async def test_piper_survives_hostile_text(text: str, models: Path) -> None:
    """Catches texts that crash the phonemizer, and phonemes that come from outside."""
    with running("piper_server", "piper_socket", models) as (settings, server):
        for language in ("en-US", "ar-EG"):
            speaks = synthesizer(settings, language)
            frame = await speaks.synthesize(text, conn_options=ONCE).collect()
            assert frame.duration > 0
        assert server.process.poll() is None


async def test_a_voice_keeps_its_own_rate(models: Path) -> None:
    """Catches a voice of 16 kHz that is played too fast, and a language without a voice."""
    low = models / "low"
    with running("piper_server", "piper_socket", models, piper_voice_path=low) as (settings, _):
        speaks = synthesizer(settings, "ar-EG")
        frame = await speaks.synthesize("صباح الخير", conn_options=ONCE).collect()
        assert frame.sample_rate == 16_000
        assert tone_hz(np.frombuffer(frame.data, np.int16), 16_000) == pytest.approx(440, rel=0.05)
        provider = find_provider("piper")
        assert provider is not None
        assert provider.speech is not None
        assert provider.speech.build(request(settings, "en-US")) is None
        nobody = LocalTTS(settings.piper_socket, voice="en-us", rate_hz=16_000)
        with pytest.raises(APIError):
            await nobody.synthesize("Hello", conn_options=ONCE).collect()


async def test_texts_are_embedded_on_this_machine(models: Path) -> None:
    """Catches vectors that are not the model's, and questions read as passages."""
    with running("embedding_server", "embedder_socket", models) as (settings, server):
        embedder = make_embedder(settings)
        assert embedder is not None
        assert embedder.name == "local/embedding"
        texts = ["lamp return", "battery price", "shipping " * 600] * 30
        vectors = np.concatenate(await asyncio.to_thread(lambda: list(embedder.embed(texts))))
        assert vectors.shape == (90, 16)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
        question = await embedder.embed_query("return lamp")
        near = vectors[:3] @ question[0]
        assert near.argmax() == 0
        # both words, but not the prefixes, which differ
        assert near[0] == pytest.approx(2 / 3, abs=1e-5)
        for child in await asyncio.to_thread(server.children):
            child.kill()
        assert (await asyncio.to_thread(lambda: list(embedder.embed(["lamp"]))))[0].shape == (1, 16)
        await embedder.aclose()


async def test_without_its_server_a_question_has_no_vector(models: Path) -> None:
    """Catches a question that waits for a server that is down, or an error that nobody expects."""
    with tempfile.TemporaryDirectory(prefix="mj") as folder:
        embedder = make_embedder(machine(Path(folder), models))
        assert embedder is not None
        with pytest.raises(EmbeddingFailed):
            await asyncio.wait_for(embedder.embed_query("lamp"), 30)
        await embedder.aclose()


@pytest.mark.parametrize(
    ("module", "setting"),
    [
        ("whisper_server", "WHISPER_MODEL_PATH"),
        ("moonshine_server", "MOONSHINE_MODEL_PATH"),
        ("piper_server", "PIPER_VOICE_PATH"),
        ("embedding_server", "EMBEDDING_MODEL_PATH"),
    ],
)
@pytest.mark.parametrize("what", ["missing", "broken"])
def test_a_model_that_cannot_be_used_is_one_line(module: str, setting: str, what: str) -> None:
    """Catches a traceback, or an attempt to fetch what is not there."""
    with tempfile.TemporaryDirectory(prefix="mj") as folder:
        path = Path(folder) / "tiny-en"
        if what == "broken":
            path.mkdir()
            for name in (
                "model.bin",
                "model.onnx",
                "encoder_model.ort",
                "decoder_model_merged.ort",
            ):
                (path / name).write_bytes(b"no model")
            (path / "tokenizer.bin").write_bytes(b"\x05words")
            (path / "tokenizer.json").write_text("{}", encoding="utf-8")
            (path / "vocabulary.json").write_text("[]", encoding="utf-8")
            (path / "model.onnx.json").write_text("{}", encoding="utf-8")
        ended = subprocess.run(
            [sys.executable, "-m", f"agent.stages.local.{module}"],
            env={"RUN_DIR": f"{folder}/r", "DATA_DIR": f"{folder}/d", setting: str(path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert setting in ended.stderr.splitlines()[-1] or "model.onnx" in ended.stderr.splitlines()[-1]
