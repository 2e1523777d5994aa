"""Logs to standard error: fixed messages and fields. Never a name, a transcript, a token or a key.

livekit-agents tells, in its loggers' messages, tracebacks and marked fields, what users and
assistants say: the first two are cut (`without_speech`), the third are left out (`fields_of`).
"""

import json
import logging
import sys
import time
import traceback
from typing import Any, Literal

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    *("message", "asctime", "taskName"),
    "color_message",  # uvicorn's
    "data",  # Celery's: the whole task again
}
_PERSONAL = "lk.pii"
"""With which livekit-agents marks fields that hold what a user said."""
_ERROR_BEGINS = {"livekit.agents": ":", "livekit.plugins": ":", "asyncio": " exception="}
"""After which an error speaks, in the messages of these loggers and those below them."""
_QUIET = ("httpx", "httpcore", "openai", "urllib3", "aiohttp")


def log_to_stderr(level: str | int, log_format: Literal["text", "json"]) -> None:
    """Configure the root logger of this process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    handler.addFilter(without_speech)
    logging.basicConfig(level=level, handlers=[handler], force=True)


def quiet_libraries() -> None:
    """Leave out what libraries say below WARNING: livekit-agents logs there what users say."""
    for name in ("livekit", "livekit.agents", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """What was given as `extra`."""
    fields = record.__dict__.items()
    return {k: v for k, v in fields if k not in _STANDARD and not k.startswith(_PERSONAL)}


def without_speech(record: logging.LogRecord) -> bool:
    """Cuts what errors say out of livekit-agents' and asyncio's records: it may be an answer.

    Their types and tracebacks stay. Always True; changes the record.
    """
    begins = _error_begins(record.name)
    if begins is not None:
        record.msg, record.args = record.getMessage().partition(begins)[0], ()
        if record.exc_info and record.exc_info[1] is not None:
            record.exc_text = _where(record.exc_info[1])
    elif record.name == "livekit" and "FfiRequest" in record.getMessage():
        # livekit's native library logs requests that failed in full, pieces of transcripts too
        record.msg, record.args = "livekit_ffi: a request failed", ()
    return True


def _error_begins(name: str) -> str | None:
    found = (logger for logger in _ERROR_BEGINS if name == logger or name.startswith(f"{logger}."))
    return _ERROR_BEGINS.get(next(found, ""))


def _where(error: BaseException) -> str:
    """The traceback, with the errors' types alone."""
    told = ""
    seen: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in seen:
        seen.append(following)
        frames = "".join(traceback.format_tb(following.__traceback__))
        told = f"{frames}{type(following).__qualname__}\n{told}"
        context = None if following.__suppress_context__ else following.__context__
        following = following.__cause__ or context
    return told.rstrip()


class TextFormatter(logging.Formatter):
    """`time LEVEL logger: message key=value …`, and the traceback where there is one."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, layout: str = "%(asctime)s %(levelname)s %(name)s: %(message)s") -> None:
        super().__init__(layout)
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """The line."""
        fields = "".join(f" {key}={value}" for key, value in fields_of(record).items())
        return super().formatMessage(record) + fields


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
            document["exception"] = record.exc_text or self.formatException(record.exc_info)
        return json.dumps(document, ensure_ascii=False, default=str)
