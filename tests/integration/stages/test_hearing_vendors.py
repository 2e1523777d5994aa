"""Recognisers against servers that speak the vendors' wire format."""

import asyncio
import io
import json
import wave

import pytest
from aiohttp import WSMsgType, web
from livekit.agents import APIConnectOptions, APIStatusError, stt

from agent.settings import AgentSettings
from tests.integration.stages.built import KEY, built
from tests.integration.stages.conftest import Serve, frames, speech

ONCE = APIConnectOptions(max_retry=0, timeout=10)
WITHIN_S = 30.0
Event = stt.SpeechEventType


class Deepgram:
    """`wss://api.deepgram.com/v1/listen`: words while audio comes in, all of them at the end."""

    def __init__(self) -> None:
        self.query: dict[str, str] = {}
        self.key = ""
        self.heard = 0
        """Bytes of audio."""
        self.said: list[str] = []

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """One connection."""
        self.query, self.key = dict(request.query), request.headers["Authorization"]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.1})
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                before, self.heard = self.heard, self.heard + len(message.data)
                if before < 16_000 <= self.heard:
                    await socket.send_json(self._results("when do you", final=False))
                continue
            said = json.loads(message.data)["type"]
            self.said.append(said)
            if said == "CloseStream":
                await socket.send_json(self._results("When do you open?", final=True))
                await socket.send_json({"type": "Metadata", "request_id": "r1", "channels": 1})
                break
        await socket.close()
        return socket

    def _results(self, text: str, *, final: bool) -> dict[str, object]:
        words = [
            {"word": word, "punctuated_word": word, "start": at / 10, "end": (at + 1) / 10}
            | {"confidence": 0.9}
            for at, word in enumerate(text.split())
        ]
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": 0.0,
            "duration": 1.0,
            "is_final": final,
            "speech_final": final,
            "channel": {"alternatives": [{"transcript": text, "confidence": 0.9, "words": words}]},
            "metadata": {"request_id": "r1", "model_info": {"name": "nova-3"}},
        }


class Azure:
    """Azure's speech protocol: messages with heads as HTTP has them, a request for each turn."""

    def __init__(self) -> None:
        self.key = self.language = ""
        self.heard = 0
        """Bytes of audio, with the head of its WAV."""

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """One connection."""
        self.key = request.headers["Ocp-Apim-Subscription-Key"]
        self.language = request.query["language"]
        socket = web.WebSocketResponse(protocols=("USP",))
        await socket.prepare(request)
        begun = ""
        async for message in socket:
            if message.type is not WSMsgType.BINARY:
                continue
            size = 2 + int.from_bytes(message.data[:2], "big")
            turn = self._field(message.data[2:size].decode(), "X-RequestId")
            self.heard += len(message.data) - size
            said: list[tuple[str, dict[str, object]]] = []
            if turn != begun:
                begun = turn
                said = [
                    ("turn.start", {"context": {"serviceTag": "t"}}),
                    ("speech.startDetected", {"Offset": 0}),
                    ("speech.hypothesis", self._words(Text="متى")),
                ]
            if len(message.data) == size:
                whole = self._words(RecognitionStatus="Success", DisplayText="متى تفتحون؟")
                said += [
                    ("speech.phrase", whole),
                    ("speech.endDetected", {"Offset": 10_000_000}),
                    ("speech.phrase", self._words(RecognitionStatus="EndOfDictation")),
                    ("turn.end", {}),
                ]
            for path, body in said:
                head = f"X-RequestId:{turn}\r\nContent-Type:application/json\r\nPath:{path}"
                await socket.send_str(f"{head}\r\n\r\n{json.dumps(body)}")
        return socket

    def _words(self, **told: str) -> dict[str, object]:
        """In units of 100 ns."""
        return {**told, "Offset": 0, "Duration": 9_000_000}

    def _field(self, head: str, name: str) -> str:
        fields = (line.partition(":") for line in head.split("\r\n"))
        return next(value for key, _, value in fields if key.lower() == name.lower())


async def _hear(recognizer: stt.STT[str]) -> list[tuple[Event, str]]:
    """What comes of a second of audio, as far as its final words."""
    events: list[tuple[Event, str]] = []
    async with recognizer.stream(conn_options=ONCE) as stream, asyncio.timeout(WITHIN_S):
        for frame in frames(bytes(32_000)):
            stream.push_frame(frame)
        stream.end_input()
        async for event in stream:
            events.append((event.type, event.alternatives[0].text if event.alternatives else ""))
            if event.type is Event.FINAL_TRANSCRIPT:
                break
    return events


