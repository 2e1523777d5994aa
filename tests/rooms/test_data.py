"""Data, streams, RPC and attributes between real clients, on any LiveKit."""

import asyncio
import os
from pathlib import Path
from typing import Literal

import pytest
from livekit import rtc

from tests.rooms.client import Crowd

pytestmark = pytest.mark.rooms


@pytest.mark.parametrize("reliable", [True, False], ids=["reliable", "lossy"])
async def test_data_arrives_from_whom_it_is(crowd: Crowd, reliable: bool) -> None:
    """Catches packets lost before a channel is open, echoed, or without their sender."""
    ann, bob = await crowd.join("ann"), await crowd.join("bob")
    if not reliable:
        # Lossy packets may be lost until both channels are up; reliable ones show that they are.
        await ann.local.publish_data(b"up?", reliable=True)
        await bob.next("data_received")
    await ann.local.publish_data(b"hello", reliable=reliable, topic="greetings")
    (packet,) = await bob.next("data_received")
    assert (packet.data, packet.topic) == (b"hello", "greetings")
    assert packet.participant is not None
    assert packet.participant.identity == "ann"
    assert ann.count("data_received") == 0


async def test_data_reaches_only_those_it_is_for(crowd: Crowd) -> None:
    """Catches private packets that others see."""
    ann, bob, eve = [await crowd.join(name) for name in ("ann", "bob", "eve")]
    await ann.local.publish_data(b"secret", destination_identities=["bob"])
    await ann.local.publish_data(b"public")
    (first,) = await bob.next("data_received")
    (only,) = await eve.next("data_received")
    assert (first.data, only.data) == (b"secret", b"public")


async def test_order_and_completeness_of_a_thousand_packets(crowd: Crowd) -> None:
    """Catches reliable data that is dropped or reordered under load."""
    ann, bob = await crowd.join("ann"), await crowd.join("bob")
    for number in range(1000):
        await ann.local.publish_data(str(number).encode())
    got = [(await bob.next("data_received"))[0].data for _ in range(1000)]
    assert got == [str(number).encode() for number in range(1000)]


@pytest.mark.parametrize(("kind", "seen"), [("agent", "ann"), ("standard", "bob")])
async def test_agents_alone_speak_for_others(
    crowd: Crowd, kind: Literal["agent", "standard"], seen: str
) -> None:
    """Catches transcripts of a user that seem to come from the agent, and forged senders."""
    ann, bob = await crowd.join("ann"), await crowd.join("bob", kind=kind)
    senders: asyncio.Queue[str] = asyncio.Queue()
    ann.room.register_text_stream_handler("heard", lambda _, sender: senders.put_nowait(sender))
    writer = await bob.local.stream_text(topic="heard", sender_identity="ann")
    await writer.write("hello")
    await writer.aclose()
    assert await asyncio.wait_for(senders.get(), 20) == seen


async def test_text_byte_and_file_streams(crowd: Crowd, tmp_path: Path) -> None:
    """Catches streams whose chunks are lost, or changed, on the way."""
    ann, bob = await crowd.join("ann"), await crowd.join("bob")
    done: asyncio.Queue[bytes | str] = asyncio.Queue()
    tasks: list[asyncio.Task[None]] = []

    async def read_text(reader: rtc.TextStreamReader) -> None:
        await done.put(await reader.read_all())

    async def read_bytes(reader: rtc.ByteStreamReader) -> None:
        await done.put(b"".join([chunk async for chunk in reader]))

    bob.room.register_text_stream_handler(
        "words", lambda reader, _: tasks.append(asyncio.create_task(read_text(reader)))
    )
    bob.room.register_byte_stream_handler(
        "files", lambda reader, _: tasks.append(asyncio.create_task(read_bytes(reader)))
    )
    text = "سلام hello " * 10_000
    await ann.local.send_text(text, topic="words")
    assert await asyncio.wait_for(done.get(), 20) == text
    blob = os.urandom(300_000)
    writer = await ann.local.stream_bytes("blob.bin", topic="files", total_size=len(blob))
    await writer.write(blob)
    await writer.aclose()
    assert await asyncio.wait_for(done.get(), 20) == blob
    path = tmp_path / "file.bin"
    path.write_bytes(blob)
    await ann.local.send_file(str(path), topic="files")
    assert await asyncio.wait_for(done.get(), 20) == blob


