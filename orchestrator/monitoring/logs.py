"""Logging: a fixed message and fields. Never a user's name, a transcript, a token or a key."""

import json
import logging
import re
import sys
from typing import Any

from orchestrator.settings import Settings

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    *("message", "asctime"),
    "color_message",  # uvicorn's
    "data",  # Celery's: the whole task again
}
_PERSONAL = "lk.pii"
"""With which livekit-agents marks fields that hold what a user said."""

_NOISE = "skipping user input, speech scheduling is paused"
_QUERY = re.compile(r"\?\S*")


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What was given as `extra`."""
    fields = record.__dict__.items()
    return {k: v for k, v in fields if k not in _STANDARD and not k.startswith(_PERSONAL)}


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message key=value …`"""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback where there is one."""
        extra = "".join(f" {key}={value}" for key, value in fields_of(record).items())
        head, *rest = super().format(record).split("\n")
        return "\n".join([head + extra, *rest])


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        document: dict[str, Any] = {
            "at": record.created,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)


class WithoutQuery(logging.Filter):
    """Cuts query strings, which may hold tokens, off the paths that uvicorn logs."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always True; changes the record."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                _QUERY.sub("", arg) if isinstance(arg, str) and arg.startswith("/") else arg
                for arg in record.args
            )
        return True


def configure_logging(settings: Settings) -> None:
    """Log to standard error in the format of the settings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter()
        if settings.log_format == "json"
        else TextFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_threshold)


def quiet_libraries() -> None:
    """livekit-agents logs what users say below WARNING, and warns of every session's end."""
    for name in ("livekit", "livekit.agents"):
        logging.getLogger(name).setLevel(logging.WARNING)
    agents = logging.getLogger("livekit.agents")
    if _is_news not in agents.filters:
        agents.addFilter(_is_news)
    for name in ("httpx", "httpcore", "openai", "urllib3", "aiohttp"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _is_news(record: logging.LogRecord) -> bool:
    return record.msg != _NOISE


def hide_queries() -> None:
    """Keep query strings out of uvicorn's logs, however uvicorn was started."""
    for name in ("uvicorn.access", "uvicorn.error"):
        log = logging.getLogger(name)
        if not any(isinstance(each, WithoutQuery) for each in log.filters):
            log.addFilter(WithoutQuery())
