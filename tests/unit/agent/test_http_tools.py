"""Tools that are HTTP requests, against a real server on this machine."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from livekit.agents.llm import RawFunctionTool, ToolError
from livekit.agents.utils import http_context

from agent.assistants.description import HttpTool
from agent.tools.http import http_tool
from agent.tools.secrets import SecretMissing, filled_in

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PARAMETERS = {
    "type": "object",
    "properties": {
        "number": {"type": "string"},
        "lines": {"type": "array", "items": {"type": "integer"}},
        "urgent": {"type": "boolean"},
    },
    "required": ["number"],
}


class Service:
    """A server that writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Handler = self._fine
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.asked.append(
            {
                "method": request.method,
                "path": request.raw_path,
                "key": request.headers.get("X-Key"),
                "body": body,
            }
        )
        return await self.answer(request)

    async def _fine(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"state": "on the road"})

    def tool(self, path: str = "/orders/{number}", **fields: Any) -> RawFunctionTool[..., Any]:
        values = {
            "kind": "http",
            "name": "order_status",
            "description": "Where an order is.",
            "url": f"{self.url}{path}",
            "parameters": PARAMETERS,
            **fields,
        }
        tool = http_tool(HttpTool.model_validate(values), {"X-Key": "sesame"})
        assert isinstance(tool, RawFunctionTool)
        return tool

    async def call(self, arguments: dict[str, Any], **fields: Any) -> str:
        return str(await self.tool(**fields)(raw_arguments=arguments))

    async def error(self, arguments: dict[str, Any], **fields: Any) -> str:
        with pytest.raises(ToolError) as caught:
            await self.call(arguments, **fields)
        assert len(caught.value.message) <= 300
        return caught.value.message


async def _serving(app: web.Application) -> AsyncIterator[TestServer]:
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.handle)
    async for server in _serving(app):
        service.url = str(server.make_url("")).rstrip("/")
        async with http_context.open():
            yield service


async def test_a_request_and_its_answer(service: Service) -> None:
    """Catches arguments, a method or a header that do not arrive."""
    told = await service.call({"number": "A 7/3", "urgent": True, "lines": [1, 2]})
    assert told == '{"state": "on the road"}'
    assert service.asked == [
        {
            "method": "GET",
            "path": "/orders/A%207%2F3?urgent=true&lines=1&lines=2",
            "key": "sesame",
            "body": None,
        }
    ]


async def test_a_body_where_the_method_has_one(service: Service) -> None:
    """Catches arguments that go into the address, where logs keep them."""
    await service.call({"number": "7", "urgent": True}, method="POST")
    (asked,) = service.asked
    assert (asked["path"], asked["body"]) == ("/orders/7", {"urgent": True})


def test_what_the_model_is_told_of_it() -> None:
    """Catches a tool that is offered without its parameters."""
    service = Service()
    service.url = "https://shop.example"
    assert service.tool().info.raw_schema == {
        "name": "order_status",
        "description": "Where an order is.",
        "parameters": PARAMETERS,
    }


@pytest.mark.parametrize(
    "arguments", [{}, {"number": 7}, {"number": "7", "lines": "1"}, {"number": ["7"]}]
)
async def test_wrong_arguments_are_not_sent(service: Service, arguments: dict[str, Any]) -> None:
    """Catches what a model makes up being sent to somebody's service."""
    assert (await service.error(arguments)).startswith("Wrong arguments:")
    assert service.asked == []


@pytest.mark.parametrize("number", ["..", ".", ""])
async def test_an_argument_does_not_leave_its_folder(service: Service, number: str) -> None:
    """Catches a model that is talked into another address of the service."""
    assert "cannot be used in an address" in await service.error({"number": number})
    assert service.asked == []


async def test_no_reference_is_fetched(service: Service) -> None:
    """Catches a schema that makes us ask somebody for its parts."""
    schema = {
        "type": "object",
        "properties": {"number": {"$ref": f"{service.url}/schema"}},
        "required": ["number"],
    }
    tool = service.tool(parameters=schema)
    with pytest.raises(Exception, match="schema"):
        await tool(raw_arguments={"number": "7"})
    assert service.asked == []


async def test_an_error_of_the_service(service: Service) -> None:
    """Catches an error that the model takes for an answer."""

    async def missing(_: web.Request) -> web.StreamResponse:
        return web.Response(status=404, text="no such order " * 100)

    service.answer = missing
    assert (await service.error({"number": "7"})).startswith("The service answered 404: no such")


async def test_a_service_that_hangs(service: Service) -> None:
    """Catches a turn that waits for ever, before the answer or within it."""
    never = asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    async def stall(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"on the")
        await never.wait()
        return response

    try:
        for answer in (hang, stall):
            service.answer = answer
            error = await service.error({"number": "7"}, timeout_s=0.05)
            assert error == "The tool took too long."
    finally:
        never.set()


async def test_a_service_that_is_not_there(service: Service) -> None:
    """Catches a library's error that ends the turn."""
    tool = http_tool(
        HttpTool(kind="http", name="x", description="x", url="http://127.0.0.1:9/"), {}
    )
    assert isinstance(tool, RawFunctionTool)
    with pytest.raises(ToolError, match="cannot be used at the moment"):
        await tool(raw_arguments={})


async def test_an_answer_without_end(service: Service) -> None:
    """Catches an answer that fills the memory, or the model's context."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write("نعم ".encode() * 1_000)
        except ConnectionError:
            return response

    service.answer = endless
    told = await service.call({"number": "7"}, max_response_bytes=101)
    assert told.startswith("نعم نعم")
    assert told.endswith("[…cut off]")
    assert len(told.encode()) < 120


async def test_a_packed_answer_is_not_unpacked(service: Service) -> None:
    """Catches a small answer that becomes a gigabyte."""

    async def packed(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    service.answer = packed
    assert await service.error({"number": "7"}) == "The service's answer cannot be read."


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("http://127.0.0.1:9/orders/7", "redirects to another one"),
        ("https://shop.example/", "redirects to another one"),
        ("file:///etc/passwd", "redirects to another one"),
        ("/orders/7", "redirects for ever"),
    ],
)
async def test_redirects_stay_within_the_service(service: Service, target: str, told: str) -> None:
    """Catches a service that sends our secret, or our request, to somebody else."""

    async def moved(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": target})

    service.answer = moved
    assert told in await service.error({"number": "7"})


async def test_a_redirect_within_the_service(service: Service) -> None:
    """Catches a service whose addresses have moved and that cannot be used any more."""

    async def moved(request: web.Request) -> web.StreamResponse:
        if request.path == "/orders/7":
            return web.Response(status=307, headers={"Location": "/v2/orders/7"})
        return web.Response(text="here")

    service.answer = moved
    assert await service.call({"number": "7"}) == "here"
    assert "redirect" in await service.error({"number": "7"}, method="POST")


def test_secrets() -> None:
    """Catches a header that is sent half filled in, or with what is no tool's secret."""
    variables = {"TOOL_KEY": "sesame", "GROQ_API_KEY": "ours"}

    def variable(name: str) -> str:
        return variables.get(name, "")

    headers = {"Authorization": "Bearer ${TOOL_KEY}", "X": "plain"}
    assert filled_in(headers, variable) == {"Authorization": "Bearer sesame", "X": "plain"}
    for name in ("TOOL_OTHER", "GROQ_API_KEY"):
        with pytest.raises(SecretMissing, match=name):
            filled_in({"X": f"${{{name}}}"}, variable)