async def test_rpc(crowd: Crowd) -> None:
    """Catches calls that do not reach one participant, and answers or errors that get lost."""
    ann, bob = await crowd.join("ann"), await crowd.join("bob")

    async def shout(call: rtc.RpcInvocationData) -> str:
        if not call.payload:
            raise rtc.RpcError(1500, "nothing to shout")
        return f"{call.caller_identity}: {call.payload.upper()}"

    bob.local.register_rpc_method("shout", shout)
    answer = await ann.local.perform_rpc(
        destination_identity="bob", method="shout", payload="hey", response_timeout=5
    )
    assert answer == "ann: HEY"
    with pytest.raises(rtc.RpcError, match="nothing to shout"):
        await ann.local.perform_rpc(
            destination_identity="bob", method="shout", payload="", response_timeout=5
        )


async def test_transcription_segments(crowd: Crowd) -> None:
    """Catches transcription packets that are not passed on."""
    ann, bob = await crowd.join("ann", kind="agent"), await crowd.join("bob")
    publication = await ann.play(440)
    await bob.hear()
    segments: asyncio.Queue[list[rtc.TranscriptionSegment]] = asyncio.Queue()
    bob.room.on("transcription_received", lambda got, *_: segments.put_nowait(got))
    segment = rtc.TranscriptionSegment("s1", "hello", 0, 0, "en", True)
    await ann.local.publish_transcription(rtc.Transcription("ann", publication.sid, [segment]))
    assert [s.text for s in await asyncio.wait_for(segments.get(), 20)] == ["hello"]


async def test_attributes_metadata_and_name(crowd: Crowd) -> None:
    """Catches own changes that time out, are not told, or an attribute that cannot be removed."""
    ann = await crowd.join("ann", can_update_own_metadata=True)
    bob = await crowd.join("bob")
    await asyncio.wait_for(ann.local.set_attributes({"mood": "good", "role": "host"}), 20)
    await bob.next("participant_attributes_changed", lambda changed, _: "mood" in changed)
    await asyncio.wait_for(ann.local.set_attributes({"mood": ""}), 20)
    await bob.next("participant_attributes_changed", lambda changed, _: changed == {"mood": ""})
    assert bob.room.remote_participants["ann"].attributes == {"role": "host"}
    await asyncio.wait_for(ann.local.set_metadata("about me"), 20)
    *_, metadata = await bob.next("participant_metadata_changed")
    assert metadata == "about me"
    await asyncio.wait_for(ann.local.set_name("Ann"), 20)
    *_, name = await bob.next("participant_name_changed")
    assert name == "Ann"
    late = await crowd.join("late")
    assert late.room.remote_participants["ann"].attributes == {"role": "host"}
    assert late.room.remote_participants["ann"].metadata == "about me"


async def test_who_may_not_update_itself_is_told_so(dual_crowd: Crowd) -> None:
    """Catches a `canUpdateOwnMetadata` grant that is not enforced, or a refusal left unsaid.

    The SDK does not raise; unanswered, it waits for 5 s.
    """
    ann = await dual_crowd.join("ann", can_update_own_metadata=False)
    await asyncio.wait_for(ann.local.set_attributes({"mood": "good"}), 20)
    bob = await dual_crowd.join("bob")
    assert bob.room.remote_participants["ann"].attributes == {}


async def test_who_may_not_send_data_sends_none(dual_crowd: Crowd) -> None:
    """Catches a `canPublishData` grant that is not enforced."""
    mute = await dual_crowd.join("mute", can_publish_data=False)
    ann, bob = await dual_crowd.join("ann"), await dual_crowd.join("bob")
    await mute.local.publish_data(b"not allowed")
    await asyncio.sleep(0.2)
    await ann.local.publish_data(b"allowed")
    (packet,) = await bob.next("data_received")
    assert packet.data == b"allowed"
