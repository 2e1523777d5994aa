"""The tools of one conversation: made of what its assistant's file describes."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from livekit.agents import llm
from livekit.agents.llm import RawFunctionTool, function_tool

from agent.assistants.description import HandOver, HttpTool, McpServer, Tool
from agent.tools.hand_over import AskForPerson, hand_over_tool
from agent.tools.http import http_tool
from agent.tools.secrets import SecretMissing, Variable, filled_in

if TYPE_CHECKING:
    from agent.tools.mcp import ServerTools

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Overdue:
    """What is done about a call that takes longer than so many seconds."""

    after_s: float
    tell: Callable[[], None]


class Toolbox:
    """Has `tools` at once, and more of them after `connect`. Close it at the end."""

    def __init__(
        self,
        described: Iterable[Tool],
        variable: Variable,
        *,
        ask_for_person: AskForPerson | None,
        calls_tools: bool,
        overdue: Overdue | None = None,
    ) -> None:
        """`calls_tools`: a language model answers; else only a person can be asked for.

        Without `ask_for_person` there is nowhere for one to come.
        """
        self.tools: list[llm.Tool] = []
        self._overdue = overdue
        self._servers: list[ServerTools] = []
        for each in described:
            try:
                self._add(each, variable, ask_for_person, calls_tools=calls_tools)
            except SecretMissing as missing:
                _log.error("tool left out", extra={"tool": each.name, "missing": str(missing)})

    @property
    def has_any(self) -> bool:
        """Whether there are tools, or may be."""
        return bool(self.tools or self._servers)

    @property
    def connects(self) -> bool:
        """Whether some of the tools are to be had from servers."""
        return bool(self._servers)

    async def connect(self) -> Sequence[llm.Tool]:
        """All tools, those of the servers that answer too; where two have a name, the first one."""
        offered = await asyncio.gather(*(server.connect() for server in self._servers))
        found = [[self._watched(tool) for tool in each] for each in offered]
        tools = {tool.id: tool for tool in self.tools}
        for tool in chain.from_iterable(found):
            if tool.id in tools:
                _log.warning("tool left out, as another has its name", extra={"tool": tool.id})
            tools.setdefault(tool.id, tool)
        self.tools = list(tools.values())
        return self.tools

    async def aclose(self) -> None:
        """Close the connections."""
        await asyncio.gather(*(server.aclose() for server in self._servers))

    def _watched(self, tool: RawFunctionTool[..., Any]) -> llm.Tool:
        """The same tool; the user is told of a call that takes long."""
        overdue = self._overdue
        if overdue is None:
            return tool

        async def call(raw_arguments: dict[str, Any]) -> object:
            loop = asyncio.get_running_loop()
            timer = loop.call_later(overdue.after_s, overdue.tell)
            try:
                return await tool(raw_arguments=raw_arguments)
            finally:
                timer.cancel()

        return function_tool(call, raw_schema=tool.info.raw_schema)

    def _add(
        self,
        described: Tool,
        variable: Variable,
        ask_for_person: AskForPerson | None,
        *,
        calls_tools: bool,
    ) -> None:
        match described:
            case HandOver():
                if ask_for_person is not None:
                    self.tools.append(hand_over_tool(ask_for_person))
            case HttpTool() if calls_tools:
                tool = http_tool(described, filled_in(described.headers, variable))
                self.tools.append(self._watched(tool))
            case McpServer() if calls_tools:
                from agent.tools.mcp import ServerTools  # takes most of a second to import

                headers = filled_in(described.headers, variable)
                self._servers.append(ServerTools(described, headers))
            case HttpTool() | McpServer():
                """Nobody would call it."""
