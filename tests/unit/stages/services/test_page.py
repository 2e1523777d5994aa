"""docs/services.md tells of every message, and each example of it is one."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from agent.settings import PROJECT_ROOT
from agent.stages.services.health import ServiceHealth
from agent.stages.services.messages import (
    ANSWER_LINES,
    ANSWER_REQUEST,
    ASR_REPLIES,
    ASR_REQUESTS,
    RETRIEVE_REQUEST,
    TTS_REPLIES,
    TTS_REQUESTS,
    AnswerLine,
    AsrReply,
    AsrRequest,
    ErrorCode,
    TtsReply,
    TtsRequest,
    decode,
)

PAGE = (PROJECT_ROOT / "docs" / "services.md").read_text()
PARTS = {part.split("\n", 1)[0]: part for part in PAGE.split("\n## ")[1:]}


def part(title: str) -> str:
    """The section whose title begins so."""
    return next(text for name, text in PARTS.items() if name.startswith(title))


def examples(text: str) -> Iterator[str]:
    """Every JSON object with a type, in the text or set apart."""
    flat = re.sub(r"\n\s+", " ", text)
    for match in re.finditer(r'\{"type": "', flat):
        value, _ = json.JSONDecoder().raw_decode(flat[match.start() :])
        yield json.dumps(value)


def types(union: Any) -> set[str]:
    """The types of a union's messages."""
    return {str(f.default) for m in get_args(union) for f in fields(m) if f.name == "type"}


@pytest.mark.parametrize(
    ("title", "unions", "told"),
    [
        (
            "Recognition",
            (ASR_REQUESTS, ASR_REPLIES),
            types(AsrRequest) | types(AsrReply) - {"error"},
        ),
        ("Speech", (TTS_REQUESTS, TTS_REPLIES), types(TtsRequest) | types(TtsReply) - {"error"}),
        ("Answers", (ANSWER_LINES,), types(AnswerLine) - {"error"}),
    ],
)
def test_every_message_is_shown_as_it_is(
    title: str, unions: tuple[TypeAdapter[Any], ...], told: set[str]
) -> None:
    """Catches a page from which nobody can write a service."""
    shown = list(examples(part(title)))
    assert {json.loads(example)["type"] for example in shown} == told
    for example in shown:
        errors = 0
        for union in unions:
            try:
                decode(union, example)
            except Exception:  # noqa: BLE001 - it may be the other side's
                errors += 1
        assert errors < len(unions), example


def test_bodies_are_shown_as_they_are() -> None:
    """Catches a field that is called otherwise."""
    flat = re.sub(r"\n\s+", " ", PAGE)
    decoder = json.JSONDecoder()
    asked, _ = decoder.raw_decode(flat[flat.index('{"question"') :])
    assert decode(ANSWER_REQUEST, json.dumps(asked)).history[1].text == "You have thirty days."
    query, _ = decoder.raw_decode(flat[flat.index('{"query"') :])
    assert decode(RETRIEVE_REQUEST, json.dumps(query)).limit == 4
    health, _ = decoder.raw_decode(flat[flat.index('{"status"') :])
    assert TypeAdapter(ServiceHealth).validate_python(health).languages == ("en",)


def test_every_error_is_told_of() -> None:
    """Catches a code that a client does not know what to do with."""
    assert set(re.findall(r"^\| `(\w+)` \| ", part("What holds"), re.MULTILINE)) == set(ErrorCode)
