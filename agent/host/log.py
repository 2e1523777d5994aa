"""Logs of the host and its children: to standard error, fixed messages with fields."""

import json
import logging
import sys
import time
from typing import Literal

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up_logging(level: str, log_format: Literal["text", "json"]) -> None:
    """Configure the root logger of this process.

    livekit-agents logs what users say at DEBUG and INFO, so its loggers are kept at WARNING.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in ("livekit", "livekit.agents", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("livekit").addFilter(_without_request)
    for name in ("httpx", "httpcore", "openai", "urllib3", "aiohttp"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    return {
        key: value
        for key, value in vars(record).items()
        if key not in _STANDARD and not key.startswith("lk.pii")
    }


def _without_request(record: logging.LogRecord) -> bool:
    """livekit's native library logs requests that failed in full, pieces of transcripts too."""
    if "FfiRequest" in record.getMessage():
        record.msg, record.args = "livekit_ffi: a request failed", ()
    return True


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        fields = "".join(f" {key}={value}" for key, value in _fields(record).items())
        line = f"{at} {record.levelname} {record.name}: {record.getMessage()}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "at": record.created,
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=False)
