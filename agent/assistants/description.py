"""What an assistant is, as its file says. Pure: nothing here reads a file or the environment.

Wrong values raise `pydantic.ValidationError`; unknown keys are wrong.
"""

import re
from string import Formatter
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from agent.settings import BCP47

SECRET_PREFIX = "TOOL_"  # noqa: S105 (of a name)
"""Of the names of environment variables that a header may hold."""
SECRET = re.compile(r"\$\{([^}]*)\}")
"""`${TOOL_ORDERS_KEY}` in a header's value."""
HAND_OVER = "hand_over"
"""Name of the tool with which an assistant asks for a person."""

MAX_INSTRUCTIONS_CHARS = 8_000
MAX_TOOLS = 16
MAX_RESPONSE_BYTES = 65_536

_SECRET_NAME = re.compile(rf"{SECRET_PREFIX}[A-Z0-9_]+")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")

AssistantName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]{0,63}$")]
McpToolName = Annotated[str, Field(min_length=1, max_length=128)]
Providers = Annotated[str, Field(min_length=1, max_length=200)]
Timeout = Annotated[float, Field(gt=0, le=30)]
"""Seconds; somebody waits for the answer."""
ResponseBytes = Annotated[int, Field(ge=64, le=MAX_RESPONSE_BYTES)]
"""What is longer is cut: the model reads all of it."""


def _web_address(value: str) -> str:
    """`http` or `https`, a host, and neither credentials nor a fragment."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise PydanticCustomError("url", "must be an http:// or https:// address")
    if "@" in parts.netloc or parts.fragment:
        raise PydanticCustomError("url", "must hold neither credentials nor a fragment")
    return value


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise PydanticCustomError("header", "{name} is no header", {"name": name})
        if not value.isascii() or not value.isprintable():
            raise PydanticCustomError("header", "{name} must be plain text", {"name": name})
        for variable in SECRET.findall(value):
            if not _SECRET_NAME.fullmatch(variable):
                raise PydanticCustomError(
                    "secret",
                    "{variable}: only variables whose names begin with {prefix} may be used",
                    {"variable": variable, "prefix": SECRET_PREFIX},
                )
    return headers


def _no_parameters() -> dict[str, JsonValue]:
    return {"type": "object", "properties": {}}


WebAddress = Annotated[str, Field(max_length=2_000), AfterValidator(_web_address)]
Headers = Annotated[dict[str, str], Field(max_length=20), AfterValidator(_headers)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class HttpTool(_Part):
    """A request that the model can have made."""

    kind: Literal["http"]
    name: ToolName
    description: Annotated[str, Field(min_length=1, max_length=1_000)]
    """When to use it and what it gives, for the model."""
    url: WebAddress
    """`{parameter}` in the path or the query stands for an argument. The others are sent in the
    query, or as a JSON body where the method has one."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    parameters: dict[str, JsonValue] = Field(default_factory=_no_parameters)
    """A JSON schema of an object."""
    headers: Headers = Field(default_factory=dict)
    timeout_s: Timeout = 5.0
    max_response_bytes: ResponseBytes = 8_192

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.parameters.get("type") != "object":
            raise PydanticCustomError("parameters", "parameters must have the type object")
        required = self.parameters.get("required", [])
        known = required if isinstance(required, list) else []
        if missing := sorted(self.placeholders - {each for each in known if isinstance(each, str)}):
            raise PydanticCustomError(
                "url", "url: {name} in braces must be a required parameter", {"name": missing[0]}
            )
        return self

    @field_validator("url")
    @classmethod
    def _template(cls, url: str) -> str:
        parts = urlsplit(url)
        if "{" in parts.netloc or "}" in parts.netloc:
            raise PydanticCustomError("url", "must name its host itself")
        try:
            fields = [
                (name, spec, conversion)
                for _, name, spec, conversion in Formatter().parse(url)
                if name is not None
            ]
        except ValueError:
            raise PydanticCustomError("url", "has a brace too many or too few") from None
        if any(not name.isidentifier() or spec or conversion for name, spec, conversion in fields):
            raise PydanticCustomError("url", "may hold names of parameters in braces only")
        return url

    @property
    def placeholders(self) -> frozenset[str]:
        """The arguments that are part of the address."""
        return frozenset(name for _, name, _, _ in Formatter().parse(self.url) if name)


class McpServer(_Part):
    """A server of tools that speaks the Model Context Protocol over HTTP."""

    kind: Literal["mcp"]
    name: ToolName
    url: WebAddress
    transport: Literal["streamable_http", "sse"] = "streamable_http"
    headers: Headers = Field(default_factory=dict)
    allowed_tools: Annotated[tuple[McpToolName, ...], Field(strict=False, max_length=64)] | None = (
        None
    )
    """None: all that it has."""
    connect_timeout_s: Timeout = 5.0
    timeout_s: Timeout = 10.0
    max_response_bytes: ResponseBytes = 8_192


class HandOver(_Part):
    """Asking for a person, who comes into the room."""

    kind: Literal["hand_over"]
    wait_s: Annotated[float, Field(ge=1, le=3_600)] = 60.0
    """How long the assistant keeps quiet until somebody comes; then it goes on."""

    @property
    def name(self) -> str:
        """As the model calls it."""
        return HAND_OVER


Tool = Annotated[HttpTool | McpServer | HandOver, Field(discriminator="kind")]


class StageProviders(_Part):
    """Which providers do what, in the words of the settings; None: as the settings say."""

    recognition: Providers | None = None
    answers: Providers | None = None
    speech: Providers | None = None


AS_SET = StageProviders()


class Description(_Part):
    """One assistant. What it does not say is as the settings say."""

    name: AssistantName
    description: Annotated[str, Field(max_length=300)] = ""
    """For people who choose one."""
    instructions: Annotated[str, Field(max_length=MAX_INSTRUCTIONS_CHARS)] = ""
    """Who it is and how it behaves, for a language model."""
    language: BCP47 | None = None
    voice: Annotated[str, Field(max_length=100)] | None = None
    greeting: Annotated[str, Field(max_length=1_000)] | None = None
    """What it says first; empty: nothing."""
    collection: Annotated[str, Field(max_length=100, pattern=r"^\w[\w .-]*$")] | None = None
    """Of documents."""
    stages: StageProviders = AS_SET
    tools: Annotated[tuple[Tool, ...], Field(strict=False, max_length=MAX_TOOLS)] = ()

    @field_validator("tools")
    @classmethod
    def _each_once(cls, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
        names = [tool.name for tool in tools]
        for name in names:
            if names.count(name) > 1:
                raise PydanticCustomError("tools", "{name} is there twice", {"name": name})
        return tools

    @property
    def secrets(self) -> frozenset[str]:
        """The environment variables that its tools' headers hold."""
        return frozenset(
            variable
            for tool in self.tools
            if not isinstance(tool, HandOver)
            for value in tool.headers.values()
            for variable in SECRET.findall(value)
        )
