"""Whatever a client does, it is told what is wrong, and its neighbour talks on."""

import asyncio
import base64
import contextlib
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import jiwer
import pytest
from websockets.exceptions import ConnectionClosed

from tests.clients import conversation, orchestrate
from tests.clients.conversation import ConversationClient, RawConversationClient
from tests.clients.orchestrate import OrchestrateClient
from tests.clients.sockets import SocketClient
from tests.integration.gateway.conftest import CAPACITY, LONGEST_TURN_S
from tests.integration.gateway.doors import Doors
from tests.integration.gateway.sounds import GO_FORWARD, clip
from tests.integration.gateway.test_conversation import QUESTION, final_words

NEIGHBOUR_WITHIN_S = 20.0


@contextlib.asynccontextmanager
async def neighbour(doors: Doors) -> AsyncIterator[None]:
    """Somebody else's conversation, which must not notice: a spoken turn while the block runs."""
    async with await RawConversationClient.connect(
        doors.url + conversation.PATH, audio_format="pcm", pacing="none"
    ) as client:
        await client.ready()

        async def turn() -> None:
            began = len(client.messages)
            await client.speak(clip("go-forward"), pace=6)
            async with asyncio.timeout(NEIGHBOUR_WITHIN_S):
                words = final_words(await client.turn(after=began))
            assert jiwer.wer(GO_FORWARD, words) <= 0.25

        meanwhile = asyncio.create_task(turn())
        yield
        await meanwhile


async def told(client: SocketClient, code: str, *, after: int = 0) -> None:
    """It is told this error, in the protocol's words."""
    error = await client.until("error", after=after)
    assert error["error_code"] == code
    assert isinstance(error["detail"], str)
    assert error["timestamp"]


Send = Callable[[SocketClient], Awaitable[None]]


def frame(data: str | bytes) -> Send:
    async def send(client: SocketClient) -> None:
        await client.socket.send(data)

    return send


WRONG_MESSAGES = {
    "no JSON": "{",
    "no object": "[1, 2]",
    "a number": "7",
    "null": "null",
    "no type": "{}",
    "a type that is no text": '{"type": 1}',
    "an unknown type": '{"type": "dance"}',
    "a text that is none": '{"type": "text", "text": 3}',
    "deep": "[" * 50_000,
    "half a surrogate": '{"type": "\\ud800"}',
}


async def test_wrong_messages_are_told_and_survived(doors: Doors) -> None:
    """Catches a connection that dies of a wrong message, or that keeps quiet about it."""
    async with neighbour(doors):
        for path in (conversation.PATH, orchestrate.PATH):
            kind = ConversationClient if path == conversation.PATH else OrchestrateClient
            async with await kind.connect(doors.url + path, pacing="none") as client:
                await client.until(lambda m: m.type in ("ready", "session_ready"))
                for what, data in WRONG_MESSAGES.items():
                    before = len(client.messages)
                    await client.socket.send(data)
                    error = await client.until("error", after=before)
                    assert error["error_code"] == "invalid_message", what
                before = len(client.messages)
                await client.send("text", text=QUESTION)
                await client.until(
                    lambda m: m.type in ("audio_chunk", "audio_chunk_tts"), after=before
                )


@pytest.mark.parametrize("data", ["!", "AAAA!", "A", 7, None, "\u00e4\u00e4\u00e4\u00e4"], ids=repr)
async def test_base64_that_is_none(doors: Doors, data: object) -> None:
    """Catches noise in the recogniser, or a crash, for what is no base64."""
    async with await OrchestrateClient.connect(doors.url + orchestrate.PATH) as client:
        await client.ready()
        before = len(client.messages)
        await client.send("audio_chunk", data=data)
        await told(client, "invalid_message", after=before)
        await client.send("state_sync_request")
        await client.until("state_update", after=before)


NOISE = random.Random(1).randbytes(3000)  # noqa: S311 - repeatable


