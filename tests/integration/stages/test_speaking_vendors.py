"""Synthesisers against servers that speak the vendors' wire format."""

import asyncio
import base64
import json
import struct

import pytest
from aiohttp import WSMsgType, web
from livekit.agents import APIConnectOptions, APIError, tts

from agent.settings import AgentSettings
from tests.integration.stages.built import KEY, built
from tests.integration.stages.conftest import Serve

ONCE = APIConnectOptions(max_retry=0, timeout=10)
WITHIN_S = 30.0
RATE_HZ = 24_000
PCM = struct.pack("<4800h", *((at % 97) * 100 for at in range(4_800)))
"""0.2 s, which cannot be taken for silence."""


class ElevenLabs:
    """`…/text-to-speech/{voice}/multi-stream-input`: many texts over one connection."""

    def __init__(self) -> None:
        self.voice = self.key = self.text = ""
        self.query: dict[str, str] = {}

    async def speak(self, request: web.Request) -> web.StreamResponse:
        """One connection."""
        self.voice, self.query = request.match_info["voice"], dict(request.query)
        self.key = request.headers["xi-api-key"]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            asked = json.loads(message.data)
            of = {"contextId": asked["context_id"]}
            if asked.get("close_context"):
                await socket.send_json({"isFinal": True, **of})
            elif text := asked["text"].strip():
                self.text += text
                chars = list(text)
                alignment = {
                    "chars": chars,
                    "charStartTimesMs": [at * 10 for at in range(len(chars))],
                    "charDurationsMs": [10] * len(chars),
                }
                audio = base64.b64encode(PCM).decode()
                await socket.send_json({"audio": audio, "normalizedAlignment": alignment, **of})
        return socket


class Cartesia:
    """`/tts/websocket`: contexts that go on until one message says that nothing follows."""

    def __init__(self) -> None:
        self.key = ""
        self.asked: list[dict[str, object]] = []

    async def speak(self, request: web.Request) -> web.StreamResponse:
        """One connection."""
        self.key = request.headers["X-API-Key"]
        assert request.query["cartesia_version"]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            asked = json.loads(message.data)
            self.asked.append(asked)
            of = {"context_id": asked["context_id"], "status_code": 206, "done": False}
            if asked["transcript"].strip():
                data = base64.b64encode(PCM).decode()
                await socket.send_json({"type": "chunk", "data": data, "step_time": 1.0, **of})
            if not asked["continue"]:
                done = {**of, "done": True, "status_code": 200}
                await socket.send_json({"type": "done", **done})
        return socket


async def _say(synthesizer: tts.TTS[str], text: str) -> bytes:
    """Its audio, as a stream where it can, else at once."""
    async with asyncio.timeout(WITHIN_S):
        if not synthesizer.capabilities.streaming:
            frame = await synthesizer.synthesize(text, conn_options=ONCE).collect()
            return bytes(frame.data)
        async with synthesizer.stream(conn_options=ONCE) as stream:
            stream.push_text(text)
            stream.end_input()
            return b"".join([audio.frame.data.tobytes() async for audio in stream])


@pytest.mark.parametrize(
    ("voice", "language", "spoken", "code"),
    [
        ("Ashley", "en-US", "EXAVITQu4vr4xnSDxMaL", "en"),
        ("ar-XA-Wavenet-B", "ar-EG", "nPczCjzI2devNBz1zQrb", "ar"),
        ("Zz0123456789abcdefgh", "en-US", "Zz0123456789abcdefgh", "en"),
    ],
)
async def test_elevenlabs_speaks_through_its_websocket(
    machine: AgentSettings, vendor: Serve, voice: str, language: str, spoken: str, code: str
) -> None:
    """Catches a key in the wrong header, a voice or language not passed on, and lost audio."""
    server = ElevenLabs()
    address = await vendor("/v1/text-to-speech/{voice}/multi-stream-input", server.speak)
    synthesizer = built(
        machine,
        "elevenlabs",
        "speech",
        language=language,
        voice=voice,
        ELEVEN_API_KEY=KEY,
        ELEVEN_BASE_URL=f"{address}/v1",
    )
    pcm = await _say(synthesizer, "Good morning to you.")
    assert pcm.startswith(PCM[:4_000])
    assert (server.key, server.voice, server.text) == (KEY, spoken, "Good morning to you.")
    assert server.query["output_format"] == "pcm_24000"
    assert (server.query["language_code"], server.query["model_id"]) == (code, "eleven_turbo_v2_5")
    await synthesizer.aclose()


