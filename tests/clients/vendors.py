"""AssemblyAI, Groq and Inworld on this machine, in their own wire formats, saying what a test says.

They run in a thread of the test's process, so that the product's processes can reach them.
"""

import array
import asyncio
import base64
import json
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

LOUD = 300
SPOKEN_S = 0.4
"""So much loud audio is speech."""
SILENT_S = 0.3
"""So much silence after it ends the utterance."""
TONE_S = 0.3
TTS_HZ = 24_000

Message = dict[str, Any]


@dataclass
class Call:
    """What a language model is to do with a question, before it answers."""

    tool: str
    arguments: Mapping[str, str]


@dataclass
class Vendors:
    """All three, and a service for tools, at one address."""

    port: int = 0
    to_hear: dict[str, list[str]] = field(default_factory=dict)
    """By primary language: what the next utterances are understood as."""
    answers: dict[str, str] = field(default_factory=dict)
    """By question."""
    calls: dict[str, Call] = field(default_factory=dict)
    """By question: the tool that is called first."""
    asked: list[list[Message]] = field(default_factory=list)
    """The messages of each request to the language model, but for those for a summary."""
    voices: set[str] = field(default_factory=set)
    spoken: list[str] = field(default_factory=list)
    orders: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and key of each request to the tools' service."""

    @property
    def environment(self) -> dict[str, str]:
        """Settings with which the product uses them, and nobody else."""
        address = f"http://127.0.0.1:{self.port}"
        return {
            "STT_PROVIDER": "assemblyai",
            "LLM_PROVIDER": "groq",
            "TTS_PROVIDER": "inworld",
            "ASSEMBLY_API_KEY": "a-key",
            "ASSEMBLY_BASE_URL": address.replace("http", "ws"),
            "GROQ_API_KEY": "a-key",
            "GROQ_BASE_URL": f"{address}/openai/v1",
            "INWORLD_API_KEY": "a-key",
            "INWORLD_BASE_URL": f"{address}/",
        }

    def asked_about(self, question: str) -> list[list[Message]]:
        """The requests whose last word of the user's is this, oldest first."""
        return [
            messages
            for messages in self.asked
            if [m["content"] for m in messages if m["role"] == "user"][-1:] == [question]
        ]

    def app(self) -> web.Application:
        """The servers."""
        app = web.Application()
        app.router.add_get("/v3/ws", self._hear)
        app.router.add_post("/openai/v1/chat/completions", self._answer)
        app.router.add_get("/tts/v1/voice:streamBidirectional", self._speak)
        app.router.add_get("/orders/{number}", self._order)
        return app

    async def _hear(self, request: web.Request) -> web.StreamResponse:
        language, *_ = json.loads(request.query["language_codes"])
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "Begin", "id": "s1", "expires_at": 1})
        loud_s = silent_s = 0.0
        async for message in socket:
            if message.type is not WSMsgType.BINARY:
                if json.loads(message.data).get("type") == "Terminate":
                    break
                continue
            length_s = len(message.data) / 32_000
            if max(array.array("h", message.data)) > LOUD:
                loud_s, silent_s = loud_s + length_s, 0.0
            else:
                silent_s += length_s
            if silent_s < SILENT_S:
                continue
            spoke, loud_s = loud_s > SPOKEN_S, 0.0
            if spoke and self.to_hear.get(language):
                text = self.to_hear[language].pop(0)
                words = text.split()
                await socket.send_json(_turn(" ".join(words[: len(words) // 2]), end=False))
                await socket.send_json(_turn(text, end=True))
        await socket.close()
        return socket

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        messages: list[Message] = body["messages"]
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for delta in self._deltas(messages, is_answer=bool(body.get("tools"))):
            await response.write(_event(delta))
        finish = "stop"
        await response.write(_event({}, finish) + b"data: [DONE]\n\n")
        return response

    def _deltas(self, messages: list[Message], *, is_answer: bool) -> list[Message]:
        if not is_answer:
            return [{"content": "Notes of what was said."}]
        self.asked.append(messages)
        question = [m["content"] for m in messages if m["role"] == "user"][-1]
        call = self.calls.get(question)
        if call is not None and messages[-1]["role"] != "tool":
            function = {"name": call.tool, "arguments": json.dumps(call.arguments)}
            one = {"index": 0, "id": f"c{len(self.asked)}", "type": "function"}
            return [{"tool_calls": [{**one, "function": function}]}]
        return [{"content": f"{word} "} for word in self.answers[question].split()]

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            asked = json.loads(message.data)
            of = {"contextId": asked["contextId"]}
            if "create" in asked:
                self.voices.add(asked["create"]["voiceId"])
                await socket.send_json({"result": {**of, "contextCreated": {}}})
            elif "send_text" in asked:
                self.spoken.append(asked["send_text"]["text"])
                audio = {"audioContent": base64.b64encode(_TONE).decode()}
                await socket.send_json({"result": {**of, "audioChunk": audio}})
            elif "flush_context" in asked:
                await socket.send_json({"result": {**of, "flushCompleted": {}}})
            elif "close_context" in asked:
                await socket.send_json({"result": {**of, "contextClosed": {}}})
        return socket

    async def _order(self, request: web.Request) -> web.StreamResponse:
        self.orders.append((request.path, request.headers.get("X-Key")))
        return web.json_response({"state": "on the road"})


@contextmanager
def serving() -> Iterator[Vendors]:
    """The vendors while they run."""
    vendors = Vendors()
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(vendors.app(), shutdown_timeout=0.5)

    async def start() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        vendors.port = runner.addresses[0][1]

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        yield vendors
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def _tone() -> bytes:
    samples = (
        round(8_000 * math.sin(2 * math.pi * 220 * at / TTS_HZ))
        for at in range(round(TONE_S * TTS_HZ))
    )
    return array.array("h", samples).tobytes()


_TONE = _tone()


def _turn(text: str, *, end: bool) -> Message:
    words = [
        {"text": word, "start": at * 100, "end": at * 100 + 90, "confidence": 0.9}
        for at, word in enumerate(text.split())
    ]
    return {"type": "Turn", "transcript": text, "end_of_turn": end, "words": words}


def _event(delta: Message, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
    chunk = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "a-model",
        "choices": [choice],
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()
