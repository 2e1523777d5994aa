"""A person speaks in a room and the assistant answers from the documents."""

import re
from pathlib import Path

import httpx
import jiwer
import pytest
from livekit import api
from redis import Redis

from tests.clients.caller import RATE_HZ, Caller, read_wav
from tests.clients.stack import Stack

AUDIO = Path(__file__).resolve().parents[1] / "audio"
GREETING_S = (0.8, 8.0)

AUSTEN_0870 = (
    "and mister john dashwood had then leisure to consider how much there might be prudently in "
    "his power to do for them"
)
AUSTEN_0880 = "he was not an ill disposed young man"
GO_FORWARD = "go forward ten meters"


def word_error_rate(spoken: str, heard: str) -> float:
    """Share of the words that were got wrong, added or left out; case and marks do not count."""
    plain = re.sub(r"[^a-z' ]", " ", heard.lower().replace("mr.", "mister").replace("-", " "))
    return float(jiwer.wer(spoken, " ".join(plain.split()) or "nothing"))


async def heard_from(stack: Stack, clip: str, collection: str) -> Caller:
    """Say one clip in a session of its own; the caller, still in the room, when it is answered."""
    caller = await Caller.start(
        stack.url, userName="Jane", openingLine="Hello.", knowledgeBase=collection
    ).__aenter__()
    await caller.until_quiet()
    caller.say(read_wav(AUDIO / f"{clip}.wav"))
    heard, speaker = caller.heard, caller.room.local_participant.identity
    await caller.until(lambda: heard.sources, within_s=30, what="sources")
    await caller.until(lambda: heard.said_by(speaker), within_s=30, what="the transcript")
    await caller.until(
        lambda: heard.audible(heard.sources_at[0]), within_s=30, what="the answer is heard"
    )
    return caller


@pytest.mark.parametrize(
    ("clip", "words", "most"),
    [
        ("austen-0870", AUSTEN_0870, 0.40),
        ("austen-0880", AUSTEN_0880, 0.40),
        ("go-forward", GO_FORWARD, 0.25),
    ],
)
async def test_a_person_is_understood(stack: Stack, clip: str, words: str, most: float) -> None:
    """Catches a recogniser, resampler, codec or turn detector that loses what people say."""
    caller = await heard_from(stack, clip, "default")
    try:
        understood = caller.heard.said_by(caller.room.local_participant.identity)
        rate = word_error_rate(words, understood)
        print(f"{clip}: word error rate {rate:.2f}: {understood!r}")
        assert rate <= most, understood
    finally:
        await caller.end()
        await caller.leave()


async def test_greeting_answer_source_and_end(stack: Stack) -> None:
    """Catches a break anywhere on the way from the microphone to the cited passage and the end."""
    caller = await Caller.start(
        stack.url,
        userName="Jane",
        openingLine="Hello Jane. What would you like to know?",
        knowledgeBase="library",
    ).__aenter__()
    heard = caller.heard
    await caller.until_quiet()
    assert GREETING_S[0] < heard.audible_s() < GREETING_S[1]
    assert heard.said_by(caller.agent_identity).startswith("Hello Jane.")

    spoken = read_wav(AUDIO / "austen-0870.wav")
    caller.say(spoken)
    await caller.until(lambda: heard.sources, within_s=len(spoken) / RATE_HZ + 20, what="sources")
    first = heard.sources[0][0]
    assert first["filename"] == "austen.md"
    assert first["chunk_index"] >= 0
    assert 0 < first["similarity_score"] <= 1
    assert "Dashwood" in first["preview"]
    await caller.until(
        lambda: heard.audible(heard.sources_at[0]), within_s=30, what="the answer is heard"
    )
    assert heard.audible(heard.sources_at[0])[0] > heard.sources_at[0]
    await caller.until(
        lambda: heard.audible_s(heard.sources_at[0]) > 1.5, within_s=30, what="all of the answer"
    )
    assert {"listening", "thinking", "speaking"} <= set(heard.states)
    assert stack.status(caller.session_id) == "active"

    agent = stack.agent_of(caller.session_id)
    assert agent is not None
    answer = await caller.end()
    assert answer.status_code == 200
    assert answer.json()["success"] is True
    assert stack.agent_of(caller.session_id) is None
    await caller.until(heard.disconnected.is_set, within_s=20, what="thrown out of the room")
    await assert_nothing_is_left(stack, caller.session_id)
    state = stack.http.get(f"/api/session/{caller.session_id}").json()
    assert (state["status"], state["endReason"]) == ("ended", "requested")
    assert state["agentJoinedAt"]
    assert state["endedAt"]
    await caller.leave()


async def assert_nothing_is_left(stack: Stack, session_id: str) -> None:
    """The room is gone, and Redis holds the session's record only."""
    inherited = stack.environment_of("-m orchestrator")
    async with api.LiveKitAPI(
        inherited["LIVEKIT_URL"].replace("ws", "http", 1),
        inherited["LIVEKIT_API_KEY"],
        inherited["LIVEKIT_API_SECRET"],
    ) as livekit:
        rooms = await livekit.room.list_rooms(api.ListRoomsRequest(names=[session_id]))
    assert not rooms.rooms
    with Redis.from_url(inherited["REDIS_URL"], decode_responses=True) as redis:
        keys = [key for key in redis.scan_iter() if session_id in key]
        members = [
            key
            for key in redis.scan_iter()
            if redis.type(key) == "zset" and redis.zscore(key, session_id) is not None
        ]
    assert len(keys) <= 2, keys  # the record, and what was said
    assert all("record" in key or "transcript" in key or "session:" in key for key in keys), keys
    assert not members


