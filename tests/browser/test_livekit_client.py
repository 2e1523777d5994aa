"""LiveKit's browser client in Chromium, against devroom, with the Python SDK on the other side.

Each test runs with one peer connection both ways and with one each way, but for those that do not
depend on it.
"""

import asyncio
import json

import pytest
import pytest_asyncio
from livekit import api, rtc
from playwright.async_api import Browser

from tests.browser.conftest import MICROPHONE_HZ
from tests.browser.guest import Guest, eventually
from tests.rooms.client import Crowd, Member, heard_frequency_hz, token
from tests.rooms.server import DevroomProcess

pytestmark = pytest.mark.asyncio(loop_scope="session")

PEER_HZ = 660
SECOND_HZ = 880
REUSES = 8
SPARE_SECTIONS = 6
RESTART_S = 40.0


@pytest_asyncio.fixture(loop_scope="session")
async def guest(browser: Browser, blank_page: str, crowd: Crowd, single: bool) -> Guest:
    guest = await Guest.open(browser, blank_page)
    await guest.join(crowd, "guest", single=single)
    return guest


async def heard(member: Member, sid: str) -> float:
    return await heard_frequency_hz(await member.hear(sid))


async def test_microphone_and_other_side_are_heard(guest: Guest, crowd: Crowd) -> None:
    """Catches media that flows one way only, or arrives as something else."""
    peer = await crowd.join("peer")
    sid = await guest.run("probe.microphone")
    assert await heard(peer, sid) == pytest.approx(MICROPHONE_HZ, abs=4)
    publication = await peer.play(PEER_HZ)
    assert await guest.frequency_hz(publication.sid) == pytest.approx(PEER_HZ, abs=8)


async def test_who_comes_late_is_heard_and_hears(guest: Guest, crowd: Crowd) -> None:
    """Catches tracks that only those present at the time of publishing get."""
    sid = await guest.run("probe.microphone")
    peer = await crowd.join("late")
    assert await heard(peer, sid) == pytest.approx(MICROPHONE_HZ, abs=4)


async def test_second_track_is_another_track(guest: Guest, crowd: Crowd) -> None:
    """Catches a second track that replaces, mixes with or is taken for the first."""
    peer = await crowd.join("peer")
    microphone = await guest.run("probe.microphone")
    second = await guest.run("probe.playTone", SECOND_HZ, "second")
    assert await heard(peer, microphone) == pytest.approx(MICROPHONE_HZ, abs=4)
    assert await heard(peer, second) == pytest.approx(SECOND_HZ, abs=4)

    voice = await peer.play(PEER_HZ)
    music = await peer.play(SECOND_HZ, rtc.TrackSource.SOURCE_UNKNOWN)
    assert await guest.frequency_hz(voice.sid) == pytest.approx(PEER_HZ, abs=8)
    assert await guest.frequency_hz(music.sid) == pytest.approx(SECOND_HZ, abs=8)


async def test_publishing_again_and_again(guest: Guest, crowd: Crowd, single: bool) -> None:
    """Catches m-lines that go wrong when they are used again, for either side's tracks."""
    peer = await crowd.join("peer")
    for round_ in range(REUSES):
        own_hz, peer_hz = 400 + 50 * round_, 425 + 50 * round_
        sid = await guest.run("probe.playTone", own_hz, "tone")
        assert await heard(peer, sid) == pytest.approx(own_hz, abs=4)
        await guest.run("probe.stopTone", "tone")
        await peer.next("track_unpublished", lambda pub, _, sid=sid: pub.sid == sid)

        publication = await peer.play(peer_hz)
        assert await guest.frequency_hz(publication.sid) == pytest.approx(peer_hz, abs=8)
        await peer.local.unpublish_track(publication.sid)
        await guest.until(
            f"probe.events.filter((name) => name === 'TrackUnsubscribed').length > {round_}",
            "the track is gone",
        )
    if single:
        # LiveKit's client takes a new section for each track it publishes, besides the one for
        # data and the spare ones; the other side's tracks must fit into the spare ones.
        lines = await guest.run("probe.mLines")
        assert lines["publisher"] <= 1 + SPARE_SECTIONS + REUSES, lines


async def test_muting_silences_and_unmuting_is_heard(guest: Guest, crowd: Crowd) -> None:
    """Catches a mute that the other side is not told of, or that cannot be taken back."""
    peer = await crowd.join("peer")
    sid = await guest.run("probe.microphone")
    track = await peer.hear(sid)
    await guest.run("() => probe.room.localParticipant.setMicrophoneEnabled(false)")
    await peer.next("track_muted", lambda _, pub: pub.sid == sid)
    await guest.run("() => probe.room.localParticipant.setMicrophoneEnabled(true)")
    await peer.next("track_unmuted", lambda _, pub: pub.sid == sid)
    assert await heard_frequency_hz(track) == pytest.approx(MICROPHONE_HZ, abs=4)


