"""Assistants as their files describe them, right and wrong."""

from pathlib import Path

import pytest

from agent.assistants.description import Description, HandOver, HttpTool, McpServer
from agent.assistants.errors import UnknownAssistant
from agent.assistants.files import MAX_FILE_BYTES, Assistants, read_assistants
from agent.settings import PROJECT_ROOT

WHOLE = """\
name: shop
description: Knows the shop.
instructions: |
  You are Noor.
language: ar-EG
voice: Nour
greeting: مرحبًا
collection: default
stages:
  answers: groq,local
tools:
  - kind: http
    name: order_status
    description: Where an order is.
    url: https://shop.example/orders/{number}?lang=ar
    headers:
      Authorization: Bearer ${TOOL_SHOP_KEY}
    parameters:
      type: object
      properties:
        number: {type: string}
      required: [number]
    timeout_s: 3
  - kind: mcp
    name: calendar
    url: http://127.0.0.1:9000/mcp
    allowed_tools: [book]
  - kind: hand_over
"""
ORDER = """\
name: shop
tools:
  - kind: http
    name: order
    description: Where an order is.
    url: {url}
"""


def read(folder: Path, **files: str | bytes) -> Assistants:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / f"{name}.yaml").write_bytes(data)
    return read_assistants(folder)


def problems(folder: Path, content: str | bytes) -> list[str]:
    found = read(folder, a=content)
    assert not found.by_name
    return [str(problem) for problem in found.problems]


def test_a_whole_file(tmp_path: Path) -> None:
    """Catches a key that is read wrongly, or lost."""
    found = read(tmp_path, shop=WHOLE)
    assert found.problems == ()
    shop = found.named("shop")
    assert (shop.language, shop.voice, shop.greeting) == ("ar-EG", "Nour", "مرحبًا")
    assert (shop.stages.answers, shop.stages.speech) == ("groq,local", None)
    order, calendar, hand_over = shop.tools
    assert isinstance(order, HttpTool)
    assert (sorted(order.placeholders), order.timeout_s) == (["number"], 3.0)
    assert isinstance(calendar, McpServer)
    assert calendar.allowed_tools == ("book",)
    assert isinstance(hand_over, HandOver)
    assert [tool.name for tool in shop.tools] == ["order_status", "calendar", "hand_over"]
    assert shop.secrets == {"TOOL_SHOP_KEY"}


def test_what_a_file_does_not_say_is_open(tmp_path: Path) -> None:
    """Catches a default of a file that would win over the settings."""
    shop = read(tmp_path, shop="name: shop\n").named("shop")
    assert shop == Description(name="shop")
    assert (shop.language, shop.voice, shop.greeting, shop.collection) == (None,) * 4


def test_no_folder_is_no_assistant(tmp_path: Path) -> None:
    """Catches a start that fails where nobody has written an assistant."""
    found = read_assistants(tmp_path / "nowhere")
    assert (dict(found.by_name), found.problems) == ({}, ())
    with pytest.raises(UnknownAssistant, match="'shop'"):
        found.named("shop")


def test_the_samples_are_right() -> None:
    """Catches a sample that no longer goes with the code."""
    found = read_assistants(PROJECT_ROOT / "assistants")
    assert found.problems == ()
    assert {name: each.language for name, each in found.by_name.items()} == {
        "siraj-en": "en-US",
        "siraj-ar": "ar-EG",
    }


def test_a_broken_file_does_not_stop_the_others(tmp_path: Path) -> None:
    """Catches one mistake that takes all assistants away, or that nobody is told of."""
    found = read(tmp_path, a="name: [", b="name: b\n", c="name: c\ncolour: red\n", d="name: b\n")
    assert list(found.by_name) == ["b"]
    assert [problem.file for problem in found.problems] == ["a.yaml", "c.yaml", "d.yaml"]
    assert "b.yaml" in found.problems[2].message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("name: shop\ncolour: red\n", "a.yaml, line 2: colour: there is no such key"),
        ("name: shop\nvoice: 7\n", "a.yaml, line 2: voice: Input should be a valid string"),
        ("description: x\n", "a.yaml, line 1: name: Field required"),
        ("name: Shop One\n", "a.yaml, line 1: name: String should match"),
        ("name: shop\nname: other\n", "a.yaml, line 2: name: is there twice"),
        ("name: shop\ntools:\n  - kind: http\n    nmae: x\n", "line 4: tools 1 nmae: there is no"),
        ("name: shop\ntools:\n  - kind: shell\n", "a.yaml, line 3: tools 1: Input tag 'shell'"),
        ("name: a\ntools:\n- kind: hand_over\n- kind: hand_over\n", "tools: hand_over is there t"),
        ("name: &a shop\nvoice: *a\n", "a.yaml, line 2: references"),
        ("name: shop\nstages: {answer: groq}\n", "a.yaml, line 2: stages answer: there is no"),
        ("- shop\n", "a.yaml, line 1: must be a mapping"),
        ("", "a.yaml: is empty"),
        (b"\xff\xfe", "a.yaml: is not UTF-8"),
        ("name: !!python/object:os.system x\n", "a.yaml, line 1: could not determine"),
        ("[" * 5_000, "is nested too deeply"),
        ("name: shop\n" + "#" * MAX_FILE_BYTES, "is larger than 65536 bytes"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, content: str | bytes, told: str
) -> None:
    """Catches a mistake that is taken, or told of so that nobody finds it."""
    found = problems(tmp_path, content)
    assert any(told in line for line in found), found


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://shop.example/", "must be an http:// or https:// address"),
        ("file:///etc/passwd", "must be an http:// or https:// address"),
        ("https://{host}/orders", "must name its host itself"),
        ("https://key@shop.example/", "must hold neither credentials"),
        ("https://shop.example/{number", "has a brace too many or too few"),
        ("https://shop.example/{number.__class__}", "may hold names of parameters"),
        ("https://shop.example/{number}", "number in braces must be a required parameter"),
    ],
)
def test_addresses_of_tools(tmp_path: Path, url: str, told: str) -> None:
    """Catches an address by which a model could reach what nobody meant it to."""
    found = problems(tmp_path, ORDER.format(url=f'"{url}"'))
    assert any(told in line for line in found), found


@pytest.mark.parametrize("variable", ["GROQ_API_KEY", "TOOL", "tool_key", "TOOL_A B"])
def test_only_secrets_of_tools_can_be_used(tmp_path: Path, variable: str) -> None:
    """Catches a file that sends a key of ours to somebody."""
    headers = f"    headers:\n      X-Key: ${{{variable}}}\n"
    found = problems(tmp_path, ORDER.format(url="https://shop.example/") + headers)
    assert any(f"{variable}: only variables whose names begin with TOOL_" in line for line in found)


def test_a_schema_must_be_one(tmp_path: Path) -> None:
    """Catches parameters that a model's provider would refuse in the middle of a call."""
    wrong = "    parameters: {type: object, properties: {number: {type: strin}}}\n"
    (found,) = problems(tmp_path, ORDER.format(url="https://shop.example/") + wrong)
    assert "line 7: tools 1 parameters properties number type: is no JSON schema" in found
    wrong = "    parameters: {type: array}\n"
    (found,) = problems(tmp_path, ORDER.format(url="https://shop.example/") + wrong)
    assert "must have the type object" in found
