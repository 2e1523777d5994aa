"""How the orchestrator logs: as `agent.logs` does, and no query strings."""

import logging
import re

from agent.logs import log_to_stderr, quiet_libraries, without_speech
from orchestrator.settings import Settings

_NOISE = "skipping user input, speech scheduling is paused"
_QUERY = re.compile(r"\?\S*")


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
    log_to_stderr(settings.log_threshold, settings.log_format)


def quiet_conversations() -> None:
    """Keep livekit-agents from telling what users say, whoever has configured the logging.

    It also warns of every session's end.
    """
    quiet_libraries()
    agents = logging.getLogger("livekit.agents")
    for each in (_is_news, without_speech):
        agents.addFilter(each)  # once only


def _is_news(record: logging.LogRecord) -> bool:
    return record.msg != _NOISE


def hide_queries() -> None:
    """Keep query strings out of uvicorn's logs, however uvicorn was started."""
    for name in ("uvicorn.access", "uvicorn.error"):
        log = logging.getLogger(name)
        if not any(isinstance(each, WithoutQuery) for each in log.filters):
            log.addFilter(WithoutQuery())
