"""A room: who is in it, what they are told, what they may hear, and when it is over."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from livekit.protocol.models import (
    ConnectionQuality,
    DataPacket,
    DisconnectReason,
    ParticipantInfo,
    ParticipantPermission,
    UserPacket,
)
from livekit.protocol.room import RoomConfiguration
from livekit.protocol.rtc import LeaveRequest

from devroom.audience import Audience
from devroom.errors import LimitError, NotFoundError, RefusedError
from devroom.participant import Participant
from devroom.room import EmptyTimer, _quality
from devroom.rtp import Packet
from devroom.sdp import Kind
from devroom.settings import Bounds, Timing
from devroom.transport import RELIABLE
from tests.unit.devroom.parts import House, RecordingLink, audio, offer, publish


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Rooms; what is still being closed at the end is waited for."""
    house = House()
    yield house
    await house.rooms.background.finish()


def active(house: House, participant: Participant) -> None:
    """Its media are up."""
    participant.connected(participant._downstream)
    assert participant.is_active
    assert house.hooks.names[-1] == "participant_joined"


def followed(participant: Participant) -> list[str]:
    """The sids of the tracks it is to receive."""
    return [down.up.sid for down in participant.subscriptions]


def reasons(participant: Participant) -> tuple[int, int]:
    """State and reason in what others are told of it."""
    return participant.info.state, participant.info.disconnect_reason


# coming and going


async def test_others_are_told_who_comes_and_goes(house: House) -> None:
    """Catches participants that are not announced, or never leave."""
    (one, first), (two, second) = house.member("one"), house.member("two")
    house.room().tell_changed(two)
    assert [info.identity for info in first.updates_of(two.sid)] == ["two"]
    assert [info.identity for info in house.room().visible_to(two)] == ["one"]
    active(house, two)
    assert first.updates_of(two.sid)[-1].state == ParticipantInfo.ACTIVE
    two.depart()
    assert two.closed
    assert second.closed
    gone = first.updates_of(two.sid)[-1]
    assert gone.state == ParticipantInfo.DISCONNECTED
    assert gone.disconnect_reason == DisconnectReason.CLIENT_INITIATED
    assert house.room().participants == (one,)
    assert house.hooks.names[-1] == "participant_left"


async def test_each_change_has_a_version(house: House) -> None:
    """Catches an update that a client takes for an older one and drops."""
    (one, _), (_, second) = house.member("one"), house.member("two")
    one.update(metadata="a")
    one.update(metadata="b")
    publish(one)
    versions = [info.version for info in second.updates_of(one.sid)]
    assert versions == sorted(set(versions))
    assert len(versions) == 3


async def test_the_older_of_two_with_one_identity_leaves(house: House) -> None:
    """Catches two of one name, and a newcomer who is thrown out by who was there."""
    older, old_link = house.member("same")
    newer, new_link = house.member("same")
    assert older.closed
    assert not newer.closed
    assert house.room().participants == (newer,)
    (leave,) = old_link.of("leave")
    assert leave.leave.reason == DisconnectReason.DUPLICATE_IDENTITY
    assert leave.leave.action == LeaveRequest.DISCONNECT
    assert new_link.of("leave") == []


async def test_who_is_removed_is_told_what_to_do(house: House) -> None:
    """Catches a client that comes back though it was thrown out."""
    one, link = house.member("one")
    house.room().remove(one, DisconnectReason.PARTICIPANT_REMOVED, LeaveRequest.DISCONNECT)
    house.room().remove(one, DisconnectReason.ROOM_DELETED, LeaveRequest.DISCONNECT)
    (leave,) = link.of("leave")
    assert leave.leave.reason == DisconnectReason.PARTICIPANT_REMOVED
    assert reasons(one) == (ParticipantInfo.DISCONNECTED, DisconnectReason.PARTICIPANT_REMOVED)
    assert house.hooks.names.count("participant_connection_aborted") == 1


