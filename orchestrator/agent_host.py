"""Asks this machine's agent host over its unix socket."""

import asyncio
from pathlib import Path

from pydantic import ValidationError

from agent.host_protocol import (
    MAX_LINE_BYTES,
    REPLY_CODEC,
    REQUEST_CODEC,
    HostReply,
    HostRequest,
)
from orchestrator.errors import HostUnreachable


class AgentHostClient:
    """One connection a request: they are rare, and a restarted host needs no reconnecting."""

    def __init__(self, socket: Path, *, timeout_s: float = 3.0) -> None:
        self._socket = socket
        self._timeout_s = timeout_s

    async def ask(self, request: HostRequest) -> HostReply:
        """The host's answer. Raises `HostUnreachable`; the request may have been heard then."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(request)
        except (OSError, ValueError, ValidationError, EOFError) as error:
            raise HostUnreachable(type(error).__name__) from error

    async def _exchange(self, request: HostRequest) -> HostReply:
        reader, writer = await asyncio.open_unix_connection(self._socket, limit=MAX_LINE_BYTES)
        try:
            writer.write(REQUEST_CODEC.dump_json(request) + b"\n")
            await writer.drain()
            return REPLY_CODEC.validate_json(await reader.readuntil(b"\n"))
        finally:
            writer.close()
