"""A conversation of ten turns in each language, with an assistant chosen by its name.

The whole product with stand-ins for the vendors: what the language model is shown at each turn,
what the room is told that the answer rests on, tools, and handing over to a person.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.phrases import phrases
from tests.clients.caller import Caller, read_wav
from tests.clients.stack import PROJECT_ROOT, Stack
from tests.clients.vendors import Call, Message, Vendors, serving

SPEECH = PROJECT_ROOT / "tests" / "audio" / "go-forward.wav"
"""What is said aloud; the recogniser's stand-in understands it as the turn's text."""
EXCHANGES_KEPT = 3

ASSISTANT = """\
name: {name}
instructions: You are {who}, who knows lamps.
language: {language}
voice: {voice}
greeting: {greeting}
tools:
  - kind: http
    name: order_status
    description: Where an order is.
    url: {service}/orders/{{number}}
    headers: {{X-Key: "${{TOOL_ORDERS_KEY}}"}}
    parameters:
      type: object
      properties: {{number: {{type: string}}}}
      required: [number]
  - kind: hand_over
    wait_s: 60
"""


@dataclass(frozen=True)
class Turn:
    """What the user says, and the document that answers it."""

    text: str
    answer: str
    filename: str | None = None
    """None: none does."""
    spoken: bool = False
    call: Call | None = None


@dataclass(frozen=True)
class Script:
    """One conversation; the last turn asks for a person."""

    name: str
    who: str
    language: str
    voice: str
    greeting: str
    turns: tuple[Turn, ...]
    person: str


ORDER = Call("order_status", {"number": "A7"})
HAND_OVER = Call("hand_over", {"reason": "asked for", "summary": "about lamps"})
ENGLISH = Script(
    "lamps-en",
    "Noor",
    "en-US",
    "Hades",
    "Lamps here, hello.",
    (
        Turn("How long does standard delivery take?", "Three days.", "en/shipping.md"),
        Turn("Can you repair old lamps?", "We can.", "en/warranty.md"),
        Turn("How long does that take?", "Ten working days.", "en/warranty.md"),
        Turn("Can I pay in instalments?", "In four parts.", "en/payment.md", spoken=True),
        Turn("Is there any interest on it?", "There is none.", "en/payment.md"),
        Turn("Where is my order A7?", "It is on the road.", call=ORDER),
        Turn("How long is a gift card valid?", "Three years.", "en/gift-cards.md", spoken=True),
        Turn("Do you sell garden furniture?", "I could not find that."),
        Turn("How do I delete my account?", "On the page My data.", "en/account.md"),
    ),
    "Let me talk to a human",
)
ARABIC = Script(
    "lamps-ar",
    "نور",
    "ar-EG",
    "Omar",
    "أهلًا، هنا المصابيح.",
    (
        Turn("كم يستغرق التوصيل العادي؟", "ثلاثة أيام.", "ar/shipping.md"),
        Turn("هل تصلحون المصابيح القديمة؟", "نعم نصلحها.", "ar/warranty.md"),
        Turn("وكم يستغرق ذلك؟", "عشرة أيام عمل.", "ar/warranty.md"),
        Turn("هل يمكنني الدفع بالتقسيط؟", "على أربع دفعات.", "ar/payment.md", spoken=True),
        Turn("وهل عليه فوائد؟", "لا فوائد عليه.", "ar/payment.md"),
        Turn("أين طلبي A7؟", "طلبك في الطريق.", call=ORDER),
        Turn("كم سنة تبقى بطاقة الهدية صالحة؟", "ثلاث سنوات.", "ar/gift-cards.md", spoken=True),
        Turn("هل تبيعون أثاث الحدائق؟", "لم أجد ذلك."),
        Turn("كيف أحذف حسابي؟", "من صفحة بياناتي.", "ar/account.md"),
    ),
    "أريد التحدث إلى موظف",
)


@pytest.fixture(scope="module")
def vendors() -> Iterator[Vendors]:
    """Those of all conversations of this module."""
    with serving() as vendors:
        yield vendors


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, vendors: Vendors, documents: Path
) -> Iterator[Stack]:
    """An instance that uses them, with two assistants of its own."""
    folder = tmp_path_factory.mktemp("assistants")
    for script in (ENGLISH, ARABIC):
        text = ASSISTANT.format(
            name=script.name,
            who=script.who,
            language=script.language,
            voice=script.voice,
            greeting=script.greeting,
            service=f"http://127.0.0.1:{vendors.port}",
        )
        (folder / f"{script.name}.yaml").write_text(text)
    (folder / "broken.yaml").write_text("name: broken\ncolour: red\n")
    running = Stack(
        tmp_path_factory.mktemp("stack"),
        environment={
            **vendors.environment,
            "KNOWLEDGE_DIR": str(documents),
            "ASSISTANTS_DIR": str(folder),
            "TOOL_ORDERS_KEY": "sesame",
            "MAX_SESSION_HISTORY": str(EXCHANGES_KEPT),
            "TURN_DETECTION": "vad",
            "FILLER_SECONDS": "60",  # on a busy machine too
        },
    )
    running.start()
    try:
        yield running
    finally:
        running.stop()


def test_the_start_tells_of_assistants(stack: Stack) -> None:
    """Catches a broken file that nobody is told of, or that takes the others with it."""
    log = stack.log.read_text()
    assert "assistants   lamps-ar, lamps-en" in log
    assert "broken.yaml, line 2: colour: there is no such key" in log
    listed = stack.http.get("/api/assistants").json()["assistants"]
    assert [each["name"] for each in listed] == ["lamps-ar", "lamps-en"]
    assert listed[0]["tools"] == ["order_status", "hand_over"]
    unknown = stack.http.post("/api/session/start", json={"assistant": "broken"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (422, "invalid_field")


@pytest.mark.parametrize("script", [ENGLISH, ARABIC], ids=["English", "Arabic"])
async def test_ten_turns(stack: Stack, vendors: Vendors, script: Script) -> None:
    """Catches a wrong history, passages or sources of another question, in any of ten turns."""
    said: list[tuple[str, str]] = [("assistant", script.greeting)]
    async with Caller.start(stack.url, assistant=script.name) as caller:
        await until_said(caller, script.greeting)
        for turn in script.turns:
            await take(caller, vendors, script, turn)
            shown = vendors.asked_about(turn.text)
            assert shown
            for messages in shown:
                check_shown(messages, script, turn, said)
            said += [("user", turn.text), ("assistant", turn.answer)]
        assert script.voice in vendors.voices
        await ask_for_person(stack, caller, vendors, script)
        await check_transcript(stack, caller, script)
        await caller.end()
    assert vendors.orders.pop() == ("/orders/A7", "sesame")


async def take(caller: Caller, vendors: Vendors, script: Script, turn: Turn) -> None:
    """Say or type a turn, and wait until it is answered; what it rests on is told before."""
    cited = len(caller.heard.sources)
    vendors.answers[turn.text] = turn.answer
    if turn.call is not None:
        vendors.calls[turn.text] = turn.call
    if turn.spoken:
        primary = script.language.partition("-")[0]
        vendors.to_hear.setdefault(primary, []).append(turn.text)
        caller.say(read_wav(SPEECH))
    else:
        await caller.type(turn.text)
    await until_said(caller, turn.answer)
    sources = await caller.until_cited(after=cited)
    assert len(caller.heard.sources) == cited + 1
    first = sources[0]["filename"] if sources else None
    assert first == turn.filename, turn.text


async def until_said(caller: Caller, text: str) -> None:
    """Wait for the agent's transcript of it."""

    def look() -> bool:
        return any(
            transcript.final and text in transcript.text
            for transcript in caller.heard.transcripts.values()
        )

    await caller.until(look, within_s=30, what=text)