async def test_hidden_participants_are_not_seen(house: House) -> None:
    """Catches a `hidden` grant that is not enforced in one of its places."""
    (_, first), (ghost, second) = house.member("one"), house.member("ghost", hidden=True)
    house.room().tell_changed(ghost)
    ghost.update(metadata="boo")
    assert first.updates_of(ghost.sid) == []
    assert len(second.updates_of(ghost.sid)) == 2
    assert house.room().visible_to(house.room().get("one")) == []
    assert house.room().snapshot().num_participants == 1
    ghost.depart()
    assert first.updates_of(ghost.sid) == []


async def test_a_full_room_takes_nobody_else(house: House) -> None:
    """Catches a limit that is not kept, or that keeps somebody out who comes back."""
    room = house.room(max_participants=2)
    house.member("one")
    room.check_space("two")
    house.member("two")
    room.check_space("two")
    with pytest.raises(LimitError):
        room.check_space("three")


async def test_the_server_s_limit_holds_where_a_room_wants_more() -> None:
    """Catches a room that is as large as its maker likes."""
    house = House(bounds=Bounds(participants_per_room=1))
    room = house.room(max_participants=100)
    house.member("one")
    with pytest.raises(LimitError):
        room.check_space("two")


async def test_who_left_lately_is_told_after_a_resume(house: House) -> None:
    """Catches a participant that stays on a screen for ever, as its end fell into a gap."""
    (stays, _), (goes, _), (returns, _) = map(house.member, ("stays", "goes", "returns"))
    goes.depart()
    returns.depart()
    house.member("returns")
    told = list(house.room().resume_updates(stays))
    states = [(info.identity, info.state) for info in told]
    assert states[0][0] == "stays"
    assert ("goes", ParticipantInfo.DISCONNECTED) in states
    assert [state for identity, state in states if identity == "returns"] == [
        ParticipantInfo.JOINED
    ]


# what may be heard


async def test_tracks_are_followed_as_they_come_and_go(house: House) -> None:
    """Catches a late joiner without sound, a track of one's own, and one that is gone."""
    (one, _), (two, _) = house.member("one"), house.member("two")
    sid = publish(one)
    late, _ = house.member("late")
    late.start()
    assert (followed(one), followed(two), followed(late)) == ([], [sid], [sid])
    assert house.hooks.names[-1] == "track_published"
    one.offer_received(offer(audio("0", "inactive")))
    assert (followed(two), followed(late)) == ([], [])
    assert house.hooks.names[-1] == "track_unpublished"
    again = publish(one)
    one.depart()
    assert again not in followed(two)
    assert house.hooks.names[-2:] == ["track_unpublished", "participant_connection_aborted"]


async def test_who_may_not_subscribe_hears_nothing(house: House) -> None:
    """Catches a `canSubscribe` grant that is not enforced, also when it changes."""
    (one, _), (deaf, _) = house.member("one"), house.member("deaf", canSubscribe=False)
    sid = publish(one)
    assert followed(deaf) == []
    deaf.choose_tracks([sid], True)
    assert followed(deaf) == []
    deaf.update(permission=ParticipantPermission(can_subscribe=True))
    assert followed(deaf) == [sid]


async def test_a_publisher_chooses_its_audience(house: House) -> None:
    """Catches a private track that others hear, and listeners who are not told."""
    (one, _), (friend, told), (other, _) = map(house.member, ("one", "friend", "other"))
    sid = publish(one)
    one.set_audience(Audience(everyone=False, whole=frozenset({"friend"})))
    assert (followed(friend), followed(other)) == ([sid], [])
    (permission,) = told.of("subscription_permission_update")
    assert permission.subscription_permission_update.allowed
    one.set_audience(Audience())
    assert followed(other) == [sid]


