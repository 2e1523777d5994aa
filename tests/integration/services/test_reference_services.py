"""The reference services over real sockets: through our clients, and by their wire format."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import numpy as np
import psutil
import pytest
from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, APIStatusError, llm, stt
from livekit.agents.utils import http_context
from pydantic import SecretStr

from agent.stages.evidence import cited
from agent.stages.services.answerer import ServiceLLM
from agent.stages.services.recognizer import ServiceSTT
from agent.stages.services.synthesizer import RATE_HZ, ServiceTTS
from tests.clients.services import ServiceProcess
from tests.integration.services.conftest import TOKEN
from tests.integration.stages.conftest import frames, speech

Services = dict[str, ServiceProcess]

ONCE = APIConnectOptions(max_retry=0, timeout=20)
AGAIN = APIConnectOptions(max_retry=300, retry_interval=0.5, timeout=20)
SECRET = SecretStr(TOKEN)
SILENCE = bytes(16_000 * 2)


@pytest.fixture(autouse=True)
async def http() -> AsyncIterator[None]:
    async with http_context.open():
        yield


def recognizer(
    services: Services, language: str = "en-US", token: SecretStr = SECRET
) -> ServiceSTT:
    return ServiceSTT(services["asr"].url, language=language, token=token)


def synthesizer(services: Services, language: str = "en-US") -> ServiceTTS:
    return ServiceTTS(services["tts"].url, language=language, voice="Ashley", token=SECRET)


def answerer(services: Services, language: str = "en-US") -> ServiceLLM:
    return ServiceLLM(services["rag"].url, language=language, collection="default", token=SECRET)


async def hear(recognizer: ServiceSTT, pcm: bytes) -> list[stt.SpeechEvent]:
    async with recognizer.stream(conn_options=ONCE) as stream:
        for frame in frames(pcm):
            stream.push_frame(frame)
        stream.end_input()
        async with asyncio.timeout(60):
            return [event async for event in stream]


async def test_speech_is_heard_with_its_boundaries(services: Services) -> None:
    """Catches transcripts that are lost or doubled, and boundaries that do not come."""
    events = await hear(recognizer(services), SILENCE + speech("go-forward") + SILENCE)
    kinds = [event.type for event in events]
    finals = [e for e in events if e.type is stt.SpeechEventType.FINAL_TRANSCRIPT]
    said = " ".join(e.alternatives[0].text for e in finals if e.alternatives[0].text)
    assert "go forward" in said
    assert stt.SpeechEventType.INTERIM_TRANSCRIPT in kinds
    first = kinds.index(stt.SpeechEventType.START_OF_SPEECH)
    assert first < kinds.index(stt.SpeechEventType.FINAL_TRANSCRIPT)
    assert stt.SpeechEventType.END_OF_SPEECH in kinds
    assert 0.7 < finals[0].alternatives[0].start_time < 3.5  # it came in a burst
    assert 0 < finals[0].alternatives[0].confidence <= 1


async def test_a_flush_of_silence_is_answered(services: Services) -> None:
    """Catches whoever commits a turn and waits in vain."""
    async with recognizer(services).stream(conn_options=ONCE) as stream:
        for frame in frames(SILENCE):
            stream.push_frame(frame)
        stream.flush()
        async with asyncio.timeout(20):
            event = await anext(stream)
    assert event.type is stt.SpeechEventType.FINAL_TRANSCRIPT
    assert event.alternatives[0].text == ""


async def test_a_whole_recording_is_recognised(services: Services) -> None:
    """Catches audio at another rate that is taken for ours."""
    pcm = np.frombuffer(speech("go-forward"), np.int16).repeat(3)
    recording = rtc.AudioFrame(pcm.tobytes(), 48_000, 1, len(pcm))
    event = await recognizer(services).recognize([recording], conn_options=ONCE)
    assert "go forward" in event.alternatives[0].text


async def test_a_language_that_is_not_recognised_is_refused_for_good(services: Services) -> None:
    """Catches a service that is asked again and again for what it will never do."""
    with pytest.raises(APIError) as refused:
        await hear(recognizer(services, "ar-EG"), SILENCE)
    assert not refused.value.retryable


async def test_a_wrong_token_is_refused(services: Services) -> None:
    """Catches a service that serves whoever reaches it."""
    wrong = recognizer(services, token=SecretStr("another"))
    with pytest.raises(APIStatusError) as refused:
        await hear(wrong, SILENCE)
    assert refused.value.status_code == 401


@pytest.mark.parametrize(("language", "text"), [("en-US", "Two. Three."), ("ar-EG", "نعم. لا.")])
async def test_text_is_spoken(services: Services, language: str, text: str) -> None:
    """Catches a voice that is silent, cut off, or at another pace than it says."""
    audio = await synthesizer(services, language).synthesize(text, conn_options=ONCE).collect()
    assert audio.sample_rate == RATE_HZ
    assert 0.4 < audio.duration < 5
    samples = np.frombuffer(audio.data, np.int16).astype(float)
    assert np.sqrt((samples**2).mean()) > 200


async def test_text_is_spoken_while_it_is_written(services: Services) -> None:
    """Catches a service that waits for all of the text."""
    async with synthesizer(services).stream(conn_options=ONCE) as stream:
        stream.push_text("The first sentence is over. And ")
        async with asyncio.timeout(20):
            first = await anext(stream)
        stream.push_text("so is the second one.")
        stream.end_input()
        async with asyncio.timeout(20):
            rest = [audio async for audio in stream]
    assert first.frame.duration > 0
    assert sum(audio.frame.duration for audio in rest) > 1


async def ask(
    answerer: ServiceLLM, *said: str, options: APIConnectOptions = ONCE
) -> tuple[list[str], str]:
    """The files that are cited, and the answer to the last thing said; both sides in turn."""
    context = llm.ChatContext.empty()
    context.add_message(role="system", content="You are an assistant.")
    for at, text in enumerate(said):
        context.add_message(role="assistant" if at % 2 else "user", content=text)
    sources: list[str] = []
    words: list[str] = []
    async with asyncio.timeout(60):
        async with answerer.chat(chat_ctx=context, conn_options=options) as stream:
            async for chunk in stream:
                found = cited(chunk)
                if found is not None:
                    assert not words, "sources come first"
                    sources += [source.filename for source in found]
                elif chunk.delta is not None:
                    words.append(chunk.delta.content or "")
    return sources, "".join(words)


async def test_a_question_is_answered_with_its_sources_first(services: Services) -> None:
    """Catches an answer without sources, or sources after it."""
    sources, answer = await ask(answerer(services), "How long do I have to return an item?")
    assert sources[0] == "en/returns.md"
    assert answer.startswith("According to “")


async def test_a_question_that_refers_to_the_last_one_is_understood(services: Services) -> None:
    """Catches a history that is not handed on."""
    earlier = ("How long do I have to return an item?", "Thirty days.")
    alone, _ = await ask(answerer(services), "And who pays for that?")
    together, _ = await ask(answerer(services), *earlier, "And who pays for that?")
    assert together != alone
    assert together[0] == "en/returns.md"


async def test_what_is_not_there_is_said_to_be_so(services: Services) -> None:
    """Catches an answer that is made up, in either language."""
    assert await ask(answerer(services), "What is the capital of Mongolia?") == (
        [],
        "I could not find that in the documents. ",
    )
    _, answer = await ask(answerer(services, "ar-EG"), "ما هي عاصمة منغوليا؟")
    assert answer == "لم أجد ذلك في الوثائق. "


async def test_a_service_that_is_killed_is_used_again_when_it_is_back(services: Services) -> None:
    """Catches a client that gives a service up, or hears of its death too late."""
    rag = services["rag"]
    rag.kill()
    asking = asyncio.create_task(
        ask(answerer(services), "How long do I have to return an item?", options=AGAIN)
    )
    rag.start()
    sources, _ = await asking
    assert sources[0] == "en/returns.md"


async def test_what_was_said_while_the_recogniser_was_away_is_heard(services: Services) -> None:
    """Catches words that are lost with a connection."""
    asr = services["asr"]
    pcm = SILENCE + speech("go-forward") + SILENCE
    half = len(pcm) // 4 * 2
    async with recognizer(services).stream(conn_options=AGAIN) as stream:
        for frame in frames(pcm[:half]):
            stream.push_frame(frame)
        async with asyncio.timeout(30):
            event = await anext(stream)
            assert event.type is stt.SpeechEventType.START_OF_SPEECH
        asr.kill()
        for frame in frames(pcm[half:]):
            stream.push_frame(frame)
        stream.end_input()
        asr.start()
        async with asyncio.timeout(120):
            events = [event async for event in stream]
    finals = [e for e in events if e.type is stt.SpeechEventType.FINAL_TRANSCRIPT]
    said = " ".join(e.alternatives[0].text for e in finals if e.alternatives[0].text)
    assert "go forward" in said


# as a client in another language sees them, from docs/services.md alone

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
START = {"type": "start", "language": "en-US"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers=HEADERS) as http:
        yield http


async def following(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any] | int:
    """The next message, or how many bytes of audio."""
    async with asyncio.timeout(20):
        message = await socket.receive()
    if message.type is aiohttp.WSMsgType.BINARY:
        return len(message.data)
    told: dict[str, Any] = json.loads(message.data)
    return told


async def test_a_segment_is_cancelled_and_the_next_one_spoken(
    services: Services, session: aiohttp.ClientSession
) -> None:
    """Catches an answer that goes on after it was interrupted, and a connection that is lost."""
    async with session.ws_connect(f"{services['tts'].url}/v1/speak") as socket:
        await socket.send_json({**START, "voice": "Ashley", "unheard_of": True})
        ready = await following(socket)
        assert isinstance(ready, dict)
        assert (ready["type"], ready["sample_rate"]) == ("ready", 22_050)
        sentences = "This is a sentence that takes a moment to say. " * 80
        await socket.send_json({"type": "text", "segment": 0, "text": sentences})
        assert await following(socket) == {"segment": 0, "type": "segment_start"}
        while not isinstance(await following(socket), int):
            pass
        await socket.send_json({"type": "cancel", "segment": 0})
        await socket.send_json({"type": "text", "segment": 0, "text": "And more. "})
        await socket.send_json({"type": "text", "segment": 1, "text": "Yes."})
        await socket.send_json({"type": "flush", "segment": 1})
        while isinstance(message := await following(socket), int) or message["segment"] == 0:
            if not isinstance(message, int) and message["type"] == "segment_end":
                assert message["cancelled"]
                assert message["audio_s"] < 200
        assert message == {"segment": 1, "type": "segment_start"}
        audio_bytes = 0
        while isinstance(message := await following(socket), int) or message["type"] == "sentence":
            audio_bytes += message if isinstance(message, int) else 0
        assert message["type"] == "segment_end"
        assert not message["cancelled"]
        assert message["audio_s"] == pytest.approx(audio_bytes / 2 / 22_050, abs=0.01)


@pytest.mark.parametrize("name", ["asr", "tts"])
@pytest.mark.parametrize(
    ("sent", "code", "closes_with"),
    [
        ("nonsense", "invalid_message", 1008),
        ('{"type": "unheard of"}', "invalid_message", 1008),
        ('{"type": "start"}', "invalid_message", 1008),
        ('{"type": "flush", "segment": 0}', "invalid_message", 1008),
        (bytes(640), "invalid_message", 1008),
        (bytes(70_000), "too_large", 1009),
    ],
)
async def test_who_breaks_the_rules_is_told_and_let_go(
    services: Services,
    session: aiohttp.ClientSession,
    name: str,
    sent: str | bytes,
    code: str,
    closes_with: int,
) -> None:
    """Catches a service that breaks, hangs, or does not say why."""
    path = {"asr": "/v1/recognize", "tts": "/v1/speak"}[name]
    async with session.ws_connect(f"{services[name].url}{path}") as socket:
        if isinstance(sent, bytes):
            await socket.send_bytes(sent)
        else:
            await socket.send_str(sent)
        told = await following(socket)
        assert isinstance(told, dict)
        assert (told["type"], told["code"], told["retryable"]) == ("error", code, False)
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
        assert socket.close_code == closes_with


async def test_half_a_sample_is_refused(services: Services, session: aiohttp.ClientSession) -> None:
    """Catches noise that is taken for speech."""
    async with session.ws_connect(f"{services['asr'].url}/v1/recognize") as socket:
        await socket.send_json(START)
        assert await following(socket) == {"type": "ready", "model": "pocketsphinx"}
        await socket.send_bytes(bytes(3))
        told = await following(socket)
        assert isinstance(told, dict)
        assert told["code"] == "invalid_message"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/answer", b"nonsense", 422, "invalid_message"),
        ("/v1/answer", b'{"question": 7}', 422, "invalid_message"),
        ("/v1/answer", b'{"question": "%s"}' % (b"x" * 5_000), 422, "invalid_message"),
        ("/v1/answer", b"x" * 300_000, 413, "too_large"),
        ("/v1/retrieve", b'{"query": "x", "collection": "none"}', 404, "unknown_collection"),
    ],
)
def test_a_wrong_request_is_refused(
    services: Services, path: str, body: bytes, status: int, code: str
) -> None:
    """Catches an exception of a parser, and memory that a peer fills as it likes."""
    url = f"{services['rag'].url}{path}"
    answer = httpx.post(url, content=body, headers=HEADERS, timeout=20)
    assert answer.status_code == status
    assert answer.json()["code"] == code
    assert httpx.post(url, content=body, timeout=20).status_code == 401


def test_passages_are_retrieved(services: Services) -> None:
    """Catches passages without their document."""
    asked = {"query": "How long do I have to return an item?", "limit": 2}
    url = f"{services['rag'].url}/v1/retrieve"
    told = httpx.post(url, json=asked, headers=HEADERS, timeout=20).json()
    assert told["answerable"]
    assert len(told["passages"]) == 2
    assert told["passages"][0]["filename"] == "en/returns.md"
    assert 0 < told["passages"][0]["similarity_score"] <= 1


async def test_ctrl_c_ends_them_within_seconds(services: Services) -> None:
    """Catches an engine that is left over, and a connection that holds the end up. Goes last."""
    children = [
        child
        for service in services.values()
        if service.process is not None
        for child in psutil.Process(service.process.pid).children(recursive=True)
    ]
    assert len(children) >= 2
    async with recognizer(services).stream(conn_options=ONCE) as stream:
        stream.push_frame(next(frames(SILENCE)))
        await asyncio.sleep(0)
        for service in services.values():
            assert await asyncio.to_thread(service.stop) < 5
    assert not [child for child in children if child.is_running()]
