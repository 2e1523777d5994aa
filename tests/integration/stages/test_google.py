"""Google's recognition and synthesis against a server that speaks their gRPC.

The plugin fixes Google's addresses, so its clients are handed a channel to the stand-in; what goes
over it is theirs.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.cloud import speech_v1, speech_v2, texttospeech
from google.cloud.speech_v1.services.speech.transports import SpeechGrpcAsyncIOTransport as HearsV1
from google.cloud.speech_v2.services.speech.transports import SpeechGrpcAsyncIOTransport as HearsV2
from google.cloud.texttospeech_v1.services.text_to_speech.transports import (
    TextToSpeechGrpcAsyncIOTransport as Speaks,
)
from livekit.agents import APIConnectOptions, stt

from agent.settings import AgentSettings
from tests.integration.stages.built import built
from tests.integration.stages.conftest import frames

ONCE = APIConnectOptions(max_retry=0, timeout=20)
WITHIN_S = 60.0
PCM = bytes(range(1, 201)) * 48
Event = stt.SpeechEventType


class Google:
    """Both services, as far as the plugin asks them."""

    def __init__(self) -> None:
        self.spoken: list[Any] = []
        self.heard: list[Any] = []

    async def synthesize(self, asked: Any, _: object) -> Any:
        """`SynthesizeSpeech`: one text."""
        self.spoken.append(asked)
        return texttospeech.SynthesizeSpeechResponse(audio_content=PCM)

    async def stream(self, asked: AsyncIterator[Any], _: object) -> AsyncIterator[Any]:
        """`StreamingSynthesize`: a configuration, then texts."""
        async for each in asked:
            self.spoken.append(each)
            if each.input.text:
                yield texttospeech.StreamingSynthesizeResponse(audio_content=PCM)

    async def hear(self, asked: AsyncIterator[Any], _: object) -> AsyncIterator[Any]:
        """`StreamingRecognize`: a configuration, then audio."""
        audio = 0
        async for each in asked:
            self.heard.append(each)
            audio += len(getattr(each, "audio_content", b"") or getattr(each, "audio", b""))
            if audio >= 32_000:
                break
        package = (
            speech_v2
            if isinstance(self.heard[0], speech_v2.StreamingRecognizeRequest)
            else (speech_v1)
        )
        for text, final in (("متى", False), ("متى تفتحون؟", True)):
            said = package.SpeechRecognitionAlternative(transcript=text, confidence=0.95)
            result = package.StreamingRecognitionResult(
                alternatives=[said], is_final=final, stability=0.9, language_code="ar-eg"
            )
            yield package.StreamingRecognizeResponse(results=[result])


@pytest.fixture
async def google() -> AsyncIterator[tuple[Google, grpc.aio.Channel]]:
    """A stand-in, and a channel to it."""
    stand_in, server = Google(), grpc.aio.server()
    one = grpc.unary_unary_rpc_method_handler(
        stand_in.synthesize,
        texttospeech.SynthesizeSpeechRequest.deserialize,
        texttospeech.SynthesizeSpeechResponse.serialize,
    )
    many = grpc.stream_stream_rpc_method_handler(
        stand_in.stream,
        texttospeech.StreamingSynthesizeRequest.deserialize,
        texttospeech.StreamingSynthesizeResponse.serialize,
    )
    methods = {"SynthesizeSpeech": one, "StreamingSynthesize": many}
    service = "google.cloud.texttospeech.v1.TextToSpeech"
    handlers = [grpc.method_handlers_generic_handler(service, methods)]
    for package, version in ((speech_v1, "v1"), (speech_v2, "v2")):
        hear = grpc.stream_stream_rpc_method_handler(
            stand_in.hear,
            package.StreamingRecognizeRequest.deserialize,
            package.StreamingRecognizeResponse.serialize,
        )
        service = f"google.cloud.speech.{version}.Speech"
        handlers.append(grpc.method_handlers_generic_handler(service, {"StreamingRecognize": hear}))
    server.add_generic_rpc_handlers(handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield stand_in, channel
    await server.stop(None)


@pytest.fixture
def account(tmp_path: Path) -> str:
    """A file that stands for a service account's key."""
    file = tmp_path / "account.json"
    file.write_text("{}")
    return str(file)


@pytest.mark.parametrize(
    ("voice", "spoken", "streams"),
    [("ar-XA-Wavenet-B", "ar-XA-Wavenet-B", False), ("Ashley", "ar-XA-Chirp3-HD-Kore", True)],
)
async def test_google_speaks_arabic(
    machine: AgentSettings,
    google: tuple[Google, grpc.aio.Channel],
    account: str,
    voice: str,
    spoken: str,
    streams: bool,
) -> None:
    """Catches a voice asked for in a language that it does not speak, or with another's model."""
    stand_in, channel = google
    synthesizer = built(
        machine,
        "google",
        "speech",
        language="ar-EG",
        voice=voice,
        GOOGLE_APPLICATION_CREDENTIALS=account,
    )
    transport = Speaks(channel=channel)
    synthesizer._client = texttospeech.TextToSpeechAsyncClient(transport=transport)
    async with asyncio.timeout(WITHIN_S):
        if streams:
            async with synthesizer.stream(conn_options=ONCE) as stream:
                stream.push_text("صباح الخير.")
                stream.end_input()
                pcm = b"".join([audio.frame.data.tobytes() async for audio in stream])
        else:
            frame = await synthesizer.synthesize("صباح الخير.", conn_options=ONCE).collect()
            pcm = bytes(frame.data)
    assert pcm.startswith(PCM[:4_000])
    asked = stand_in.spoken[0].streaming_config.voice if streams else stand_in.spoken[0].voice
    assert (asked.language_code, asked.name, asked.model_name) == ("ar-XA", spoken, "")
    assert stand_in.spoken[-1].input.text == "صباح الخير."
    await synthesizer.aclose()


async def test_google_hears_arabic(
    machine: AgentSettings,
    google: tuple[Google, grpc.aio.Channel],
    account: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches Arabic that is heard under a code of synthesis', and transcripts that are lost."""
    stand_in, channel = google
    recognizer = built(
        machine,
        "google",
        "recognition",
        language="ar-XA",
        GOOGLE_APPLICATION_CREDENTIALS=account,
    )
    second = recognizer._config.version == 2
    client: Any = (
        speech_v2.SpeechAsyncClient(transport=HearsV2(channel=channel))
        if second
        else speech_v1.SpeechAsyncClient(transport=HearsV1(channel=channel))
    )

    async def create(_: float) -> Any:
        return client

    monkeypatch.setattr(recognizer._pool, "_connect_cb", create)
    monkeypatch.setattr(recognizer, "_project_id", "a-project")
    texts: list[tuple[Event, str]] = []
    async with recognizer.stream(conn_options=ONCE) as stream, asyncio.timeout(WITHIN_S):
        for frame in frames(bytes(64_000)):
            stream.push_frame(frame)
        async for event in stream:
            if event.alternatives:
                texts.append((event.type, event.alternatives[0].text))
            if event.type is Event.FINAL_TRANSCRIPT:
                break
    assert texts[-1] == (Event.FINAL_TRANSCRIPT, "متى تفتحون؟")
    configured = stand_in.heard[0].streaming_config.config
    code = configured.language_codes[0] if second else configured.language_code
    assert code == "ar-EG"
    await recognizer.aclose()