async def test_unsubscribing_and_back(house: House) -> None:
    """Catches a choice that does not hold, or that is for tracks nobody publishes."""
    (one, _), (two, _) = house.member("one"), house.member("two", auto=False)
    sid = publish(one)
    assert followed(two) == []
    two.choose_tracks([sid, "TR_nobody"], True)
    assert followed(two) == [sid]
    two.choose_tracks([sid], False)
    assert followed(two) == []


# what is said


class Channel:
    """Puts itself in place of a participant's way to send data."""

    def __init__(self, participant: Participant, *, stuck: bool = False) -> None:
        self.packets: list[DataPacket] = []
        self._stuck = stuck
        participant.send_data = self.send  # type: ignore[method-assign]  # no SCTP in a unit test

    def send(self, message: bytes, *, reliable: bool) -> None:
        if self._stuck:
            raise LimitError("the participant does not read its data")
        packet = DataPacket()
        packet.ParseFromString(message)
        self.packets.append(packet)


def said(text: bytes, sequence: int = 0, to: tuple[str, ...] = ()) -> bytes:
    """A client's packet."""
    packet = DataPacket(user=UserPacket(payload=text), sequence=sequence, destination_identities=to)
    return packet.SerializeToString()


async def test_data_reach_those_they_are_for(house: House) -> None:
    """Catches echoes, private packets that others see, and a sender that is not named."""
    members = [house.member(name)[0] for name in ("one", "two", "three")]
    channels = [Channel(member) for member in members]
    members[0].data_received(RELIABLE, said(b"all"))
    members[0].data_received(RELIABLE, said(b"some", to=("three",)))
    heard = [[packet.user.payload for packet in channel.packets] for channel in channels]
    assert heard == [[], [b"all"], [b"all", b"some"]]
    assert channels[1].packets[0].participant_identity == "one"


async def test_who_may_not_send_data_sends_none(house: House) -> None:
    """Catches a `canPublishData` grant that is not enforced, and talk after the end."""
    (mute, _), (gone, _), (other, _) = (
        house.member("mute", canPublishData=False),
        house.member("gone"),
        house.member("other"),
    )
    channel = Channel(other)
    mute.data_received(RELIABLE, said(b"hi"))
    gone.depart()
    gone.data_received(RELIABLE, said(b"hi"))
    assert channel.packets == []


async def test_what_is_sent_again_after_a_resume_is_passed_on_once(house: House) -> None:
    """Catches a message that is seen twice, or an acknowledgement that is not kept."""
    (one, _), (other, _) = house.member("one"), house.member("other")
    channel = Channel(other)
    for sequence in (1, 2, 1, 2, 3):
        one.data_received(RELIABLE, said(b"%d" % sequence, sequence))
    assert [packet.user.payload for packet in channel.packets] == [b"1", b"2", b"3"]
    assert one.last_sequence == 3


async def test_who_does_not_read_is_asked_to_come_again(house: House) -> None:
    """Catches one slow reader who holds everyone up, or fills the server's memory."""
    (one, _), (slow, link), (other, _) = map(house.member, ("one", "slow", "other"))
    Channel(slow, stuck=True)
    channel = Channel(other)
    one.data_received(RELIABLE, said(b"hi"))
    assert slow.closed
    assert link.of("leave")[0].leave.action == LeaveRequest.RECONNECT
    assert len(channel.packets) == 1


