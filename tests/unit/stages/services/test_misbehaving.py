"""The clients of the services, against services that do what they should not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import WSCloseCode, web
from livekit import rtc
from livekit.agents import (
    APIConnectionError,
    APIConnectOptions,
    APIError,
    APITimeoutError,
    llm,
    stt,
)
from livekit.agents.utils import http_context

from agent.stages.services.answerer import ServiceLLM
from agent.stages.services.messages import (
    AnswerDone,
    AnswerSentence,
    AnswerSources,
    ErrorCode,
    Listening,
    Message,
    Ping,
    SegmentEnded,
    SegmentStarted,
    Speaking,
    Transcript,
    encode,
    failure,
)
from agent.stages.services.recognizer import ServiceSTT
from agent.stages.services.synthesizer import ServiceTTS
from tests.unit.stages.services.standins import answers, lines, sockets

ONCE = APIConnectOptions(max_retry=0, timeout=5)
SHORT_S = 0.2
LONG_S = 2.0
TWICE = APIConnectOptions(max_retry=1, retry_interval=0.0, timeout=5)


@pytest.fixture(autouse=True)
async def http() -> AsyncIterator[None]:
    async with http_context.open():
        yield


async def hears(
    url: str, *, timeout_s: float = 5.0, options: APIConnectOptions = ONCE
) -> list[str]:
    """The final transcripts of a moment of audio."""
    recognizer = ServiceSTT(url, language="en-US", timeout_s=timeout_s)
    async with recognizer.stream(conn_options=options) as stream:
        stream.push_frame(rtc.AudioFrame(bytes(640), 16_000, 1, 320))
        stream.end_input()
        async with asyncio.timeout(10):
            events = [event async for event in stream]
    kind = stt.SpeechEventType.FINAL_TRANSCRIPT
    return [event.alternatives[0].text for event in events if event.type is kind]


async def says(url: str, *, timeout_s: float = 5.0, options: APIConnectOptions = ONCE) -> float:
    """How much audio there is of a word, in seconds."""
    synthesizer = ServiceTTS(url, language="en-US", timeout_s=timeout_s)
    async with synthesizer.stream(conn_options=options) as stream:
        stream.push_text("Hello.")
        stream.end_input()
        async with asyncio.timeout(10):
            return sum([audio.frame.duration async for audio in stream])


async def answered(url: str, *, timeout_s: float = 5.0, options: APIConnectOptions = ONCE) -> str:
    """The answer to a question."""
    context = llm.ChatContext.empty()
    context.add_message(role="user", content="What?")
    model = ServiceLLM(url, language="en-US", collection="default", timeout_s=timeout_s)
    async with asyncio.timeout(10):
        async with model.chat(chat_ctx=context, conn_options=options) as stream:
            return "".join([c.delta.content or "" async for c in stream if c.delta])


ASKS = pytest.mark.parametrize("ask", [hears, says, answered])
SPOKEN = pytest.mark.parametrize("ask", [hears, says])
Ask = Callable[..., Awaitable[object]]


async def tell(socket: web.WebSocketResponse, *messages: Message) -> None:
    for message in messages:
        await socket.send_str(encode(message))


async def to_its_end(socket: web.WebSocketResponse) -> None:
    async for _ in socket:
        pass


def ready(ask: Ask) -> Message:
    """What that service says first."""
    return Listening() if ask is hears else Speaking(24_000)


@ASKS
async def test_one_that_is_not_there(ask: Ask) -> None:
    """Catches an error that nobody retries."""
    with pytest.raises(APIConnectionError) as error:
        await ask("http://127.0.0.1:1")
    assert error.value.retryable


@SPOKEN
async def test_one_that_does_not_say_that_it_is_ready(ask: Ask) -> None:
    """Catches a wait without an end."""
    async with sockets(to_its_end) as url:
        with pytest.raises(APITimeoutError):
            await ask(url, timeout_s=SHORT_S)


@SPOKEN
async def test_one_that_is_ready_and_then_silent(ask: Ask) -> None:
    """Catches a stream that stalls without anybody noticing."""

    async def silent(socket: web.WebSocketResponse) -> None:
        await tell(socket, ready(ask))
        await to_its_end(socket)

    async with sockets(silent) as url:
        with pytest.raises(APITimeoutError):
            await ask(url, timeout_s=SHORT_S)


@SPOKEN
@pytest.mark.parametrize("garbage", ["{", '{"type": "unheard of"}', "[1, 2]", '"\\ud800"'])
async def test_one_that_sends_garbage(ask: Ask, garbage: str) -> None:
    """Catches an exception of a parser that ends the conversation."""

    async def babble(socket: web.WebSocketResponse) -> None:
        await tell(socket, ready(ask))
        await socket.send_str(garbage)
        await to_its_end(socket)

    async with sockets(babble) as url:
        with pytest.raises(APIConnectionError):
            await ask(url)


@SPOKEN
async def test_one_that_closes_early(ask: Ask) -> None:
    """Catches the end of a connection that is taken for the end of what was asked for."""

    async def close(socket: web.WebSocketResponse) -> None:
        await tell(socket, ready(ask))
        await socket.close(code=WSCloseCode.OK)

    async with sockets(close) as url:
        with pytest.raises(APIConnectionError) as error:
            await ask(url)
        assert error.value.retryable


@SPOKEN
async def test_one_that_sends_too_much_at_once(ask: Ask) -> None:
    """Catches memory that a service fills as it likes."""

    async def flood(socket: web.WebSocketResponse) -> None:
        await tell(socket, ready(ask), Transcript("x" * 300_000, is_final=True))
        await to_its_end(socket)

    async with sockets(flood) as url:
        with pytest.raises(APIConnectionError):
            await ask(url)


@SPOKEN
@pytest.mark.parametrize(
    ("code", "retryable"), [(ErrorCode.BUSY, True), (ErrorCode.UNSUPPORTED_LANGUAGE, False)]
)
async def test_one_that_refuses(ask: Ask, code: ErrorCode, retryable: bool) -> None:
    """Catches a refusal for good that is retried, and one for now that is not."""

    async def refuse(socket: web.WebSocketResponse) -> None:
        await tell(socket, failure(code, "no"))
        await socket.close()

    async with sockets(refuse) as url:
        with pytest.raises(APIError) as error:
            await ask(url)
    assert error.value.retryable is retryable
    assert code.value in str(error.value)


async def test_a_second_try_hears_what_the_first_one_did_not() -> None:
    """Catches audio that is lost with a connection."""
    heard: list[int] = []

    async def fail_once(socket: web.WebSocketResponse) -> None:
        await tell(socket, Listening())
        heard.append(0)
        async for message in socket:
            if isinstance(message.data, bytes):
                heard[-1] += len(message.data)
                if len(heard) == 1:
                    return
            elif "end" in message.data:
                await tell(socket, Transcript("hello", True, settled_s=0.02))
                await socket.send_str('{"type": "ended", "audio_s": 0.02}')

    async with sockets(fail_once) as url:
        assert await hears(url, options=TWICE) == ["hello"]
    assert heard == [640, 640]


async def test_audio_at_another_rate_keeps_its_length() -> None:
    """Catches audio that is played too fast."""

    async def speak(socket: web.WebSocketResponse) -> None:
        await tell(socket, Speaking(48_000))
        async for message in socket:
            if "flush" in message.data:
                await tell(socket, SegmentStarted(0))
                await socket.send_bytes(bytes(48_000))
                await socket.send_bytes(bytes(48_000))
                await tell(socket, SegmentEnded(0, 1.0))

    async with sockets(speak) as url:
        assert await says(url) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("audio", [b"", b"\0"])
async def test_no_audio_is_an_error(audio: bytes) -> None:
    """Catches an answer that is silently not heard, and half a sample."""

    async def mute(socket: web.WebSocketResponse) -> None:
        await tell(socket, Speaking(24_000))
        async for message in socket:
            if "flush" in message.data:
                await tell(socket, SegmentStarted(0))
                await socket.send_bytes(audio)
                await tell(socket, SegmentEnded(0))

    async with sockets(mute) as url:
        with pytest.raises(APIConnectionError) as error:
            await says(url)
        assert not isinstance(error.value, APITimeoutError)


async def forever() -> None:
    await asyncio.Event().wait()


async def test_pings_keep_an_answer_alive_but_not_for_ever() -> None:
    """Catches a service that works on and on, and nobody answers."""

    async def ping(response: web.StreamResponse) -> None:
        while True:
            await response.write(f"{encode(Ping())}\n".encode())
            await asyncio.sleep(SHORT_S / 10)

    async with answers(ping) as url:
        with pytest.raises(APITimeoutError):
            await answered(url, timeout_s=SHORT_S)
    done = lines(Ping(), AnswerSources(()), Ping(), AnswerSentence("So."), AnswerDone())
    async with answers(done) as url:
        assert await answered(url) == "So."


async def test_an_answer_that_stalls() -> None:
    """Catches a wait without an end; and an answer that is begun again and said twice."""
    async with answers(lines(AnswerSources(()), then=forever)) as url:
        with pytest.raises(APITimeoutError) as error:
            await answered(url, timeout_s=SHORT_S)
        assert error.value.retryable
    async with answers(lines(AnswerSentence("So."), then=forever)) as url:
        with pytest.raises(APITimeoutError) as error:
            await answered(url, timeout_s=LONG_S)  # the first sentence comes in time
        assert not error.value.retryable


@pytest.mark.parametrize(
    "written",
    [b"{\n", b'{"type": "unheard of"}\n', b'{"type": "sources"}\n', b"x" * 400_000, b"\xff\n"],
)
async def test_an_answer_of_garbage(written: bytes) -> None:
    """Catches an exception of a parser that ends the conversation, and a line without an end."""

    async def babble(response: web.StreamResponse) -> None:
        await response.write(written)

    async with answers(babble) as url:
        with pytest.raises(APIConnectionError):
            await answered(url)


async def test_an_answer_that_does_not_come_to_an_end() -> None:
    """Catches half an answer that is taken for all of it."""
    async with answers(lines(AnswerSources(()))) as url:
        with pytest.raises(APIConnectionError):
            await answered(url)


@pytest.mark.parametrize(("status", "retryable"), [(503, True), (429, True), (401, False)])
async def test_an_answer_that_is_refused(status: int, retryable: bool) -> None:
    """Catches a refusal for good that is retried, and one for now that is not."""
    async with answers(lines(), status=status) as url:
        with pytest.raises(APIError) as error:
            await answered(url)
    assert error.value.retryable is retryable
