"""Vendors that fail, each in its own wire format: AssemblyAI, Groq, Inworld.

One that hangs does not even answer that its connection is closed.
"""

import array
import asyncio
import base64
import json
from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import WSMsgType, web

PCM = b"\x10\x20" * 12_000
"""Half a second of a level tone at Inworld's 24 kHz."""
TONE = 0x2010
RETRY_AFTER_S = 60
LOUD = 1000
"""Samples of speech, of 32,768."""


class Fault(StrEnum):
    """What goes wrong."""

    NONE = "none"
    REFUSED = "refused"
    """The key is not taken."""
    SLOW = "slow"
    """It takes the request, and nothing more comes."""
    STALLED = "stalled"
    """It begins, and nothing more comes."""
    GARBAGE = "garbage"
    """What comes is not of its protocol."""
    LIMITED = "rate-limited"
    """429 with a `Retry-After`."""
    CLOSED = "closed early"
    """It begins, and the connection breaks."""


FAULTS = [fault for fault in Fault if fault is not Fault.NONE]


@dataclass
class Vendor:
    """What the three have in common; `over` is set when whatever hangs may end."""

    fault: Fault
    asked: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_asked(self, times: int) -> None:
        """Returns when so many requests have come."""
        async with asyncio.timeout(30):
            while self.asked < times:
                self.changed.clear()
                await self.changed.wait()

    def refusal(self) -> web.Response | None:
        """The answer to a request that is not taken."""
        self.asked += 1
        self.changed.set()
        error = {"error": {"message": self.fault.value}}
        match self.fault:
            case Fault.REFUSED:
                return web.json_response(error, status=401)
            case Fault.LIMITED:
                headers = {"Retry-After": str(RETRY_AFTER_S)}
                return web.json_response(error, status=429, headers=headers)
            case _:
                return None

    @staticmethod
    def break_off(request: web.Request) -> None:
        """The connection is gone, without a word."""
        assert request.transport is not None
        request.transport.abort()


class Groq(Vendor):
    """`POST /openai/v1/chat/completions`, as a stream of events."""

    path = "/openai/v1/chat/completions"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if (refusal := self.refusal()) is not None:
            return refusal
        if self.fault is Fault.GARBAGE:
            return web.Response(text="data: {nonsense\n\n", content_type="text/event-stream")
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        if self.fault is Fault.SLOW:
            await self.over.wait()
            return answer
        await answer.prepare(request)
        await answer.write(_event({"content": "The vendor says that "}))
        if self.fault is Fault.STALLED:
            await self.over.wait()
            return answer
        if self.fault is Fault.CLOSED:
            await asyncio.sleep(0.05)
            self.break_off(request)
            return answer
        await answer.write(_event({"content": "all is well."}))
        await answer.write(_event({}, finish="stop") + b"data: [DONE]\n\n")
        return answer


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": finish}
    chunk = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "a-model",
        "choices": [choice],
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()


class Inworld(Vendor):
    """`/tts/v1/voice:streamBidirectional`, a WebSocket of contexts."""

    path = "/tts/v1/voice:streamBidirectional"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection."""
        if (refusal := self.refusal()) is not None:
            return refusal
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        async for message in socket:
            asked = json.loads(message.data)
            if self.fault is Fault.SLOW:
                await self.over.wait()
            elif self.fault is Fault.GARBAGE:
                await socket.send_str("<html>no</html>")
            else:
                await self._reply(request, socket, asked)
        return socket

    async def _reply(
        self, request: web.Request, socket: web.WebSocketResponse, asked: dict[str, object]
    ) -> None:
        of = {"contextId": asked["contextId"]}
        if "create" in asked:
            await socket.send_json({"result": {**of, "contextCreated": {}}})
        elif "send_text" in asked:
            audio = {"audioContent": base64.b64encode(PCM).decode()}
            await socket.send_json({"result": {**of, "audioChunk": audio}})
            if self.fault is Fault.CLOSED:
                await asyncio.sleep(0.05)
                self.break_off(request)
        elif self.fault is Fault.STALLED:
            await self.over.wait()
        elif "flush_context" in asked:
            await socket.send_json({"result": {**of, "flushCompleted": {}}})
        elif "close_context" in asked:
            await socket.send_json({"result": {**of, "contextClosed": {}}})


class AssemblyAI(Vendor):
    """`/v3/ws`, a WebSocket that understands so much sound, 16 kHz, once a connection."""

    path = "/v3/ws"
    understands_s = 0.8

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection."""
        if (refusal := self.refusal()) is not None:
            return refusal
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"type": "Begin", "id": "s1", "expires_at": 1})
        heard_s = 0.0
        async for message in socket:
            if message.type is not WSMsgType.BINARY:
                continue
            before_s = heard_s
            if max(array.array("h", message.data)) > LOUD:
                heard_s += len(message.data) / 32_000
            if self.fault is Fault.GARBAGE:
                await socket.send_str("<html>no</html>")
            elif before_s < self.understands_s <= heard_s:
                await self._hear(request, socket)
        return socket

    async def _hear(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        if self.fault is Fault.SLOW:
            await self.over.wait()
        await socket.send_json(_turn("the vendor", end=False))
        match self.fault:
            case Fault.NONE:
                await socket.send_json(_turn("The vendor hears well.", end=True))
            case Fault.STALLED:
                await self.over.wait()
            case Fault.CLOSED:
                await asyncio.sleep(0.05)
                self.break_off(request)


def _turn(text: str, *, end: bool) -> dict[str, object]:
    words = [
        {"text": word, "start": at * 100, "end": at * 100 + 90, "confidence": 0.9}
        for at, word in enumerate(text.split())
    ]
    return {"type": "Turn", "transcript": text, "end_of_turn": end, "words": words}
