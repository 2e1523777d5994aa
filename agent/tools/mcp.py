"""The tools of one MCP server, over HTTP.

Redirects are followed by the `mcp` package, and within the server's origin only.
"""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
from livekit.agents import llm
from livekit.agents.llm import RawFunctionTool, function_tool
from livekit.agents.llm.mcp import MCPServerHTTP, MCPToolResultContext

from agent.assistants.description import McpServer
from agent.tools.outcome import cut, in_time

CLOSE_TIMEOUT_S = 1.0
MAX_TOOLS = 64
"""Of one server; a model has to read all of their descriptions."""

MAX_ANSWER_BYTES = 1 << 20
"""What a server may send in one answer, or in one event of a stream, before any of it is looked at;
it is cut to `max_response_bytes` then."""

_CALLABLE = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""Names that language models' providers take."""

_log = logging.getLogger(__name__)


class ServerTools:
    """Connect, offer `tools`, and close. After a call that failed the next one connects anew."""

    def __init__(self, described: McpServer, headers: Mapping[str, str]) -> None:
        self._described = described
        self._headers = dict(headers)
        self._server: MCPServerHTTP | None = None
        self._known: dict[str, RawFunctionTool[..., Any]] = {}
        self._connecting = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    async def connect(self) -> list[RawFunctionTool[..., Any]]:
        """What the server offers; nothing where it does not answer in time. Never raises."""
        described = self._described
        try:
            async with asyncio.timeout(described.connect_timeout_s):
                await self._connect()
        except Exception as error:  # noqa: BLE001 (whatever the server does, the call goes on)
            fields = {"server": described.name, "error": type(error).__name__}
            _log.warning("tools not reachable", extra=fields)
            self._let_go()
            return []
        return [self._offered(tool) for tool in self._known.values()]

    async def aclose(self) -> None:
        """End the connection."""
        self._let_go()
        if self._closing:
            await asyncio.wait(self._closing)

    async def _connect(self) -> None:
        async with self._connecting:
            if self._server is not None:
                return
            described = self._described
            allowed = described.allowed_tools
            server = self._server = _BoundedServer(
                described.url,
                transport_type=described.transport,
                allowed_tools=None if allowed is None else list(allowed),
                # what is packed could be anything in size
                headers={"Accept-Encoding": "identity", **self._headers},
                timeout=described.connect_timeout_s,
                client_session_timeout_seconds=described.timeout_s,
                tool_result_resolver=_text,
            )
            await server.initialize()
            tools = {tool.id: tool for tool in await server.list_tools()}
            self._known = {
                name: tool
                for name, tool in list(tools.items())[:MAX_TOOLS]
                if _CALLABLE.fullmatch(name) and (allowed is None or name in allowed)
            }

    def _let_go(self) -> None:
        """Close the connection, which may hang, without waiting for it."""
        server, self._server = self._server, None
        if server is not None:
            task = asyncio.create_task(_close(server), name="tools.close")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _offered(self, tool: RawFunctionTool[..., Any]) -> RawFunctionTool[..., Any]:
        name = tool.id
        described = self._described

        async def call(raw_arguments: dict[str, Any]) -> str:
            calling = self._call(name, raw_arguments)
            return cut(
                await in_time(name, calling, timeout_s=described.timeout_s),
                described.max_response_bytes,
            )

        return function_tool(call, raw_schema=tool.info.raw_schema)

    async def _call(self, name: str, arguments: dict[str, Any]) -> str:
        try:
            await self._connect()
            return str(await self._known[name](raw_arguments=arguments))
        except llm.ToolError:
            raise  # the server's own word
        except BaseException:
            # a server that was started again knows nothing of this connection
            self._let_go()
            raise


class _BoundedServer(MCPServerHTTP):
    """livekit's, which reads no more than `MAX_ANSWER_BYTES`."""

    def _create_http_client(self, *args: Any, **kwargs: Any) -> httpx2.AsyncClient:
        client = super()._create_http_client(*args, **kwargs)
        client.event_hooks = {"request": [], "response": [_bound]}
        return client


async def _bound(response: httpx2.Response) -> None:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise httpx2.DecodingError("a packed answer", request=response.request)
    has_events = response.headers.get("Content-Type", "").startswith("text/event-stream")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream, has_events=has_events)


class _Bounded(httpx2.AsyncByteStream):
    """A body of at most `MAX_ANSWER_BYTES`; with events, each of them may have as many."""

    def __init__(self, stream: httpx2.AsyncByteStream, *, has_events: bool) -> None:
        self._stream = stream
        self._has_events = has_events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for piece in self._stream:
            # an empty line ends an event
            ends = self._has_events and (b"\n\n" in piece or b"\r\n\r\n" in piece)
            read = len(piece) if ends else read + len(piece)
            if read > MAX_ANSWER_BYTES:
                raise httpx2.ReadError("the answer is too long")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _close(server: MCPServerHTTP) -> None:
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await server.aclose()
    except Exception as error:  # noqa: BLE001 (it is gone either way)
        _log.debug("tools not closed", extra={"error": type(error).__name__})


def _text(context: MCPToolResultContext) -> str:
    """The texts of a result; its structure, where it has no text."""
    result = context.result
    texts = [part.text for part in result.content if part.type == "text"]
    if texts:
        return "\n".join(texts)
    if result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "Done."