async def test_typing_works_as_speech_does(stack: Stack) -> None:
    """Catches typed input that is not answered aloud, or answered without its source."""
    async with Caller.start(stack.url) as caller:
        await caller.until_quiet()
        asked_at = caller.heard.audible()[-1]
        await caller.type("How long do I have to return something?")
        await caller.until(lambda: caller.heard.sources, within_s=30, what="sources")
        assert "return" in caller.heard.sources[0][0]["filename"]
        await caller.until(lambda: caller.heard.audible(asked_at + 0.1), within_s=30, what="answer")
        await caller.end()


async def test_arabic_is_answered_in_arabic(stack: Stack) -> None:
    """Catches an Arabic session that is greeted, answered or transcribed in another language."""
    async with Caller.start(stack.url, language="ar-EG") as caller:
        await caller.until_quiet()
        await caller.type("ما هي مدة إرجاع المنتجات؟")
        await caller.until(lambda: caller.heard.sources, within_s=30, what="sources")
        assert caller.heard.sources[0][0]["filename"].startswith("ar/")
        await caller.until_quiet()
        spoken = caller.heard.said_by(caller.agent_identity)
        arabic = len(re.findall(r"[\u0600-\u06ff]", spoken))
        assert arabic > 0.8 * len(re.findall(r"\w", spoken)), spoken
        await caller.end()


async def test_speaking_interrupts_the_agent(stack: Stack) -> None:
    """Catches an agent that talks on while the user speaks."""
    line = "This is a long opening line that goes on and on. " * 12
    async with Caller.start(stack.url, openingLine=line) as caller:
        await caller.until(lambda: caller.heard.audible_s() > 2, within_s=30, what="it speaks")
        spoken = read_wav(AUDIO / "austen-0870.wav")
        caller.say(spoken)
        await caller.until_quiet(quiet_s=0.8, within_s=30)
        assert caller.heard.audible_s() < 12
        await caller.end()


def test_the_process_names_its_session_and_no_secret(stack: Stack) -> None:
    """Catches an agent that `ps` cannot tell from another, and a secret in an argument."""
    session = stack.http.post("/api/session/start", json={}).json()["sessionId"]
    stack.await_status(session, "ready")
    agent = stack.agent_of(session)
    assert agent is not None
    inherited = stack.environment_of("-m orchestrator")
    secrets = [inherited["LIVEKIT_API_SECRET"], inherited["REDIS_URL"].split(":")[2].split("@")[0]]
    for process in stack.processes():
        assert not any(secret in process.command for secret in secrets), process
    stack.http.post("/api/session/end", json={"sessionId": session})


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"not json", 400, None),
        (b"[]", 422, None),
        (b'{"userName": 5}', 422, None),
        (b'{"openingLine": "' + b"a" * 5000 + b'"}', 422, None),
        (b'{"userName": "a\\u0000b"}', 422, None),
        (b'{"metadata": {"a": "' + b"b" * 50_000 + b'"}}', 422, None),
        (b'{"userName": "' + b"a" * 10_000_000 + b'"}', 413, None),
        (b'{"language": "no language"}', 422, None),
    ],
    ids=["text", "list", "type", "long line", "control", "metadata", "10 MB", "language"],
)
def test_bad_requests_are_answered_clearly(
    stack: Stack, content: bytes, status: int, code: str | None
) -> None:
    """Catches a bad request that is taken, or answered by anything but the documented error."""
    answer = httpx.post(
        f"{stack.url}/api/session/start",
        content=content,
        headers={"content-type": "application/json"},
        timeout=15,
    )
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["success"] is False
    assert body["error"]["code"]
    assert body["error"]["message"]
    assert stack.http.get("/health").status_code == 200


def test_an_unknown_voice_falls_back_with_a_warning(stack: Stack) -> None:
    """Catches a voice that is refused, or replaced without a word."""
    unknown, known = (
        stack.http.post("/api/session/start", json={"voiceId": voice}).json()
        for voice in ("Nobody", "Ashley")
    )
    for answer in (unknown, known):
        assert answer["success"] is True
        stack.http.post("/api/session/end", json={"sessionId": answer["sessionId"]})
    assert "voice" in unknown["warning"]
    assert "warning" not in known


@pytest.mark.parametrize(
    "session_id", ["nonsense", "session_1_x", "session_1730462400000_abc123xyz"]
)
def test_a_session_that_is_none_is_not_found(stack: Stack, session_id: str) -> None:
    """Catches an id of the wrong form that is answered otherwise than an unknown one."""
    assert stack.http.get(f"/api/session/{session_id}").status_code == 404
    answer = stack.http.post("/api/session/end", json={"sessionId": session_id})
    assert answer.status_code == 404
