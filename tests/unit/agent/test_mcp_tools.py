"""Tools of MCP servers, against a real server on this machine."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from livekit.agents.llm import RawFunctionTool, ToolError
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError as ServersToolError

from agent.assistants.description import HandOver, HttpTool, McpServer, Tool
from agent.tools.mcp import MAX_ANSWER_BYTES, ServerTools
from agent.tools.toolbox import Toolbox


def calendar() -> MCPServer[Any]:
    """A server with tools that do well, that fail, and that take long."""
    server: MCPServer[Any] = MCPServer("calendar")

    @server.tool()
    def book(day: str) -> str:
        """Book a consultation."""
        return f"Booked for {day}. " * 100

    @server.tool()
    def flood() -> str:
        """More than anybody can read."""
        return "word " * MAX_ANSWER_BYTES

    @server.tool()
    def fail() -> str:
        """Fails."""
        raise ServersToolError("the calendar is full")

    @server.tool()
    async def dawdle() -> str:
        """Takes for ever."""
        await asyncio.Event().wait()
        return ""

    return server


@asynccontextmanager
async def serving(server: MCPServer[Any], port: int = 0) -> AsyncIterator[str]:
    """Its address while it runs."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        config = uvicorn.Config(
            server.streamable_http_app(), log_level="error", lifespan="on", ws="none"
        )
        running = uvicorn.Server(config)
        running.install_signal_handlers = lambda: None  # type: ignore[attr-defined] # old uvicorn's
        task = asyncio.create_task(running.serve(sockets=[listener]))
        while not running.started:  # noqa: ASYNC110 (uvicorn has no event for it)
            await asyncio.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        finally:
            running.force_exit = running.should_exit = True
            await task


def described(url: str, **fields: Any) -> McpServer:
    patient = {"connect_timeout_s": 30, "timeout_s": 30}
    given = {"kind": "mcp", "name": "calendar", "url": url, **patient, **fields}
    return McpServer.model_validate(given)


async def call(tools: dict[str, Any], name: str, **arguments: Any) -> str:
    tool = tools[name]
    assert isinstance(tool, RawFunctionTool)
    return str(await tool(raw_arguments=arguments))


async def test_the_tools_of_a_server() -> None:
    """Catches tools that are not found, not called, not bounded, or that fail at length."""
    async with serving(calendar()) as url:
        server = ServerTools(described(url, max_response_bytes=64), {})
        tools = {tool.id: tool for tool in await server.connect()}
        assert set(tools) == {"book", "flood", "fail", "dawdle"}
        schema = tools["book"].info.raw_schema
        assert schema["description"] == "Book a consultation."
        assert schema["parameters"]["required"] == ["day"]
        told = await call(tools, "book", day="Monday")
        assert told.startswith("Booked for Monday.")
        assert told.endswith("[…cut off]")
        with pytest.raises(ToolError, match="the calendar is full"):
            await call(tools, "fail")
        await server.aclose()


async def test_a_tool_that_takes_too_long() -> None:
    """Catches a turn that waits for a tool, and tools that are lost with one that hangs."""
    async with serving(calendar()) as url:
        # as long as a busy machine takes to answer what it answers at once
        server = ServerTools(described(url, timeout_s=3), {})
        tools = {tool.id: tool for tool in await server.connect()}
        with pytest.raises(ToolError, match="took too long"):
            await call(tools, "dawdle")
        assert (await call(tools, "book", day="Friday")).startswith("Booked for Friday.")
        await server.aclose()


async def test_more_than_anybody_can_read() -> None:
    """Catches an agent whose memory a server of tools can fill."""
    async with serving(calendar()) as url:
        server = ServerTools(described(url), {})
        tools = {tool.id: tool for tool in await server.connect()}
        with pytest.raises(ToolError):
            await call(tools, "flood")
        assert (await call(tools, "book", day="Friday")).startswith("Booked for Friday.")
        await server.aclose()


async def test_only_the_tools_that_are_allowed() -> None:
    """Catches a tool that nobody meant the model to have."""
    async with serving(calendar()) as url:
        server = ServerTools(described(url, allowed_tools=["book", "other"]), {})
        assert [tool.id for tool in await server.connect()] == ["book"]
        await server.aclose()


async def test_a_server_that_was_started_again() -> None:
    """Catches tools that are lost for the rest of a call when their server is restarted."""
    async with serving(calendar()) as url:
        server = ServerTools(described(url), {})
        tools = {tool.id: tool for tool in await server.connect()}
        await call(tools, "book", day="Monday")
    port = int(url.split(":")[2].split("/")[0])
    with pytest.raises(ToolError):
        await call(tools, "book", day="Tuesday")
    async with serving(calendar(), port):
        async with asyncio.timeout(10):
            while True:
                try:
                    told = await call(tools, "book", day="Friday")
                    break
                except ToolError:
                    await asyncio.sleep(0.05)
        assert told.startswith("Booked for Friday.")
        await server.aclose()


async def test_a_server_that_is_not_there_or_hangs() -> None:
    """Catches a call that waits for a server, or ends without one."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hangs = f"http://127.0.0.1:{silent.getsockname()[1]}/mcp"
        for url in ("http://127.0.0.1:9/mcp", hangs):
            server = ServerTools(described(url, connect_timeout_s=0.2), {})
            assert await server.connect() == []
            await server.aclose()


ORDER = HttpTool(kind="http", name="book", description="Books.", url="https://shop.example/")


def toolbox(*tools: Tool, calls_tools: bool = True, has_people: bool = True) -> Toolbox:
    return Toolbox(
        tools,
        lambda _: "",
        ask_for_person=(lambda _reason, _summary: None) if has_people else None,
        calls_tools=calls_tools,
    )


async def test_two_tools_of_one_name() -> None:
    """Catches a conversation that cannot begin as two servers call a tool the same."""
    async with serving(calendar()) as url:
        box = toolbox(ORDER, described(url))
        assert [tool.id for tool in box.tools] == ["book"]
        offered = await box.connect()
        assert sorted(tool.id for tool in offered) == ["book", "dawdle", "fail", "flood"]
        assert offered[0] is box.tools[0]
        await box.aclose()


def test_who_has_which_tools() -> None:
    """Catches a person who is asked for where none can come, and requests that nobody makes."""
    server, person = described("http://127.0.0.1:9/mcp"), HandOver(kind="hand_over")
    assert [t.id for t in toolbox(ORDER, server, person).tools] == ["book", "hand_over"]
    keyless = toolbox(ORDER, server, person, calls_tools=False)
    assert ([t.id for t in keyless.tools], keyless.connects) == (["hand_over"], False)
    assert [t.id for t in toolbox(ORDER, person, has_people=False).tools] == ["book"]


def test_a_secret_that_is_missing_costs_one_tool() -> None:
    """Catches a conversation that fails for a key of one of its tools."""
    secret = ORDER.model_copy(update={"name": "other", "headers": {"X-Key": "${TOOL_KEY}"}})
    assert [tool.id for tool in toolbox(secret, ORDER).tools] == ["book"]
