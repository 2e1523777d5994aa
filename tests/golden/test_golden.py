"""The dialects hold every golden conversation word for word, and nothing is left out of them."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

from orchestrator.gateway.dialect import Activity, Door, ErrorCode, Failed, Received
from orchestrator.gateway.dialects import conversation, doors, orchestrate
from tests.golden.transcript import FRAMES, Replay, transcripts

TRANSCRIPTS = list(transcripts())
BY_DOOR = {door.path: [path for other, path in TRANSCRIPTS if other is door] for door in doors()}
STATES = {
    conversation.DOOR.path: set(conversation.State),
    orchestrate.DOOR.path: set(orchestrate.State),
}
CLIENT_MESSAGES = {
    conversation.DOOR.path: {"audio_end", "text"},
    orchestrate.DOOR.path: {
        *("start_session", "audio_chunk", "playback_done", "interrupt", "state_sync_request"),
        *("end_session", "text"),
    },
}
SERVER_MESSAGES = {
    conversation.DOOR.path: {
        *("ready", "transcript", "rag_response", "audio_chunk_tts", "state_update", "error"),
        "complete",
    },
    orchestrate.DOOR.path: {
        *("session_ready", "state_update", "agent_response", "audio_chunk", "playback_control"),
        *("transcript", "error"),
    },
}
WRONG: tuple[object, ...] = (None, True, -1, 10**400, "", "=", "é", [], {}, [[]])
EACH_DOOR = pytest.mark.parametrize("door", doors(), ids=lambda door: door.path)


def replayed(door: Door, path: Path) -> Replay:
    return Replay.of(door).run(path.read_text())


@cache
def all_of(door: Door) -> tuple[Replay, ...]:
    return tuple(replayed(door, path) for path in BY_DOOR[door.path])


def sent(door: Door, kind: str) -> list[dict[str, object]]:
    return [m for replay in all_of(door) for m in replay.sent if m["type"] == kind]


@pytest.mark.parametrize(
    ("door", "path"),
    TRANSCRIPTS,
    ids=[path.parent.name + "/" + path.stem for _, path in TRANSCRIPTS],
)
def test_word_for_word(door: Door, path: Path) -> None:
    """Catches any change of what a client sees, meant or not."""
    assert replayed(door, path).text == path.read_text()


@EACH_DOOR
def test_every_state_and_error_is_shown(door: Door) -> None:
    """Catches a state or an error code that no conversation covers."""
    assert {m["state"] for m in sent(door, "state_update")} == STATES[door.path]
    told = {m["error_code"] for m in sent(door, "error")}
    assert told == {code.value for code in ErrorCode}


@EACH_DOOR
def test_every_message_is_shown(door: Door) -> None:
    """Catches a message, of either side, that no conversation covers; and one nobody documented."""
    kinds = {m["type"] for replay in all_of(door) for m in replay.sent}
    assert kinds == SERVER_MESSAGES[door.path]
    assert {kind for _, kind in client_messages(door)} >= CLIENT_MESSAGES[door.path]


@EACH_DOOR
def test_audio_is_shown_in_every_state(door: Door) -> None:
    """Catches a state in which nobody knows what becomes of the user's audio."""
    audio = {"audio_chunk", "frame"}
    assert {state for state, kind in client_messages(door) if kind in audio} == set(Activity)


def test_interrupts_are_shown_in_every_state() -> None:
    """Catches a state in which nobody knows what an interrupt does."""
    found = {state for state, kind in client_messages(orchestrate.DOOR) if kind == "interrupt"}
    assert found == set(Activity)


def test_previous_state_is_the_one_before() -> None:
    """Catches a client whose state machine is told of a step that was never taken."""
    for replay in all_of(conversation.DOOR):
        updates = [m for m in replay.sent if m["type"] == "state_update"]
        before = ["idle", *(m["state"] for m in updates)]
        assert [m["previous_state"] for m in updates] == before[:-1]


def test_nothing_is_heard_after_a_stop() -> None:
    """Catches audio of an interrupted answer that comes after `stop`, or a state before it."""
    for replay in all_of(orchestrate.DOOR):
        for at, message in enumerate(replay.sent):
            if message["type"] == "state_update" and message["state"] == "interrupt":
                assert replay.sent[at - 1]["type"] == "playback_control"
                assert replay.sent[at + 1] == {"type": "state_update", "state": "listening"}


@EACH_DOOR
@pytest.mark.parametrize("state", list(Activity))
def test_nothing_that_a_client_sends_raises(door: Door, state: Activity) -> None:
    """Catches a traceback in place of the documented error, in any state."""
    for data in garbage():
        replay = in_state(door, state)
        replay.dialect.on(Received(data), replay.at)


@EACH_DOOR
@pytest.mark.parametrize("code", list(ErrorCode))
@pytest.mark.parametrize("state", list(Activity))
def test_an_error_that_ends_the_connection_is_told_in_every_state(
    door: Door, state: Activity, code: ErrorCode
) -> None:
    """Catches a connection that is closed without the client's being told why."""
    replay = in_state(door, state)
    effects = replay.dialect.on(Failed(code, "why", fatal=True), replay.at)
    messages = [effect.message for effect in effects if hasattr(effect, "message")]
    assert [(m["type"], m["error_code"], m["detail"]) for m in messages] == [("error", code, "why")]


def client_messages(door: Door) -> Iterable[tuple[str, str]]:
    """Each message of a client, with the activity in which it came."""
    for replay in all_of(door):
        for state, event in replay.given:
            if isinstance(event, Received):
                yield state, kind_of(event.data)


def kind_of(data: str | bytes) -> str:
    if isinstance(data, bytes):
        return "frame"
    try:
        return str(json.loads(data)["type"])
    except (ValueError, TypeError, KeyError):
        return "nonsense"


def in_state(door: Door, state: Activity) -> Replay:
    """A dialect that is in this state, by way of the transcripts."""
    return Replay.of(door).run(way_to(door, state))


@cache
def way_to(door: Door, state: Activity) -> str:
    for path in BY_DOOR[door.path]:
        lines: list[str] = []
        for line in path.read_text().splitlines():
            lines.append(line)
            replay = Replay.of(door).run("\n".join(lines))
            if replay.sent and replay.dialect.activity is state:
                return "\n".join(lines)
    raise AssertionError(f"no transcript reaches {state}")


def garbage() -> list[str | bytes]:
    deep = "[" * 100_000
    return [
        *FRAMES.values(),
        *(bytes([value]) * 7 for value in (0, 1, 255)),
        *("", " ", "null", "true", "0", '""', "[]", "{}", "{", '{"type"', "\x00", "\ud800", deep),
        *('{"type": null}', '{"type": []}', '{"type": {}}', '{"type": 1e999}'),
        '{"a": ' * 50_000,
        json.dumps({"type": "text", "text": "\ud800\udfff" + "x" * 10_000}),
        *(
            json.dumps({"type": kind, field: value})
            for kind in ("text", "audio_chunk", "interrupt", "playback_done", "audio_end")
            for field in ("text", "data", "played_ms", "timestamp")
            for value in WRONG
        ),
    ]
