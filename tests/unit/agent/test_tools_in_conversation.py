"""A conversation whose assistant has tools: with a language model, and without one."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    APIConnectOptions,
    SpeechCreatedEvent,
    llm,
)
from livekit.agents.utils import http_context, shortuuid
from livekit.agents.voice.agent_session import SessionConnectOptions

from agent.assistants.description import HandOver, HttpTool, McpServer, Tool
from agent.conversation import Conversation, Manner
from agent.job import Brief, Job, Role
from agent.phrases import phrases
from agent.settings import AgentSettings
from agent.stages.build import Stages
from agent.stages.local.answerer import ExtractiveAnswerer
from tests.unit.agent.scripted import NO_RETRIES, Remembering, ScriptedRetriever, SilentTTS
from tests.unit.agent.test_mcp_tools import calendar, serving

ENGLISH = phrases("en-US")
PERSON = HandOver(kind="hand_over")


def calling(name: str, **arguments: object) -> llm.FunctionToolCall:
    return llm.FunctionToolCall(
        name=name, arguments=json.dumps(arguments), call_id=shortuuid("call_")
    )


Step = str | llm.FunctionToolCall | tuple[str, llm.FunctionToolCall]


class Model(llm.LLM[Any]):
    """Says these things, calls these tools, or does both, one after the other; and remembers what
    it saw."""

    def __init__(self, steps: Iterable[Step]) -> None:
        super().__init__()
        self.steps = list(steps)
        self.seen: list[llm.ChatContext] = []
        self.offered: list[list[str]] = []

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> llm.LLMStream:
        if tools:  # a summary is made without
            self.seen.append(chat_ctx)
            self.offered.append([tool.id for tool in tools])
        return _Step(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)

    def outputs(self) -> list[tuple[str, bool]]:
        """What the tools gave, and whether it was an error, as the model saw it last."""
        return [
            (item.output, item.is_error)
            for item in self.seen[-1].items
            if item.type == "function_call_output"
        ]


class _Step(llm.LLMStream):
    async def _run(self) -> None:
        assert isinstance(self._llm, Model)
        step = self._llm.steps.pop(0) if self._tools else "Notes."
        for part in step if isinstance(step, tuple) else (step,):
            delta = (
                llm.ChoiceDelta(role="assistant", content=part)
                if isinstance(part, str)
                else llm.ChoiceDelta(role="assistant", tool_calls=[part])
            )
            self._event_ch.send_nowait(llm.ChatChunk(id="step", delta=delta))


@asynccontextmanager
async def conversation(
    model: llm.LLM[Any],
    *tools: Tool,
    asked: list[tuple[str, str]] | None = None,
    kept: int = 10,
    filler_s: float = 60.0,
) -> AsyncIterator[tuple[Conversation, Remembering]]:
    brief = Brief(assistant="shop", instructions="You are Noor.", tools=tools)
    job = Job("session_a", 1, "user", "User", "en-US", "Ashley", "", "default", brief=brief)
    settings = AgentSettings(_env_file=None, max_session_history=kept, filler_seconds=filler_s)  # type: ignore[call-arg] # pydantic's
    options = SessionConnectOptions(llm_conn_options=NO_RETRIES)
    stages = Stages(stt=None, llm=model, tts=SilentTTS(), conn_options=options)
    heard = Remembering()
    ask = None if asked is None else (lambda reason, summary: asked.append((reason, summary)))
    async with http_context.open():
        talk = Conversation(
            job, settings, stages, ScriptedRetriever(), heard, Manner(ask_for_person=ask)
        )
        await talk.start()
        try:
            yield talk, heard
        finally:
            await talk.aclose()


async def until(heard: Remembering, look: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not look():
            heard.changed.clear()
            await heard.changed.wait()


async def until_turns(heard: Remembering, count: int) -> None:
    await until(heard, lambda: len(heard.turns) == count)


@asynccontextmanager
async def orders() -> AsyncIterator[HttpTool]:
    """A tool, and the service behind it, which knows one order."""

    async def handle(request: web.Request) -> web.StreamResponse:
        known = request.match_info["number"] == "7"
        return web.Response(text="On the road.") if known else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/orders/{number}", handle)
    async with TestServer(app) as server:
        yield HttpTool(
            kind="http",
            name="order_status",
            description="Where an order is.",
            url=str(server.make_url("/orders/")) + "{number}",
            parameters={
                "type": "object",
                "properties": {"number": {"type": "string"}},
                "required": ["number"],
            },
        )


async def test_an_answer_from_a_tool() -> None:
    """Catches a tool that is not offered, not called, or whose result the model never sees."""
    model = Model([calling("order_status", number="7"), "It is on the road."])
    async with orders() as tool, conversation(model, tool) as (talk, heard):
        talk.type("Where is order 7?")
        await until_turns(heard, 2)
    assert model.offered == [["order_status"]] * 2
    assert model.outputs() == [("On the road.", False)]
    assert heard.turns[1].text == "It is on the road."
    instructions = model.seen[0].messages()[0].text_content or ""
    assert instructions.startswith("You are Noor.")
    assert ENGLISH.manner in instructions
    assert ENGLISH.tools in instructions
    assert len(heard.cited) == 1


async def test_a_tool_that_fails() -> None:
    """Catches a turn that ends in silence as a tool failed, and one of an unknown name."""
    model = Model(
        [calling("order_status", number="8"), calling("refund", number="8"), "I cannot tell."]
    )
    async with orders() as tool, conversation(model, tool) as (talk, heard):
        talk.type("Where is order 8?")
        await until_turns(heard, 2)
    first, second = model.outputs()
    assert first[1]
    assert "404" in first[0]
    assert second[1]
    assert heard.turns[1].text == "I cannot tell."
    assert heard.failure == ""


async def test_the_user_is_told_that_a_tool_takes_long() -> None:
    """Catches silence while a service takes its time."""
    asked, may_answer, spoken = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(_: web.Request) -> web.StreamResponse:
        asked.set()
        await may_answer.wait()
        return web.Response(text="On the road.")

    def speech_created(event: SpeechCreatedEvent) -> None:
        if event.source == "say":
            spoken.set()

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestServer(app) as server:
        slow = HttpTool(
            kind="http", name="order", description="x", url=str(server.make_url("/")), timeout_s=20
        )
        model = Model([calling("order"), "It is on the road."])
        async with conversation(model, slow, filler_s=0.05) as (talk, heard):
            talk.session.on("speech_created", speech_created)
            talk.type("Where is my order?")
            async with asyncio.timeout(10):
                await asked.wait()
                await spoken.wait()
            may_answer.set()
            await until_turns(heard, 2)
    assert heard.turns[1].text == "It is on the road."


async def test_tools_of_a_server_come_once_it_answers() -> None:
    """Catches a conversation that waits for a server, or never has its tools."""
    model = Model([calling("book", day="Monday"), "It is booked."])
    async with serving(calendar()) as url:
        server = McpServer(kind="mcp", name="calendar", url=url, allowed_tools=("book",))
        async with conversation(model, server) as (talk, heard):
            agent = talk.session.current_agent
            async with asyncio.timeout(10):
                while not agent.tools:  # noqa: ASYNC110 (there is no event for it)
                    await asyncio.sleep(0.01)
            talk.type("Book me in for Monday.")
            await until_turns(heard, 2)
    assert model.offered == [["book"]] * 2
    assert model.outputs()[0][0].startswith("Booked for Monday.")


async def test_what_tools_gave_is_forgotten_with_its_turn() -> None:
    """Catches a context that grows with every call, or that begins with a result of nothing."""
    steps: list[Step] = []
    for number in range(4):
        steps += [calling("order_status", number="7"), f"On the road, {number}."]
    model = Model(steps)
    async with orders() as tool, conversation(model, tool, kept=1) as (talk, heard):
        for number in range(4):
            talk.type(f"Where is order 7? {number}")
            await until_turns(heard, 2 * number + 2)
    assert len(model.outputs()) == 2
    kinds = [item.type for item in model.seen[-1].items if item.type != "agent_config_update"]
    said = [(m.role, m.text_content) for m in model.seen[-1].messages() if m.role != "system"]
    assert kinds.count("function_call") == kinds.count("function_call_output") == 2
    assert said[0] == ("user", "Where is order 7? 2")


async def test_a_model_hands_over() -> None:
    """Catches a person who is not asked for, and a model that talks on."""
    asked: list[tuple[str, str]] = []
    model = Model([calling("hand_over", reason="Upset.", summary="A broken lamp.")])
    async with conversation(model, PERSON, asked=asked) as (talk, heard):
        talk.type("This is the third broken lamp!")
        await until(heard, lambda: asked)
        talk.keep_quiet(ENGLISH.handing_over)
        await until_turns(heard, 2)
        talk.type("Hello? Is somebody there?")
        await until_turns(heard, 3)
        assert [turn.text for turn in talk.history][1:] == [
            ENGLISH.handing_over,
            "Hello? Is somebody there?",
        ]
        model.steps.append("Sure.")
        talk.go_on(ENGLISH.person_left)
        await until_turns(heard, 4)
        talk.type("Do you sell bulbs?")
        await until_turns(heard, 6)
    assert asked == [("Upset.", "A broken lamp.")]
    assert len(model.seen) == 2
    said = [(m.role, m.text_content) for m in model.seen[-1].messages() if m.role != "system"]
    assert said == [
        ("user", "This is the third broken lamp!"),
        ("assistant", ENGLISH.handing_over),
        ("user", "Hello? Is somebody there?"),
        ("assistant", ENGLISH.person_left),
        ("user", "Do you sell bulbs?"),
    ]


async def test_without_a_model_a_person_is_asked_for_in_plain_words() -> None:
    """Catches a caller without a key who can never reach a person, and one who always does."""
    asked: list[tuple[str, str]] = []
    async with conversation(ExtractiveAnswerer(language="en-US"), PERSON, asked=asked) as (
        talk,
        heard,
    ):
        talk.type("How long can I return a lamp?")
        await until_turns(heard, 2)
        assert asked == []
        talk.type("I want to talk to a human")
        await until(heard, lambda: asked)
    assert asked == [("I want to talk to a human", "How long can I return a lamp?")]
    assert [turn.role for turn in heard.turns] == [Role.USER, Role.ASSISTANT, Role.USER]


async def test_without_the_tool_nobody_is_asked_for() -> None:
    """Catches a person who is promised where none can come."""
    for tools, asked in (((), []), ((PERSON,), None)):
        answerer = ExtractiveAnswerer(language="en-US")
        async with conversation(answerer, *tools, asked=asked) as (talk, heard):
            talk.type("I want to talk to a human")
            await until_turns(heard, 2)
        assert not asked