async def test_data_both_ways(guest: Guest, crowd: Crowd) -> None:
    """Catches data that is lost, echoed, sent to the wrong one, or under a wrong name."""
    peer, other = await crowd.join("peer"), await crowd.join("other")
    for reliable in (True, False):
        await guest.run(
            """(reliable) => probe.room.localParticipant.publishData(
                new TextEncoder().encode('from the browser'),
                { reliable, topic: 'test', destinationIdentities: ['peer'] })""",
            reliable,
        )
        (packet,) = await peer.next("data_received")
        assert (packet.data, packet.topic) == (b"from the browser", "test")
        assert packet.participant is not None
        assert packet.participant.identity == "guest"

        await peer.local.publish_data(
            "إلى المتصفح", reliable=reliable, topic="test", destination_identities=["guest"]
        )
        await guest.until("probe.data.length > 0", "data")
        (message,) = await guest.run("() => probe.data.splice(0)")
        assert (message["text"], message["from"]) == ("إلى المتصفح", "peer")
    assert other.count("data_received") == 0
    assert peer.count("data_received") == 0


@pytest.mark.parametrize("text", ["hello", "سؤال " * 20_000], ids=["short", "200 kB"])
async def test_text_streams_both_ways(guest: Guest, crowd: Crowd, text: str) -> None:
    """Catches streams that lose chunks, their order, their attributes or their sender."""
    peer = await crowd.join("peer")
    received: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    readers = []

    async def read(reader: rtc.TextStreamReader, sender: str) -> None:
        received.put_nowait((sender, await reader.read_all()))

    peer.room.register_text_stream_handler(
        "test", lambda reader, sender: readers.append(asyncio.create_task(read(reader, sender)))
    )
    await guest.run("(text) => probe.room.localParticipant.sendText(text, { topic: 'test' })", text)
    assert await asyncio.wait_for(received.get(), 10) == ("guest", text)

    await peer.local.send_text(text, topic="test", attributes={"lk.segment_id": "one"})
    await guest.until("probe.texts.some(({ done }) => done)", "the stream is complete")
    (stream,) = await guest.run("() => probe.texts")
    assert (stream["from"], stream["text"]) == ("peer", text)
    assert stream["attributes"]["lk.segment_id"] == "one"


async def test_agent_sends_in_the_name_of_the_one_it_transcribes(
    guest: Guest, crowd: Crowd
) -> None:
    """Catches captions of the user's words that look as if the agent had said them."""
    jwt = (
        api.AccessToken(crowd.server.api_key, crowd.server.api_secret)
        .with_identity("agent")
        .with_kind("agent")
        .with_grants(crowd.grants(agent=True, can_update_own_metadata=True))
        .to_jwt()
    )
    agent = await crowd.join_with(jwt)
    impostor = await crowd.join("impostor")
    for member in (agent, impostor):
        writer = await member.local.stream_text(topic="test", sender_identity="guest")
        await writer.write("what the user said")
        await writer.aclose(attributes={"lk.transcription_final": "true"})
    await guest.until("probe.texts.filter(({ done }) => done).length === 2", "both streams")
    streams = await guest.run("() => probe.texts")
    assert sorted(stream["from"] for stream in streams) == ["guest", "impostor"]
    assert streams[0]["attributes"]["lk.transcription_final"] == "true"


async def test_calls_both_ways(guest: Guest, crowd: Crowd) -> None:
    """Catches remote calls whose answer, caller or error does not come back."""
    peer = await crowd.join("peer")

    async def whisper(call: rtc.RpcInvocationData) -> str:
        return f"{call.caller_identity}: {call.payload.lower()}"

    peer.local.register_rpc_method("whisper", whisper)
    answer = await guest.run(
        """() => probe.room.localParticipant.performRpc(
            { destinationIdentity: 'peer', method: 'whisper', payload: 'HELLO' })"""
    )
    assert answer == "guest: hello"
    shouted = await peer.local.perform_rpc(
        destination_identity="guest", method="shout", payload="hello"
    )
    assert shouted == "peer: HELLO"
    with pytest.raises(rtc.RpcError) as refused:
        await peer.local.perform_rpc(destination_identity="guest", method="shout", payload="")
    assert (refused.value.code, refused.value.message) == (1042, "nothing to shout")


