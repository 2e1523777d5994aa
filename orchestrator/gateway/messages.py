"""What the dialects have in common: JSON objects with a `type`, times, and base64. Pure."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import JsonValue

MAX_MS = 1e9
"""No answer is as long."""


class InvalidMessage(Exception):
    """The client sent something that is no message; the text is meant for it."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a client sent, as far as it is the same in every protocol."""

    type: str
    fields: Mapping[str, JsonValue]

    def text(self, name: str) -> str:
        """A field that must be a text and not blank. Raises `InvalidMessage`."""
        value = self.fields.get(name)
        if not isinstance(value, str) or not value.strip():
            raise InvalidMessage(f"{name} must be a text that is not empty.")
        # half a surrogate pair is legal JSON and no legal text
        return value.encode("utf-8", "replace").decode()

    def milliseconds(self, name: str) -> float | None:
        """A field that holds milliseconds, in seconds; None where it is missing or wrong."""
        value = self.fields.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value / 1000 if 0 <= value < MAX_MS else None

    def base64(self, name: str) -> bytes:
        """A field that must be base64. Raises `InvalidMessage`."""
        value = self.fields.get(name)
        if not isinstance(value, str):
            raise InvalidMessage(f"{name} must be base64.")
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidMessage(f"{name} is not base64.") from None


def parse(data: str) -> Message:
    """The message in a text frame. Raises `InvalidMessage`."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidMessage("The message is not JSON.") from None
    if not isinstance(value, dict):
        raise InvalidMessage("The message is not a JSON object.")
    kind = value.get("type")
    if not isinstance(kind, str):
        raise InvalidMessage("The message has no type.")
    return Message(kind, value)


def encode_base64(data: bytes) -> str:
    """As JSON carries bytes."""
    return base64.b64encode(data).decode("ascii")


def iso_utc(at: float) -> str:
    """Unix seconds as ISO 8601 in UTC, with milliseconds and a `Z`."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
