"""Language models against servers that speak the vendors' wire format."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from livekit.agents import APIConnectOptions, APIStatusError, llm
from multidict import CIMultiDict, CIMultiDictProxy

from agent.settings import AgentSettings
from tests.integration.stages.built import KEY, built, question
from tests.integration.stages.conftest import Serve

# of the Gemini client's own HTTP session
pytestmark = pytest.mark.filterwarnings(
    "ignore:Inheritance class AiohttpClientSession:DeprecationWarning"
)
ONCE = APIConnectOptions(max_retry=0, timeout=10)
PIECES = ("We open ", "at nine.")


@dataclass
class Endpoint:
    """Answers each request with the same events, and keeps what it was asked."""

    events: list[tuple[str, object]]
    """(name of the event or empty, data)"""
    asked: dict[str, object] = field(default_factory=dict)
    path: str = ""
    headers: CIMultiDictProxy[str] = field(default_factory=lambda: CIMultiDictProxy(CIMultiDict()))
    query: dict[str, str] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        self.asked, self.path = await request.json(), request.path
        self.headers, self.query = request.headers, dict(request.query)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for name, data in self.events:
            text = data if isinstance(data, str) else json.dumps(data)
            await response.write(f"event: {name}\n".encode() if name else b"")
            await response.write(f"data: {text}\n\n".encode())
        return response


async def _answer(answerer: llm.LLM[str]) -> str:
    async with answerer.chat(chat_ctx=question("When do you open?"), conn_options=ONCE) as stream:
        pieces = [chunk.delta.content async for chunk in stream if chunk.delta]
    return "".join(piece for piece in pieces if piece)


def _completion() -> list[tuple[str, object]]:
    def chunk(delta: dict[str, str], finish: str | None = None) -> object:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        return {**head, "choices": [choice]}

    pieces = [chunk({"role": "assistant", "content": piece}) for piece in PIECES]
    return [("", data) for data in (*pieces, chunk({}, "stop"), "[DONE]")]


def _message() -> list[tuple[str, object]]:
    usage = {"input_tokens": 9, "output_tokens": 1}
    message = {"id": "m1", "type": "message", "role": "assistant", "model": "m", "content": []}
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": {**message, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": piece},
            }
            for piece in PIECES
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 6},
        },
        {"type": "message_stop"},
    ]
    return [(str(event["type"]), event) for event in events]


def _candidates() -> list[tuple[str, object]]:
    return [
        (
            "",
            {
                "candidates": [
                    {
                        "index": 0,
                        "content": {"role": "model", "parts": [{"text": piece}]},
                        **({"finishReason": "STOP"} if piece is PIECES[-1] else {}),
                    }
                ],
                "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 12},
                "modelVersion": "m",
            },
        )
        for piece in PIECES
    ]


async def test_a_server_without_a_key_answers_as_openai_does(
    machine: AgentSettings, vendor: Serve
) -> None:
    """Catches vLLM, Ollama and LM Studio being asked for a key, or at OpenAI's address."""
    server = Endpoint(_completion())
    address = await vendor("/v1/chat/completions", server.answer)
    answerer = built(
        machine, "openai", "answers", OPENAI_BASE_URL=f"{address}/v1", OPENAI_MODEL="llama3.1"
    )
    assert await _answer(answerer) == "We open at nine."
    assert (server.asked["model"], server.asked["stream"]) == ("llama3.1", True)
    await answerer.aclose()