@pytest.mark.parametrize(
    ("voice", "language", "spoken", "code"),
    [
        ("Ashley", "en-US", "f786b574-daa5-4673-aa0c-cbe3e8534c02", "en"),
        ("Omar", "ar-EG", "228fca29-3a0a-435c-8728-5cb483251068", "ar"),
    ],
)
async def test_cartesia_speaks_through_its_websocket(
    machine: AgentSettings, vendor: Serve, voice: str, language: str, spoken: str, code: str
) -> None:
    """Catches a key in the wrong header, a voice or language not passed on, and lost audio."""
    server = Cartesia()
    address = await vendor("/tts/websocket", server.speak)
    synthesizer = built(
        machine,
        "cartesia",
        "speech",
        language=language,
        voice=voice,
        CARTESIA_API_KEY=KEY,
        CARTESIA_BASE_URL=address,
    )
    pcm = await _say(synthesizer, "Good morning to you.")
    assert pcm.startswith(PCM[:4_000])
    assert server.key == KEY
    assert server.asked[0]["voice"] == {"mode": "id", "id": spoken}
    assert (server.asked[0]["language"], server.asked[0]["model_id"]) == (code, "sonic-3")
    texts = "".join(str(asked["transcript"]) for asked in server.asked)
    assert texts.strip() == "Good morning to you."
    await synthesizer.aclose()


async def test_a_speech_server_is_asked_as_openai_is(machine: AgentSettings, vendor: Serve) -> None:
    """Catches the voices of one's own server being replaced by OpenAI's."""
    seen: dict[str, object] = {}

    async def speak(request: web.Request) -> web.StreamResponse:
        seen.update(await request.json())
        return web.Response(body=_wav(PCM), content_type="audio/wav")

    address = await vendor("/v1/audio/speech", speak)
    synthesizer = built(
        machine,
        "openai",
        "speech",
        voice="Ashley",
        OPENAI_TTS_BASE_URL=f"{address}/v1",
        OPENAI_TTS_MODEL="kokoro",
        OPENAI_TTS_VOICE="af_heart",
    )
    pcm = await _say(synthesizer, "Good morning to you.")
    assert PCM[:2_000] in pcm
    assert (seen["model"], seen["voice"]) == ("kokoro", "af_heart")
    assert seen["input"] == "Good morning to you."
    await synthesizer.aclose()


@pytest.mark.parametrize(
    ("voice", "language", "spoken"),
    [
        ("Ashley", "en-US", "en-US-JennyNeural"),
        ("Omar", "ar-EG", "ar-EG-ShakirNeural"),
        ("en-US-GuyNeural", "ar-EG", "ar-EG-ShakirNeural"),
    ],
)
async def test_azure_is_asked_in_ssml(
    machine: AgentSettings, vendor: Serve, voice: str, language: str, spoken: str
) -> None:
    """Catches a voice that does not speak the language, and a key in the wrong header."""
    seen: dict[str, str] = {}

    async def speak(request: web.Request) -> web.StreamResponse:
        seen["key"] = request.headers["Ocp-Apim-Subscription-Key"]
        seen["format"] = request.headers["X-Microsoft-OutputFormat"]
        seen["ssml"] = await request.text()
        return web.Response(body=PCM, content_type="audio/raw")

    address = await vendor("/cognitiveservices/v1", speak)
    synthesizer = built(
        machine,
        "azure",
        "speech",
        language=language,
        voice=voice,
        AZURE_SPEECH_KEY=KEY,
        AZURE_SPEECH_REGION="westeurope",
        AZURE_SPEECH_ENDPOINT=f"{address}/cognitiveservices/v1",
    )
    pcm = await _say(synthesizer, "Good morning to you.")
    assert pcm.startswith(PCM[:4_000])
    assert (seen["key"], seen["format"]) == (KEY, "raw-24khz-16bit-mono-pcm")
    assert spoken in seen["ssml"]
    assert "Good morning to you." in seen["ssml"]
    await synthesizer.aclose()


@pytest.mark.parametrize(
    ("provider", "path", "variables"),
    [
        (
            "elevenlabs",
            "/text-to-speech/{voice}/multi-stream-input",
            ("ELEVEN_API_KEY", "ELEVEN_BASE_URL"),
        ),
        ("cartesia", "/tts/websocket", ("CARTESIA_API_KEY", "CARTESIA_BASE_URL")),
        ("openai", "/audio/speech", ("OPENAI_API_KEY", "OPENAI_BASE_URL")),
    ],
)
async def test_a_refused_key_surfaces_and_is_not_told(
    machine: AgentSettings,
    vendor: Serve,
    provider: str,
    path: str,
    variables: tuple[str, str],
) -> None:
    """Catches a refusal that ends as silence, and a key that is told in its error."""

    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "invalid key"}}, status=401)

    key, base_url = variables
    address = await vendor(path, refuse)
    synthesizer = built(machine, provider, "speech", **{key: KEY, base_url: address})
    with pytest.raises(APIError) as caught:
        await _say(synthesizer, "Good morning to you.")
    assert KEY not in repr(caught.value)
    await synthesizer.aclose()


def _wav(pcm: bytes) -> bytes:
    head = struct.pack(
        "<4sI4s4sIHHIIHH",
        b"RIFF",
        36 + len(pcm),
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        RATE_HZ,
        RATE_HZ * 2,
        2,
        16,
    )
    return head + struct.pack("<4sI", b"data", len(pcm)) + pcm