async def test_own_changes_have_bounds(house: House) -> None:
    """Catches metadata without end, and half a change."""
    one, _ = house.member("one")
    one.update(name="Some One", metadata="about", attributes={"a": "1", "b": "2"})
    bounds = house.bounds
    for change in (
        {"name": "n" * (bounds.name_chars + 1)},
        {"metadata": "é" * (bounds.metadata_bytes // 2 + 1)},
        {"attributes": {"c": "x" * bounds.attributes_bytes}},
    ):
        with pytest.raises(LimitError):
            one.update(**change)
    one.update(attributes={"a": ""})
    assert (one.info.name, one.info.metadata) == ("Some One", "about")
    assert dict(one.info.attributes) == {"b": "2"}


async def test_a_room_s_metadata(house: House) -> None:
    """Catches a change that is not told, and one without bound."""
    _, link = house.member("one")
    house.room().set_metadata("about")
    assert link.of("room_update")[0].room_update.room.metadata == "about"
    with pytest.raises(LimitError):
        house.room().set_metadata("x" * (house.bounds.metadata_bytes + 1))
    assert house.room().snapshot().metadata == "about"


async def test_who_speaks(house: House) -> None:
    """Catches a speaker who is not shown, is shown for ever, or is told of with every packet."""
    (one, _), (_, link) = house.member("one"), house.member("two")
    publish(one)
    (track,) = one.publisher.tracks
    loud = bytes([0x10, 0x80 | 20, 0, 0])
    for number in range(3):
        track.rtp_received(Packet(0, 0, number, number * 960, 1, loud, b""))
        house.rooms.tick()
    house.clock.now_s += 1
    one.heard()
    house.rooms.tick()
    told = [r.speakers_changed.speakers for r in link.of("speakers_changed")]
    assert [[(s.sid, s.active) for s in speakers] for speakers in told] == [
        [(one.sid, True)],
        [(one.sid, False)],
    ]
    assert told[0][0].level == pytest.approx(0.1)


async def test_how_good_connections_are(house: House) -> None:
    """Catches a client that shows a good connection while a tenth is lost."""
    one, link = house.member("one")
    publish(one)
    (track,) = one.publisher.tracks
    for number in [n for n in range(100) if n % 10]:
        track.rtp_received(Packet(0, 0, number, number * 960, 1, b"", b""))
    house.room().report()
    house.room().report()
    told = [update.connection_quality.updates[0] for update in link.of("connection_quality")]
    assert [(u.participant_sid, u.quality) for u in told] == [
        (one.sid, ConnectionQuality.POOR),
        (one.sid, ConnectionQuality.EXCELLENT),
    ]
    assert track.kind is Kind.AUDIO
    assert _quality(10) is ConnectionQuality.GOOD


# the clock


def test_when_an_empty_room_is_over() -> None:
    """Catches a room that ends before anyone has come, while someone is there, or never."""
    timer = EmptyTimer(empty_s=300, departure_s=20, now_s=0)
    assert not timer.is_over(299.9)
    assert timer.is_over(300)
    timer.occupied()
    assert not timer.is_over(10_000)
    timer.emptied(10_000)
    assert not timer.is_over(10_019.9)
    assert timer.is_over(10_020)


async def test_rooms_end_by_their_own_configuration(house: House) -> None:
    """Catches a room that lives by the defaults though its token says otherwise."""
    room = house.room(empty_timeout=10, departure_timeout=5)
    house.clock.now_s += 9.9
    house.rooms.tick()
    one, _ = house.member("one")
    active(house, one)
    one.depart()
    house.clock.now_s += 4.9
    house.rooms.tick()
    assert house.rooms.find("room") is room
    house.clock.now_s += 0.2
    house.rooms.tick()
    assert house.rooms.find("room") is None
    assert house.hooks.names == [
        "room_started",
        "participant_joined",
        "participant_left",
        "room_finished",
    ]


async def test_who_never_gets_media_up_goes(house: House) -> None:
    """Catches a client behind a firewall that stays in the room for ever."""
    one, link = house.member("one")
    for _ in range(7):
        house.clock.now_s += 5
        one.heard()
        house.rooms.tick()
    assert one.closed
    assert link.of("leave")[0].leave.reason == DisconnectReason.JOIN_FAILURE


async def test_a_silent_link_is_closed_and_may_be_replaced(house: House) -> None:
    """Catches a crashed client that stays, and one that is thrown out while it comes back."""
    one, link = house.member("one")
    active(house, one)
    timing = house.timing
    house.clock.now_s += timing.ping_timeout_s + 0.1
    house.rooms.tick()
    assert (link.closed, one.closed) == (True, False)
    house.clock.now_s += timing.resume_s - 0.1
    house.rooms.tick()
    assert not one.closed
    house.clock.now_s += 0.2
    house.rooms.tick()
    assert reasons(one) == (ParticipantInfo.DISCONNECTED, DisconnectReason.SIGNAL_CLOSE)


async def test_silent_media_are_mended_over_the_link(house: House) -> None:
    """Catches a client whose network has changed and that is never told to start ICE anew."""
    one, link = house.member("one")
    active(house, one)
    house.clock.now_s += house.timing.media_lost_s + 0.1
    one.heard()
    house.rooms.tick()
    (leave,) = link.of("leave")
    assert leave.leave.action == LeaveRequest.RESUME
    assert (link.closed, one.closed) == (True, False)


async def test_a_link_that_was_replaced_does_not_count(house: House) -> None:
    """Catches a participant who resumed and is thrown out when the old link ends at last."""
    one, old = house.member("one")
    active(house, one)
    _, new = house.member("other")
    one.attach(new)
    assert old.closed
    one.detach(old)
    assert one.contact.signal_lost_at_s is None
    one.detach(new)
    assert one.contact.signal_lost_at_s == house.clock.now_s


# all rooms


async def test_rooms_have_bounds() -> None:
    """Catches names, metadata and rooms without end."""
    house = House(bounds=Bounds(rooms=2, room_name_chars=5, metadata_bytes=3))
    for name, metadata in (("", ""), ("123456", ""), ("a", "1234")):
        with pytest.raises(RefusedError):
            house.rooms.get_or_create(name, RoomConfiguration(metadata=metadata))
    house.room("a")
    house.room("b")
    with pytest.raises(LimitError):
        house.room("c")
    assert house.room("a").name == "a"
    with pytest.raises(NotFoundError):
        house.rooms.get("c")
    assert len(list(house.rooms)) == 2


async def test_a_room_is_made_once() -> None:
    """Catches a second participant whose token changes the room that is there."""
    house = House()
    room = house.room(max_participants=3, metadata="first")
    assert house.room(max_participants=7, metadata="second") is room
    info = room.snapshot()
    assert (info.max_participants, info.metadata) == (3, "first")
    assert info.empty_timeout == house.timing.empty_room_s
    assert house.hooks.names == ["room_started"]


async def test_shutting_down_sends_everyone_away() -> None:
    """Catches clients that try to resume with a server that is no more."""
    house = House()
    one, link = house.member("one")
    await asyncio.wait_for(house.rooms.shut_down(), 5)
    assert one.closed
    assert link.of("leave")[0].leave.reason == DisconnectReason.SERVER_SHUTDOWN
    assert list(house.rooms) == []
    assert house.hooks.names[-1] == "room_finished"


class BrokenLink(RecordingLink):
    """Fails whenever it is to be closed."""

    def __init__(self) -> None:
        super().__init__()
        self.failed_again = asyncio.Event()

    def close(self) -> None:
        if self.closed:
            self.failed_again.set()
        self.closed = True
        raise RuntimeError("a fault")


async def test_the_clock_survives_a_fault_of_one_room() -> None:
    """Catches one room's error that stops the timeouts of all the others, now or later."""
    house = House(timing=Timing(tick_s=0.001))
    one, _ = house.member("one")
    link = BrokenLink()
    one.attach(link)
    house.room("another")
    house.clock.now_s += house.timing.empty_room_s
    clock = asyncio.create_task(house.rooms.run())
    try:
        await asyncio.wait_for(link.failed_again.wait(), 5)
    finally:
        clock.cancel()
        await asyncio.gather(clock, return_exceptions=True)
    assert [room.name for room in house.rooms] == ["room"]