def check_shown(
    messages: list[Message], script: Script, turn: Turn, said: list[tuple[str, str]]
) -> None:
    """What the model was shown for a turn: who it is, the last exchanges, and the passages."""
    assert messages[0]["role"] == "system"
    assert script.who in messages[0]["content"]
    assert phrases(script.language).manner in messages[0]["content"]
    shown = [
        (m["role"], m["content"].strip())
        for m in messages
        if m["role"] in ("user", "assistant") and m.get("content")
    ]
    assert shown == [*said[-2 * EXCHANGES_KEPT :], ("user", turn.text)]
    asked_at = max(i for i, m in enumerate(messages) if m["role"] == "user")
    passages = messages[asked_at - 1]
    assert passages["role"] == "system"
    if turn.filename is not None:
        assert f"({turn.filename})" in passages["content"]
    after = messages[asked_at + 1 :]
    if after:
        assert turn.call is not None
        assert [m["role"] for m in after] == ["assistant", "tool"]
        assert "on the road" in after[-1]["content"]


async def ask_for_person(stack: Stack, caller: Caller, vendors: Vendors, script: Script) -> None:
    """The tenth turn: the operators' client sees that a person is asked for, and why."""
    inherited = await asyncio.to_thread(stack.environment_of, "-m orchestrator")
    key = {"X-API-Key": inherited["OPERATOR_KEYS"].split(",")[0]}
    path = "/api/operations/handovers"
    async with httpx.AsyncClient(base_url=stack.url, headers=key, timeout=30) as operator:
        before = (await operator.get(path)).json()["cursor"]
        news = asyncio.create_task(operator.get(path, params={"cursor": before, "wait": 25}))
        vendors.calls[script.person] = HAND_OVER
        await caller.type(script.person)
        await until_said(caller, phrases(script.language).handing_over)
        found: list[dict[str, Any]] = (await news).json()["handovers"]
    (request,) = [each for each in found if each["sessionId"] == caller.session_id]
    assert (request["state"], request["assistant"]) == ("waiting", script.name)
    assert (request["reason"], request["summary"]) == ("asked for", "about lamps")
    assert len(vendors.asked_about(script.person)) == 1
    (agent,) = [
        each
        for each in caller.room.remote_participants.values()
        if each.identity == caller.agent_identity
    ]
    await caller.until(
        lambda: agent.attributes.get("majlis.handover") == "waiting", within_s=30, what="attribute"
    )


async def check_transcript(stack: Stack, caller: Caller, script: Script) -> None:
    """The session's record has all of it, with its sources."""
    expected = [script.greeting]
    for turn in script.turns:
        expected += [turn.text, turn.answer]
    expected += [script.person, phrases(script.language).handing_over]

    def record() -> list[dict[str, Any]] | None:
        answer = stack.http.get(f"/api/session/{caller.session_id}").json()
        turns: list[dict[str, Any]] = answer["transcript"]
        return turns if len(turns) >= len(expected) else None

    kept = await caller.until(record, within_s=30, what="transcript")
    assert [turn["text"] for turn in kept] == expected
    answers = kept[2 : 2 * len(script.turns) + 1 : 2]
    assert [turn["sources"][0]["filename"] if turn["sources"] else None for turn in answers] == [
        turn.filename for turn in script.turns
    ]