async def test_attributes_both_ways(guest: Guest, crowd: Crowd) -> None:
    """Catches an agent's state that the page is not told, at once or when it comes late."""
    peer = await crowd.join("peer", can_update_own_metadata=True)
    await peer.local.set_attributes({"lk.agent.state": "listening"})
    seen = "probe.room.remoteParticipants.get('peer')?.attributes['lk.agent.state']"
    await guest.until(f"{seen} === 'listening'", "the attribute")
    await peer.local.set_attributes({"lk.agent.state": "speaking"})
    await guest.until(f"{seen} === 'speaking'", "the changed attribute")
    refused = await guest.run(
        """() => probe.room.localParticipant.setAttributes({ mine: '1' }).then(
            () => 'allowed', (error) => error.message)"""
    )
    assert refused != "allowed", "the grant canUpdateOwnMetadata is not checked"


async def test_dropped_signalling_is_resumed(guest: Guest, crowd: Crowd) -> None:
    """Catches a broken WebSocket that costs more than itself: tracks, names, data."""
    peer = await crowd.join("peer")
    voice = await peer.play(PEER_HZ)
    sid = await guest.run("probe.microphone")
    track = await peer.hear(sid)
    await guest.frequency_hz(voice.sid)
    await guest.run("() => probe.room.simulateScenario('signal-reconnect')")
    await guest.until("probe.events.includes('Reconnected')", "resumed")
    assert "Reconnecting" not in await guest.events(), "it began anew instead of resuming"
    assert await guest.frequency_hz(voice.sid) == pytest.approx(PEER_HZ, abs=8)
    assert await heard_frequency_hz(track) == pytest.approx(MICROPHONE_HZ, abs=4)
    assert peer.count("participant_disconnected") == 0
    await peer.local.publish_data("still there?")
    await guest.until("probe.data.length === 1", "data after the resumption")


async def test_full_reconnect_brings_everything_back(guest: Guest, crowd: Crowd) -> None:
    """Catches a client that cannot begin anew in the room that it was in."""
    peer = await crowd.join("peer")
    voice = await peer.play(PEER_HZ)
    sid = await guest.run("probe.microphone")
    await peer.hear(sid)
    await guest.run("() => probe.room.simulateScenario('full-reconnect')")
    await guest.until("probe.events.includes('Reconnected')", "reconnected")
    assert await guest.frequency_hz(voice.sid) == pytest.approx(PEER_HZ, abs=8)
    assert await heard_frequency_hz(await peer.hear()) == pytest.approx(MICROPHONE_HZ, abs=4)


async def test_same_identity_takes_the_place_over(
    browser: Browser, blank_page: str, guest: Guest, crowd: Crowd, single: bool
) -> None:
    """Catches a reloaded page that is refused, or that leaves its former self in the room."""
    peer = await crowd.join("peer")
    await guest.run("probe.microphone")
    await peer.hear()
    reloaded = await Guest.open(browser, blank_page)
    await reloaded.join(crowd, "guest", single=single)
    sid = await reloaded.run("probe.microphone")
    assert await heard(peer, sid) == pytest.approx(MICROPHONE_HZ, abs=4)
    await guest.until("probe.events.includes('Disconnected 2')", "told that it was replaced")
    assert list(peer.room.remote_participants) == ["guest"]


async def test_wrong_token_is_refused_for_good(
    browser: Browser, blank_page: str, crowd: Crowd
) -> None:
    """Catches a refusal that the client takes for a network that may come back."""
    guest = await Guest.open(browser, blank_page)
    jwt = token(crowd.server, "guest", crowd.grants(), secret="x" * 40)
    refusal = await guest.run(
        """(url, jwt) => probe.join(url, jwt, {}).then(
            () => 'joined', (error) => JSON.stringify([error.reason, error.status]))""",
        crowd.server.url,
        jwt,
    )
    assert json.loads(refusal) == [0, 401]


async def test_restarted_server_is_joined_again(
    devroom: DevroomProcess, guest: Guest, crowd: Crowd
) -> None:
    """Catches clients that stay out when the room server was killed and started again."""
    peer = await crowd.join("peer")
    voice = await peer.play(PEER_HZ)
    await guest.run("probe.microphone")
    await peer.hear()
    await guest.frequency_hz(voice.sid)
    devroom.kill()
    await guest.until(
        "probe.events.some((name) => name.endsWith('Reconnecting'))", "the break is noticed"
    )
    devroom.start()
    await guest.until("probe.events.includes('Reconnected')", "back in the room", RESTART_S)

    async def other_side() -> str | None:
        sid: str | None = await guest.run(
            """() => [...(probe.room.remoteParticipants.get('peer')?.trackPublications.keys()
                ?? [])][0]"""
        )
        return sid

    sid = await eventually(other_side, what="the other side is back", within_s=RESTART_S)
    assert await guest.frequency_hz(sid) == pytest.approx(PEER_HZ, abs=8)
    assert await heard_frequency_hz(await peer.hear()) == pytest.approx(MICROPHONE_HZ, abs=4)
