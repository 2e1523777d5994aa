"""Vendors' stages against servers that speak the vendors' wire format."""

import asyncio
import base64
import json

import pytest
from aiohttp import WSMsgType, web
from livekit.agents import APIConnectOptions, APIStatusError, llm, stt

from agent.settings import AgentSettings
from agent.stages.build import build_stages
from tests.integration.stages.conftest import Serve, first_of, frames

ONCE = APIConnectOptions(max_retry=0, timeout=5)
KEY = "the-key-of-a-test"
PCM = b"\x10\x20" * 4_800


def settings(machine: AgentSettings, **given: object) -> AgentSettings:
    return AgentSettings.model_validate({**machine.model_dump(), "llm_provider": "local", **given})


async def test_assemblyai_hears_through_its_websocket(
    machine: AgentSettings, vendor: Serve
) -> None:
    """Catches a key in the wrong header, audio that is not sent, and transcripts that are lost."""
    seen: dict[str, object] = {}

    async def stream(request: web.Request) -> web.StreamResponse:
        seen["key"] = request.headers["Authorization"]
        seen["rate"] = request.query["sample_rate"]
        seen["languages"] = request.query["language_codes"]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "Begin", "id": "s1", "expires_at": 1})
        heard = 0
        async for message in socket:
            if message.type is WSMsgType.BINARY:
                heard += len(message.data)
                if heard == 32_000:
                    await socket.send_json(_turn("when do you", end=False))
                    await socket.send_json(_turn("When do you open?", end=True))
            elif json.loads(message.data)["type"] == "Terminate":
                await socket.send_json({"type": "Termination", "audio_duration_seconds": 1})
                break
        await socket.close()
        return socket

    address = await vendor("/v3/ws", stream)
    stages = build_stages(
        settings(
            machine,
            assembly_api_key=KEY,
            assembly_base_url=address.replace("http", "ws"),
        ),
        language="en-US",
        voice=None,
        collection="default",
    )
    assert stages.stt is not None
    async with stages.stt.stream(conn_options=ONCE) as stream_of_speech:
        for frame in frames(bytes(32_000)):
            stream_of_speech.push_frame(frame)
        stream_of_speech.end_input()
        async with asyncio.timeout(10):
            events = [event async for event in stream_of_speech]
    assert seen == {"key": KEY, "rate": "16000", "languages": '["en"]'}
    texts = [(event.type, event.alternatives[0].text) for event in events if event.alternatives]
    assert (stt.SpeechEventType.INTERIM_TRANSCRIPT, "when do you") in texts
    assert (stt.SpeechEventType.FINAL_TRANSCRIPT, "When do you open?") in texts
    await stages.aclose()


def _turn(text: str, *, end: bool) -> dict[str, object]:
    words = [
        {"text": word, "start": at * 100, "end": at * 100 + 90, "confidence": 0.9}
        for at, word in enumerate(text.split())
    ]
    return {"type": "Turn", "transcript": text, "end_of_turn": end, "words": words}


async def test_groq_answers_as_a_stream_of_events(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a key in the wrong header, a wrong model, and an answer that does not stream."""
    seen: dict[str, object] = {}

    async def complete(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        seen["key"] = request.headers["Authorization"]
        seen["model"] = asked["model"]
        seen["last"] = asked["messages"][-1]["content"]
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        for piece in ("We open ", "at nine."):
            await answer.write(f"data: {json.dumps(_chunk({'content': piece}))}\n\n".encode())
        await answer.write(f"data: {json.dumps(_chunk({}, finish='stop'))}\n\n".encode())
        await answer.write(b"data: [DONE]\n\n")
        return answer

    address = await vendor("/openai/v1/chat/completions", complete)
    stages = build_stages(
        settings(
            machine,
            llm_provider="auto",
            groq_api_key=KEY,
            groq_base_url=f"{address}/openai/v1",
            groq_model="a-model",
        ),
        language="en-US",
        voice=None,
        collection="default",
    )
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="When do you open?")
    async with stages.llm.chat(chat_ctx=context, conn_options=ONCE) as stream:
        text = [chunk.delta.content async for chunk in stream if chunk.delta]
    assert "".join(piece for piece in text if piece) == "We open at nine."
    assert seen == {"key": f"Bearer {KEY}", "model": "a-model", "last": "When do you open?"}
    await stages.aclose()


def _chunk(delta: dict[str, str], finish: str | None = None) -> dict[str, object]:
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "a-model",
        "choices": [choice],
    }


async def test_a_refused_key_surfaces(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a vendor's refusal that is retried for ever, or swallowed."""

    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "Invalid API Key"}}, status=401)

    address = await vendor("/openai/v1/chat/completions", refuse)
    stages = build_stages(
        settings(
            machine,
            llm_provider="groq",
            groq_api_key=KEY,
            groq_base_url=f"{address}/openai/v1",
        ),
        language="en-US",
        voice=None,
        collection="default",
    )
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="Hello")
    with pytest.raises(APIStatusError) as caught:
        await first_of(stages.llm).chat(chat_ctx=context, conn_options=ONCE).collect()
    assert (caught.value.status_code, caught.value.retryable) == (401, False)
    await stages.aclose()


async def test_inworld_speaks_through_its_websocket(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a key in the wrong header, a voice that is not passed on, and audio that is lost."""
    seen: dict[str, object] = {"text": ""}

    async def speak(request: web.Request) -> web.StreamResponse:
        seen["key"] = request.headers["Authorization"]
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            asked = json.loads(message.data)
            of = {"contextId": asked["contextId"]}
            if "create" in asked:
                seen["voice"] = asked["create"]["voiceId"]
                seen["language"] = asked["create"]["language"]
                await socket.send_json({"result": {**of, "contextCreated": {}}})
            elif "send_text" in asked:
                seen["text"] = str(seen["text"]) + asked["send_text"]["text"]
                audio = {"audioContent": base64.b64encode(PCM).decode()}
                await socket.send_json({"result": {**of, "audioChunk": audio}})
            elif "flush_context" in asked:
                await socket.send_json({"result": {**of, "flushCompleted": {}}})
            elif "close_context" in asked:
                await socket.send_json({"result": {**of, "contextClosed": {}}})
        return socket

    address = await vendor("/tts/v1/voice:streamBidirectional", speak)
    stages = build_stages(
        settings(machine, inworld_api_key=KEY, inworld_base_url=f"{address}/"),
        language="en-US",
        voice="Hades",
        collection="default",
    )
    assert stages.tts is not None
    async with stages.tts.stream(conn_options=ONCE) as stream:
        stream.push_text("Good morning to you.")
        stream.end_input()
        async with asyncio.timeout(10):
            pcm = b"".join([audio.frame.data.tobytes() async for audio in stream])
    assert pcm.startswith(PCM)
    assert seen == {
        "key": f"Basic {KEY}",
        "voice": "Hades",
        "language": "en-US",
        "text": "Good morning to you.",
    }
    await stages.aclose()


async def test_inworld_refusing_a_text_surfaces(machine: AgentSettings, vendor: Serve) -> None:
    """Catches an error of the vendor's that ends as silence."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "no"}, status=403)

    address = await vendor("/tts/v1/voice:stream", refuse)
    stages = build_stages(
        settings(
            machine,
            tts_provider="inworld",
            inworld_api_key=KEY,
            inworld_base_url=f"{address}/",
        ),
        language="en-US",
        voice=None,
        collection="default",
    )
    assert stages.tts is not None
    with pytest.raises(APIStatusError) as caught:
        await first_of(stages.tts).synthesize("Hello", conn_options=ONCE).collect()
    assert caught.value.status_code == 403
    await stages.aclose()
