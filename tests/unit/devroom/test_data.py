"""Data packets: from whom they are, for whom they are, and how many may wait."""

import pytest
from livekit.protocol.models import DataPacket, DataStream, Transcription, UserPacket

from devroom import data, sdp
from devroom.errors import LimitError, MalformedError
from devroom.transport import LOSSY, RELIABLE
from tests.unit.devroom.parts import Transport


def parsed(packet: DataPacket, *, is_agent: bool = False) -> DataPacket | None:
    """The packet as others see it, sent by `me`."""
    return data.parse(packet.SerializeToString(), "me", "PA_me", is_agent=is_agent)


def stream_from(identity: str) -> DataPacket:
    """The beginning of a text stream in somebody's name."""
    header = DataStream.Header(stream_id="s", text_header=DataStream.TextHeader())
    return DataPacket(participant_identity=identity, stream_header=header)


def test_a_packet_is_from_who_sent_it() -> None:
    """Catches a forged sender, in either of its two places, and an order number that is lost."""
    forged = DataPacket(
        participant_identity="victim",
        participant_sid="PA_victim",
        sequence=9,
        user=UserPacket(
            payload=b"hi", participant_identity="victim", participant_sid="PA_victim", topic="t"
        ),
    )
    seen = parsed(forged)
    assert seen is not None
    assert (seen.participant_identity, seen.participant_sid) == ("me", "PA_me")
    assert (seen.user.participant_identity, seen.user.participant_sid) == ("me", "PA_me")
    assert (seen.user.payload, seen.user.topic, seen.sequence) == (b"hi", "t", 9)


def test_agents_alone_speak_for_others() -> None:
    """Catches a user's words that seem the agent's, and a user who speaks for another."""
    seen = parsed(stream_from("user"), is_agent=True)
    assert seen is not None
    assert seen.participant_identity == "user"
    assert seen.stream_header.text_header.generated
    seen = parsed(stream_from("user"))
    assert seen is not None
    assert seen.participant_identity == "me"
    assert not seen.stream_header.text_header.generated
    for own in ("", "me"):
        seen = parsed(stream_from(own), is_agent=True)
        assert seen is not None
        assert seen.participant_identity == "me"
        assert not seen.stream_header.text_header.generated


def test_only_agents_transcribe() -> None:
    """Catches words put into somebody's mouth."""
    words = DataPacket(transcription=Transcription(transcribed_participant_identity="user"))
    assert parsed(words) is None
    assert parsed(words, is_agent=True) is not None


@pytest.mark.parametrize("raw", [b"\xff" * 20, b"\0" * (sdp.MAX_MESSAGE_BYTES + 1)])
def test_what_is_no_packet_is_refused(raw: bytes) -> None:
    """Catches a packet that ends in a traceback, or has no bound."""
    with pytest.raises(MalformedError):
        data.parse(raw, "me", "PA_me", is_agent=False)


@pytest.mark.parametrize(
    ("packet", "receivers"),
    [
        (DataPacket(), {"a", "b"}),
        (DataPacket(destination_identities=["a"]), {"a"}),
        (DataPacket(user=UserPacket()), {"a", "b"}),
        (DataPacket(user=UserPacket(destination_identities=["b"])), {"b"}),
        (DataPacket(user=UserPacket(destination_sids=["PA_a"])), {"a"}),
        (DataPacket(destination_identities=["nobody"]), set()),
        (DataPacket(destination_identities=["a"], user=UserPacket(destination_sids=["PA_b"])),
         {"a", "b"}),
    ],
)  # fmt: skip
def test_whom_a_packet_is_for(packet: DataPacket, receivers: set[str]) -> None:
    """Catches a private packet that others see."""
    assert {who for who in ("a", "b") if data.is_for(packet, who, f"PA_{who}")} == receivers


class Channels(Transport):
    """A transport whose channels are open when they are said to be."""

    def __init__(self, *labels: str) -> None:
        super().__init__()
        self.open = set(labels)
        self.unread = 0
        self.messages: list[tuple[str, bytes]] = []

    def has_channel(self, label: str) -> bool:
        return label in self.open

    def buffered_bytes(self, label: str) -> int:
        return self.unread

    def send_data(self, label: str, message: bytes) -> None:
        assert label in self.open
        self.messages.append((label, message))


async def test_reliable_packets_wait_for_the_channel_and_lossy_ones_do_not() -> None:
    """Catches an RPC or a transcript lost while its receiver joins, or out of order."""
    transport = Channels()
    outbox = data.DataOutbox(transport, 100)
    outbox.send(b"1", reliable=True)
    outbox.send(b"lossy", reliable=False)
    outbox.send(b"2", reliable=True)
    outbox.channel_opened()
    assert transport.messages == []
    transport.open = {RELIABLE, LOSSY}
    outbox.channel_opened()
    outbox.send(b"3", reliable=True)
    outbox.send(b"lossy", reliable=False)
    assert transport.messages == [
        (RELIABLE, b"1"),
        (RELIABLE, b"2"),
        (RELIABLE, b"3"),
        (LOSSY, b"lossy"),
    ]


async def test_what_waits_has_a_bound() -> None:
    """Catches a participant that never opens its channel and makes the server hold everything."""
    transport = Channels()
    outbox = data.DataOutbox(transport, 10)
    for _ in range(3):
        outbox.send(b"1234", reliable=True)
    transport.open = {RELIABLE}
    outbox.channel_opened()
    assert len(transport.messages) == 2
    outbox.send(b"1234", reliable=True)
    assert len(transport.messages) == 3


async def test_who_does_not_read_is_given_up() -> None:
    """Catches a slow reader that makes the server hold everything, or loses data in silence."""
    transport = Channels(RELIABLE, LOSSY)
    outbox = data.DataOutbox(transport, 1000)
    transport.unread = 1000
    outbox.send(b"1", reliable=True)
    transport.unread = 1001
    with pytest.raises(LimitError):
        outbox.send(b"2", reliable=True)
    transport.unread = 256 * 1024
    outbox.send(b"lossy", reliable=False)
    assert transport.messages == [(RELIABLE, b"1")]
