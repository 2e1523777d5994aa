"""A tool that is one HTTP request.

The address names its host itself; what the model says goes percent-encoded into the path and the
query, or into a JSON body. A redirect is followed within the same origin only.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from livekit.agents.llm import RawFunctionTool, function_tool
from livekit.agents.utils import http_context
from pydantic import JsonValue
from referencing import Registry
from yarl import URL

from agent.assistants.description import HttpTool
from agent.tools.outcome import cut, failed, in_time

MAX_REDIRECTS = 3

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_MOVED = frozenset({301, 302, 303, 307, 308})

Arguments = Mapping[str, JsonValue]


def http_tool(described: HttpTool, headers: Mapping[str, str]) -> RawFunctionTool[..., Any]:
    """The tool. `headers` have their secrets; livekit's `http_context` is open when it is used."""
    # a registry of nothing: a schema may refer to itself, and nothing is ever fetched for it
    validator = Draft202012Validator(described.parameters, registry=Registry())

    async def call(raw_arguments: dict[str, Any]) -> str:
        error = best_match(validator.iter_errors(raw_arguments))
        if error is not None:
            raise failed(f"Wrong arguments: {error.message}")
        asking = _ask(described, headers, raw_arguments)
        return await in_time(described.name, asking, timeout_s=described.timeout_s)

    schema = {
        "name": described.name,
        "description": described.description,
        "parameters": described.parameters,
    }
    return function_tool(call, raw_schema=schema)


async def _ask(described: HttpTool, headers: Mapping[str, str], arguments: Arguments) -> str:
    url = address(described, arguments)
    others = {k: v for k, v in arguments.items() if k not in described.placeholders}
    body: Arguments | None = None
    if described.method in _WITH_BODY:
        body = others
    elif others:
        url = url.update_query({name: _query(value) for name, value in others.items()})
    method: str = described.method
    for _ in range(MAX_REDIRECTS + 1):
        async with http_context.http_session().request(
            method,
            url,
            json=body,
            # what is packed could be anything in size
            headers={"Accept-Encoding": "identity", **headers},
            allow_redirects=False,
            auto_decompress=False,
        ) as response:
            if response.status not in _MOVED:
                return await _read(response, described.max_response_bytes)
            if method != "GET":
                raise failed("The service answered with a redirect.")
            url = _moved(response, url)
    raise failed("The service redirects for ever.")


def address(described: HttpTool, arguments: Arguments) -> URL:
    """The address with the arguments in it. Raises `ToolError` for one that cannot be in it."""
    values = {name: _segment(name, arguments.get(name)) for name in described.placeholders}
    return URL(described.url.format_map(values), encoded=True)


def _segment(name: str, value: JsonValue) -> str:
    text = _scalar(value)
    # `..` would leave the folder that the address is in
    if not text or text in {".", ".."}:
        raise failed(f"Wrong arguments: {name} cannot be used in an address.")
    return quote(text, safe="")


def _scalar(value: JsonValue) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            return ""


def _query(value: JsonValue) -> str | list[str]:
    return [_scalar(each) for each in value] if isinstance(value, list) else _scalar(value)


def _moved(response: aiohttp.ClientResponse, url: URL) -> URL:
    target = url.join(URL(response.headers.get("Location", ""), encoded=True))
    if target.scheme != url.scheme or target.origin() != url.origin():
        raise failed("The service redirects to another one.")
    return target


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> str:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise failed("The service's answer cannot be read.")
    data = bytearray()
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > max_bytes:
            break
    text = cut(data.decode(errors="replace"), max_bytes)
    if response.status >= 400:
        raise failed(f"The service answered {response.status}: {text}")
    return text or "Done."