@pytest.mark.parametrize(
    "audio",
    [b"\x1a\x45\xdf\xa3" + NOISE, b"OggS\0\2" + bytes(3000), b"RIFF\0\0\0\0WAVE" * 9],
    ids=["webm", "ogg", "wav"],
)
async def test_containers_that_are_none(doors: Doors, audio: bytes) -> None:
    """Catches a decoder's failure that ends the conversation, or that nobody is told of."""
    async with (
        neighbour(doors),
        await ConversationClient.connect(doors.url + conversation.PATH, pacing="none") as client,
    ):
        await client.ready()
        await client.send_audio([audio], every_s=0)
        await client.end()
        await told(client, "invalid_message")
        turn = await client.turn()
        assert "state_update:error" in client.types()
        assert turn[-1]["previous_state"] == "error"
        await asyncio.sleep(0.6)  # what comes sooner without a header may be of that turn
        began = len(client.messages)
        await client.speak(clip("go-forward"), pace=6)
        assert final_words(await client.turn(after=began))


async def test_half_frames_are_audio_all_the_same(doors: Doors) -> None:
    """Catches samples that are taken apart where a frame ends in the middle of one."""
    pcm = clip("go-forward")
    async with await RawConversationClient.connect(
        doors.url + conversation.PATH, audio_format="pcm", pacing="none"
    ) as client:
        await client.ready()
        cuts = (pcm[at : at + 3201] for at in range(0, len(pcm), 3201))
        await client.send_audio(cuts, every_s=0.01)
        await client.end()
        assert jiwer.wer(GO_FORWARD, final_words(await client.turn())) <= 0.25


async def test_a_turn_without_audio_or_words(doors: Doors) -> None:
    """Catches a turn of silence that is answered, or that never ends."""
    async with await ConversationClient.connect(
        doors.url + conversation.PATH, pacing="none"
    ) as client:
        await client.ready()
        await client.end()
        await told(client, "no_speech")
        await client.turn()
        before = len(client.messages)
        await client.speak(bytes(32_000), pace=0)
        await told(client, "no_speech", after=before)
        await client.turn(after=before)


async def test_a_turn_that_is_too_long(doors: Doors) -> None:
    """Catches memory that grows with a turn that never ends."""
    async with (
        neighbour(doors),
        await ConversationClient.connect(doors.url + conversation.PATH, pacing="none") as client,
    ):
        await client.ready()
        second = bytes(32_000)
        await client.send_audio([second] * (LONGEST_TURN_S + 2), every_s=0)
        await told(client, "audio_too_long")
        await client.end()
        await client.turn()
        began = len(client.messages)
        await asyncio.sleep(0.6)  # what comes sooner may be of the turn that was too long
        await client.speak(clip("go-forward"), pace=6)
        assert final_words(await client.turn(after=began))


async def test_more_than_can_be_spoken(doors: Doors) -> None:
    """Catches a stream that runs ahead of the clock and fills the memory."""
    async with (
        neighbour(doors),
        await OrchestrateClient.connect(doors.url + orchestrate.PATH) as client,
    ):
        await client.ready()
        second = base64.b64encode(bytes(32_000)).decode()
        with contextlib.suppress(ConnectionClosed):
            for _ in range(LONGEST_TURN_S + 4):
                await client.send("audio_chunk", data=second)
        await told(client, "rate_limited")
        await client.until_closed()


async def test_too_large_a_message(doors: Doors) -> None:
    """Catches a megabyte in memory for each message that a stranger sends."""
    async with (
        neighbour(doors),
        await ConversationClient.connect(doors.url + conversation.PATH) as client,
    ):
        await client.ready()
        with contextlib.suppress(ConnectionClosed):
            await client.socket.send(bytes(2 << 20))
        code, _ = await client.until_closed()
        assert code in (1008, 1009)