async def test_openai_is_shown_its_key(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a key that is set and not sent."""
    server = Endpoint(_completion())
    address = await vendor("/v1/chat/completions", server.answer)
    variables = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{address}/v1"}
    answerer = built(machine, "openai", "answers", **variables)
    assert await _answer(answerer) == "We open at nine."
    assert server.headers["Authorization"] == f"Bearer {KEY}"
    await answerer.aclose()


async def test_azure_answers_at_its_deployment(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a deployment, a version or a key that Azure looks for elsewhere."""
    server = Endpoint(_completion())
    address = await vendor("/openai/deployments/front-desk/chat/completions", server.answer)
    answerer = built(
        machine,
        "azure",
        "answers",
        AZURE_OPENAI_API_KEY=KEY,
        AZURE_OPENAI_ENDPOINT=address,
        AZURE_OPENAI_DEPLOYMENT="front-desk",
    )
    assert await _answer(answerer) == "We open at nine."
    assert server.headers["api-key"] == KEY
    assert server.query == {"api-version": "2024-10-21"}
    await answerer.aclose()


async def test_anthropic_answers_as_a_stream_of_events(
    machine: AgentSettings, vendor: Serve
) -> None:
    """Catches a key in the wrong header, and instructions that are sent as somebody's words."""
    server = Endpoint(_message())
    address = await vendor("/v1/messages", server.answer)
    variables = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": address}
    answerer = built(machine, "anthropic", "answers", **variables)
    assert await _answer(answerer) == "We open at nine."
    assert server.headers["x-api-key"] == KEY
    assert server.asked["model"] == "claude-sonnet-4-6"
    assert "Answer in one sentence." in json.dumps(server.asked["system"])
    messages = server.asked["messages"]
    assert isinstance(messages, list)
    assert [message["role"] for message in messages] == ["user"]
    await answerer.aclose()
    assert answerer._client.is_closed()


async def test_gemini_answers_as_a_stream_of_events(machine: AgentSettings, vendor: Serve) -> None:
    """Catches a key in the wrong header, a wrong model, and an answer that does not stream."""
    server = Endpoint(_candidates())
    address = await vendor("/{path:.*}", server.answer)
    variables = {"GOOGLE_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": address}
    answerer = built(machine, "gemini", "answers", **variables)
    assert await _answer(answerer) == "We open at nine."
    assert server.headers["x-goog-api-key"] == KEY
    assert server.path.endswith("/models/gemini-2.5-flash:streamGenerateContent")
    assert server.query == {"alt": "sse"}
    await answerer.aclose()


async def test_anthropic_takes_a_conversation_that_the_agent_began(
    machine: AgentSettings, vendor: Serve
) -> None:
    """Catches a greeting for which every answer is refused: there the user speaks first."""
    server = Endpoint(_message())
    address = await vendor("/v1/messages", server.answer)
    variables = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": address}
    answerer = built(machine, "anthropic", "answers", **variables)
    context = llm.ChatContext.empty()
    context.add_message(role="system", content="Be brief.")
    context.add_message(role="assistant", content="Hello! How can I help you?")
    context.add_message(role="system", content="The shop opens at nine.")
    context.add_message(role="user", content="When do you open?")
    async with answerer.chat(chat_ctx=context, conn_options=ONCE) as stream:
        assert [chunk async for chunk in stream]
    messages = server.asked["messages"]
    assert isinstance(messages, list)
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert "The shop opens at nine." in json.dumps(server.asked)
    await answerer.aclose()


REFUSALS: dict[str, tuple[str, Callable[[str], dict[str, str]]]] = {
    "openai": (
        "/v1/chat/completions",
        lambda at: {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{at}/v1"},
    ),
    "anthropic": (
        "/v1/messages",
        lambda at: {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": at},
    ),
    "gemini": (
        "/{path:.*}",
        lambda at: {"GOOGLE_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": at},
    ),
}


@pytest.mark.parametrize("provider", REFUSALS)
async def test_a_refused_key_surfaces_and_is_not_told(
    machine: AgentSettings, vendor: Serve, provider: str
) -> None:
    """Catches a refusal that ends as an empty answer, and a key that is told in its error."""

    async def refuse(_: web.Request) -> web.StreamResponse:
        error = {"type": "authentication_error", "message": "invalid key", "code": 401}
        return web.json_response({"type": "error", "error": error}, status=401)

    handler: Callable[[web.Request], Awaitable[web.StreamResponse]] = refuse
    path, variables = REFUSALS[provider]
    answerer = built(machine, provider, "answers", **variables(await vendor(path, handler)))
    with pytest.raises(APIStatusError) as caught:
        await _answer(answerer)
    assert caught.value.status_code == 401
    assert KEY not in str(caught.value)
    await answerer.aclose()
