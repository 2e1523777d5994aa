"""What a forked agent runs: it gets ready, waits for its job, does it, and is gone."""

import asyncio
import contextlib
import os
import socket

from livekit.agents.utils import http_context
from livekit.rtc._ffi_client import FfiClient
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agent.host.idle import PING, PONG, READY, TAKEN
from agent.host.lines import Lines, LineTooLong
from agent.host.title import name_process
from agent.host_protocol import MAX_LINE_BYTES
from agent.job import JOB_CODEC, Job
from agent.room import RoomAgent
from agent.settings import AgentSettings

_REDIS_TIMEOUT_S = 2.0
_READ_BYTES = 1 << 16


def run_child(sock: socket.socket, *, settings: AgentSettings) -> int:
    """Live as an agent whose job comes over `sock`. Returns the exit code."""
    name_process("agent idle")
    # the native runtime would run `lsb_release` each time it joins a room, for 10 ms or more
    os.environ["PATH"] = os.devnull
    # not `asyncio.run`, which waits for tasks and threads that end with the process anyway
    return asyncio.new_event_loop().run_until_complete(_live(sock, settings))


async def _live(sock: socket.socket, settings: AgentSettings) -> int:
    # the native runtime starts its threads here, not when somebody waits for the agent
    _ = FfiClient.instance
    async with http_context.open():
        redis = Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_timeout=_REDIS_TIMEOUT_S,
            socket_connect_timeout=_REDIS_TIMEOUT_S,
            decode_responses=True,
        )
        connecting = asyncio.create_task(_connect(redis))
        with sock:
            job = await _await_job(sock)
            if job is not None:
                name_process(f"agent {job.session_id}")
                await RoomAgent(job, settings, redis, on_entered=sock.close).run()
        connecting.cancel()
    return 0


async def _connect(redis: Redis) -> None:
    """Open a connection for later; Redis may be away, then it is opened when it is needed."""
    with contextlib.suppress(RedisError, OSError):
        await redis.ping()


async def _await_job(sock: socket.socket) -> Job | None:
    """The job; None when the host is gone."""
    sock.setblocking(False)
    lines = Lines(MAX_LINE_BYTES)
    await _say(sock, READY)
    while data := await _receive(sock):
        try:
            received = lines.feed(data)
        except LineTooLong:
            return None
        for line in received:
            if line != PING:
                await _say(sock, TAKEN)
                return JOB_CODEC.validate_json(line)
            await _say(sock, PONG)
    return None


async def _say(sock: socket.socket, word: bytes) -> None:
    # even a host that has just died may have sent a job before
    with contextlib.suppress(ConnectionError):
        await asyncio.get_running_loop().sock_sendall(sock, word + b"\n")


async def _receive(sock: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    try:
        return await loop.sock_recv(sock, _READ_BYTES)
    except ConnectionResetError:
        # told once, when a host dies that had not read us yet; what it sent is there all the same
        return await loop.sock_recv(sock, _READ_BYTES)
