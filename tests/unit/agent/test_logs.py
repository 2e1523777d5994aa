"""What goes into the logs, and what does not."""

import json
import logging
import sys

import pytest
from livekit.agents import APIError

from agent.logs import JsonFormatter, TextFormatter, without_speech

SAID = "My PIN is 4711"


def _record(name: str, message: str, *args: object, **others: object) -> logging.LogRecord:
    fields = {"name": name, "msg": message, "args": args, "levelname": "WARNING", **others}
    return logging.makeLogRecord(fields)


def _lines(record: logging.LogRecord) -> tuple[str, str]:
    """The record's lines, through the filter."""
    assert without_speech(record)
    return TextFormatter().format(record), JsonFormatter().format(record)


def _raised() -> APIError:
    try:
        try:
            raise ValueError(SAID)
        except ValueError as error:
            raise APIError(f"no audio frames were pushed for text: {SAID}") from error
    except APIError as error:
        return error


def test_log_lines_have_their_fields() -> None:
    """Catches fields that are lost on the way to the log."""
    record = _record("test", "session changed", session_id="session_1")
    line = TextFormatter("%(message)s").format(record)
    assert line == "session changed session_id=session_1"
    assert json.loads(JsonFormatter().format(record))["session_id"] == "session_1"


def test_a_line_says_when_in_utc() -> None:
    """Catches machines whose logs cannot be put in one order."""
    line = TextFormatter().format(_record("test", "hello", created=1.5, msecs=500.0))
    assert line == "1970-01-01T00:00:01.500Z WARNING test: hello"


@pytest.mark.parametrize(
    ("name", "message", "args", "stays"),
    [
        (
            "livekit.agents",
            "failed to synthesize speech: %s, retrying in %ss",
            (_raised(), 2),
            "failed to synthesize speech",
        ),
        (
            "livekit.agents",
            f"AgentSession is closing due to unrecoverable error: {_raised()}",
            (),
            "AgentSession is closing due to unrecoverable error",
        ),
        ("livekit.plugins.groq", f"refused: {SAID}", (), "refused"),
        (
            "asyncio",
            f"Task exception was never retrieved\nfuture: <Task 'say' exception={_raised()!r}>",
            (),
            "'say'",
        ),
        ("livekit", f"error sending FfiRequest text: {SAID}", (), "a request failed"),
    ],
)
def test_what_is_said_stays_out(
    name: str, message: str, args: tuple[object, ...], stays: str
) -> None:
    """Catches the text of an answer in the log, when a voice gives no audio for it."""
    for line in _lines(_record(name, message, *args, **{"lk.pii.text": SAID})):
        assert stays in line
        assert "4711" not in line


def test_a_traceback_has_the_errors_types_alone() -> None:
    """Catches the same text at the end of a traceback, or of its cause's."""
    error = _raised()
    assert error.__cause__ is not None
    error.__cause__.__cause__ = error  # once around
    record = _record("livekit.agents", "", exc_info=(type(error), error, error.__traceback__))
    for line in _lines(record):
        assert "ValueError" in line
        assert "APIError" in line
        assert "test_logs.py" in line
        assert "4711" not in line


def test_our_own_lines_stay_whole() -> None:
    """Catches a filter that leaves nothing to find a fault by."""
    try:
        raise KeyError("collection")
    except KeyError:
        record = _record("agent.room", "cannot begin: %s", "why", exc_info=sys.exc_info())
    for line in _lines(record):
        assert "cannot begin: why" in line
        assert "KeyError: 'collection'" in line