@pytest.mark.parametrize(
    ("language", "told"), [("en-US", "en-US"), ("ar-EG", "ar"), ("ar-XA", "ar")]
)
async def test_deepgram_hears_through_its_websocket(
    machine: AgentSettings, vendor: Serve, language: str, told: str
) -> None:
    """Catches a key in the wrong header, Arabic that is heard as English, and lost transcripts."""
    deepgram = Deepgram()
    address = await vendor("/v1/listen", deepgram.listen)
    recognizer = built(
        machine,
        "deepgram",
        "recognition",
        language=language,
        DEEPGRAM_API_KEY=KEY,
        DEEPGRAM_BASE_URL=f"{address}/v1/listen",
    )
    events = await _hear(recognizer)
    assert deepgram.key == f"Token {KEY}"
    assert deepgram.heard == 32_000
    assert {k: deepgram.query[k] for k in ("model", "language", "encoding", "sample_rate")} == {
        "model": "nova-3",
        "language": told,
        "encoding": "linear16",
        "sample_rate": "16000",
    }
    assert (Event.INTERIM_TRANSCRIPT, "when do you") in events
    assert (Event.FINAL_TRANSCRIPT, "When do you open?") in events
    await recognizer.aclose()


async def test_deepgram_refusing_a_key_surfaces(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a refusal that is taken for silence, or that tells the key."""

    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.json_response({"err_code": "INVALID_AUTH"}, status=401)

    address = await vendor("/v1/listen", refuse)
    recognizer = built(
        machine,
        "deepgram",
        "recognition",
        DEEPGRAM_API_KEY=KEY,
        DEEPGRAM_BASE_URL=f"{address}/v1/listen",
    )
    with pytest.raises(APIStatusError) as caught:
        await _hear(recognizer)
    assert caught.value.status_code == 401
    assert KEY not in str(caught.value)
    await recognizer.aclose()


async def test_azure_hears_through_its_websocket(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a key in the wrong header, Arabic of no country, and transcripts that are lost."""
    azure = Azure()
    path = "/speech/recognition/conversation/cognitiveservices/v1"
    address = (await vendor(path, azure.listen)).replace("http", "ws")
    recognizer = built(
        machine,
        "azure",
        "recognition",
        language="ar-XA",
        AZURE_SPEECH_KEY=KEY,
        AZURE_SPEECH_REGION="westeurope",
        AZURE_STT_ENDPOINT=f"{address}{path}",
    )
    events = await _hear(recognizer)
    assert (azure.key, azure.language) == (KEY, "ar-EG")
    assert azure.heard >= 32_000
    assert (Event.INTERIM_TRANSCRIPT, "متى") in events
    assert events[-1] == (Event.FINAL_TRANSCRIPT, "متى تفتحون؟")
    await recognizer.aclose()


async def test_a_whisper_server_hears_whole_utterances(
    machine: AgentSettings, vendor: Serve
) -> None:
    """Catches audio that is not a WAV, and a server of one's own that is asked for a key."""
    seen: dict[str, object] = {}

    async def transcribe(request: web.Request) -> web.StreamResponse:
        seen["authorization"] = request.headers["Authorization"]
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                with wave.open(io.BytesIO(value.file.read())) as clip:
                    seen["audio"] = (clip.getnchannels(), clip.getframerate() > 0)
            else:
                seen[name] = value
        return web.json_response({"text": "متى تفتحون؟"})

    address = await vendor("/v1/audio/transcriptions", transcribe)
    recognizer = built(
        machine,
        "openai",
        "recognition",
        language="ar-EG",
        OPENAI_STT_BASE_URL=f"{address}/v1",
        OPENAI_STT_MODEL="whisper-large-v3",
        OPENAI_BASE_URL="http://127.0.0.1:9/v1",
    )
    spoken = list(frames(speech("go-forward")))
    event = await recognizer.recognize(spoken, conn_options=ONCE)
    assert event.alternatives[0].text == "متى تفتحون؟"
    assert seen["model"] == "whisper-large-v3"
    assert seen["language"] == "ar"
    assert seen["audio"] == (1, True)
    assert KEY not in str(seen["authorization"])
    await recognizer.aclose()
