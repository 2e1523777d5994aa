"""What a model is told of a call: bounded in size, and in time."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

from livekit.agents.llm import ToolError

MAX_ERROR_CHARS = 300

T = TypeVar("T")

_log = logging.getLogger(__name__)


def failed(message: str) -> ToolError:
    """An error for the model, in a few words."""
    return ToolError(message[:MAX_ERROR_CHARS])


def cut(text: str, max_bytes: int) -> str:
    """`text`, or as much of it as fits, and a word that there was more."""
    data = text.encode()
    if len(data) <= max_bytes:
        return text
    return data[:max_bytes].decode(errors="ignore") + " […cut off]"


async def in_time(name: str, work: Awaitable[T], *, timeout_s: float) -> T:
    """What `work` gives within so long. Whatever else happens is a `ToolError`."""
    try:
        async with asyncio.timeout(timeout_s):
            return await work
    except ToolError as error:
        raise failed(error.message) from None
    except TimeoutError:
        _log.warning("tool too slow", extra={"tool": name, "timeout_s": timeout_s})
        raise failed("The tool took too long.") from None
    except Exception as error:  # noqa: BLE001 (libraries raise what they like; the call goes on)
        _log.warning("tool failed", extra={"tool": name, "error": type(error).__name__})
        raise failed("The tool cannot be used at the moment.") from None