async def test_ten_thousand_tiny_frames(doors: Doors) -> None:
    """Catches a neighbour who waits behind a flood."""
    async with (
        neighbour(doors),
        await ConversationClient.connect(doors.url + conversation.PATH) as client,
    ):
        await client.ready()
        with contextlib.suppress(ConnectionClosed):
            for _ in range(10_000):
                await client.socket.send(b"\0\0")
        await told(client, "rate_limited")
        await client.until_closed()


async def test_a_client_that_never_reads(doors: Doors) -> None:
    """Catches memory, or a neighbour's audio, that waits for somebody who does not read."""
    async with neighbour(doors):
        raw = _mute_client(
            doors, f"{conversation.PATH}?sample_rate=48000&audio_format=wav&pacing=none"
        )
        before = doors.process.memory_info().rss
        try:
            assert await asyncio.to_thread(_ask_until_dropped, raw, doors), "it was never dropped"
        finally:
            raw.close()
        assert doors.process.memory_info().rss - before < 96 << 20


def _mute_client(doors: Doors, path: str) -> socket.socket:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(10)
    raw.connect(("127.0.0.1", doors.port))
    lines = (
        f"GET {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version: 13",
    )
    raw.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    return raw


def _ask_until_dropped(raw: socket.socket, doors: Doors) -> bool:
    """Ask, again and again, and never read; whether the server has had enough."""
    question = b'{"type": "text", "text": "' + QUESTION.encode() + b'"}'
    masked = bytes([0x81, 0x80 | len(question), 0, 0, 0, 0]) + question
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        try:
            raw.sendall(masked)
        except OSError:
            return True
        time.sleep(0.5)  # so that there is an answer to be sent
        if "client does not read" in doors.log.read_text():
            return True
    return False


async def test_one_connection_too_many(doors: Doors) -> None:
    """Catches a server that takes more than it can, or that throws out those who are in."""
    await asyncio.to_thread(doors.emptied)
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for _ in range(CAPACITY):
            client = await ConversationClient.connect(doors.url + conversation.PATH, pacing="none")
            clients.append(await stack.enter_async_context(client))
            await client.ready()
        async with await ConversationClient.connect(doors.url + conversation.PATH) as refused:
            await told(refused, "session_limit")
            code, _ = await refused.until_closed()
            assert code == 1013
        for client in clients[:2]:
            await client.send("text", text=QUESTION)
            await client.turn()
    # a slot is given back with its connection
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        async with await ConversationClient.connect(doors.url + conversation.PATH) as client:
            await client.until(lambda m: m.type in ("ready", "error"))
            if client.types()[0] == "ready":
                return
        await asyncio.sleep(0.1)
    pytest.fail("no slot came back")


@pytest.mark.parametrize(
    "parameters",
    [
        {"audio_format": "flac"},
        {"sample_rate": "0"},
        {"language": "!!"},
        {"knowledge_base": "../../etc"},
        {"pacing": "sometimes"},
    ],
    ids=str,
)
async def test_a_url_that_asks_for_what_there_is_not(
    doors: Doors, parameters: dict[str, str]
) -> None:
    """Catches a wish that is silently ignored, or a path out of the folder of collections."""
    async with await ConversationClient.connect(
        doors.url + conversation.PATH, **parameters
    ) as client:
        await told(client, "invalid_message")
        code, reason = await client.until_closed()
        assert code == 1008
        assert next(iter(parameters)) in reason


async def test_nothing_is_left(doors: Doors) -> None:
    """Catches sessions, sockets and threads that stay behind those who were thrown out."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        sessions = doors.stats()
        readers = sum("audio-reader" in name for name in _thread_names(doors.process.pid))
        if sessions["active_conversations"] == 0 and readers == 0:
            return
        await asyncio.sleep(0.1)
    pytest.fail(f"{sessions}, {readers} readers")


def _thread_names(pid: int) -> list[str]:
    names = []
    for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - names are all that is wanted
        with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/comm") as comm:  # noqa: PTH123
            names.append(comm.read().strip())
    return names
