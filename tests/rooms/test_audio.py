"""Audio between real clients, on any LiveKit."""

import asyncio

import pytest
from livekit import rtc

from tests.rooms.client import Crowd, heard_frequency_hz

pytestmark = pytest.mark.rooms
_NEAR_HZ = 4.0


async def test_a_tone_is_heard_both_ways(crowd: Crowd) -> None:
    """Catches media that does not arrive, or arrives as something else, in either direction."""
    ann, bob = await crowd.join("ann"), await crowd.join("bob")
    published = await ann.play(440)
    await asyncio.wait_for(published.wait_for_subscription(), 20)
    await bob.play(1000)
    to_bob, to_ann = await asyncio.gather(bob.hear(), ann.hear())
    heard = await asyncio.gather(heard_frequency_hz(to_bob), heard_frequency_hz(to_ann))
    assert heard == pytest.approx([440, 1000], abs=_NEAR_HZ)


async def test_a_late_joiner_hears_and_a_second_track_follows(crowd: Crowd) -> None:
    """Catches tracks that only those present at their publication get, and a lost second one."""
    ann = await crowd.join("ann")
    await ann.play(440)
    bob = await crowd.join("bob")
    assert await heard_frequency_hz(await bob.hear()) == pytest.approx(440, abs=_NEAR_HZ)
    second = await ann.play(700, rtc.TrackSource.SOURCE_SCREENSHARE_AUDIO)
    assert await heard_frequency_hz(await bob.hear(second.sid)) == pytest.approx(700, abs=_NEAR_HZ)


async def test_unpublish_and_publish_again(crowd: Crowd) -> None:
    """Catches a section used again too soon: the second track would be silent or unannounced."""
    ann, bob = await crowd.join("ann"), await crowd.join("bob")
    for frequency_hz in (440, 880, 600):
        publication = await ann.play(frequency_hz)
        track = await bob.hear(publication.sid)
        assert await heard_frequency_hz(track, 0.2) == pytest.approx(frequency_hz, abs=8)
        await ann.local.unpublish_track(publication.sid)
        await bob.next("track_unpublished", lambda pub, _, sid=publication.sid: pub.sid == sid)


async def test_unsubscribe_and_subscribe_again(crowd: Crowd) -> None:
    """Catches a subscriber's own choice that is forgotten, or cannot be taken back."""
    ann, bob = await crowd.join("ann"), await crowd.join("bob")
    await ann.play(440)
    await bob.hear()
    publication = next(iter(bob.room.remote_participants["ann"].track_publications.values()))
    publication.set_subscribed(False)
    await bob.next("track_unsubscribed")
    publication.set_subscribed(True)
    assert await heard_frequency_hz(await bob.hear()) == pytest.approx(440, abs=_NEAR_HZ)


async def test_without_auto_subscribe_tracks_wait_to_be_asked_for(crowd: Crowd) -> None:
    """Catches tracks forced on a client that wants to choose."""
    ann, bob = await crowd.join("ann"), await crowd.join("bob", auto_subscribe=False)
    witness = await crowd.join("witness")
    await ann.play(440)
    publication, _ = await bob.next("track_published")
    await witness.hear()
    assert bob.count("track_subscribed") == 0
    publication.set_subscribed(True)
    assert await heard_frequency_hz(await bob.hear()) == pytest.approx(440, abs=_NEAR_HZ)


async def test_mute_is_told(crowd: Crowd) -> None:
    """Catches a mute that the others do not learn of."""
    ann, bob = await crowd.join("ann"), await crowd.join("bob")
    publication = await ann.play(440)
    await bob.hear()
    assert publication.track is not None
    assert isinstance(publication.track, rtc.LocalAudioTrack)
    publication.track.mute()
    await bob.next("track_muted")
    publication.track.unmute()
    await bob.next("track_unmuted")


async def test_speakers_are_told(crowd: Crowd) -> None:
    """Catches audio levels that are not read or not passed on."""
    ann, bob = await crowd.join("ann"), await crowd.join("bob")
    await ann.play(440)
    (speakers,) = await bob.next("active_speakers_changed", lambda speakers: bool(speakers))
    assert [speaker.identity for speaker in speakers] == ["ann"]


async def test_who_may_not_subscribe_gets_nothing(crowd: Crowd) -> None:
    """Catches a `canSubscribe` grant that is not enforced."""
    ann = await crowd.join("ann")
    await ann.play(440)
    bob = await crowd.join("bob", can_subscribe=False)
    witness = await crowd.join("witness")
    await witness.hear()
    assert bob.count("track_subscribed") == 0


async def test_a_publisher_chooses_its_audience(crowd: Crowd) -> None:
    """Catches track permissions of the publisher that are ignored."""
    ann = await crowd.join("ann")
    bob, eve = await crowd.join("bob"), await crowd.join("eve")
    ann.local.set_track_subscription_permissions(
        allow_all_participants=False,
        participant_permissions=[
            rtc.ParticipantTrackPermission(participant_identity="bob", allow_all=True)
        ],
    )
    await asyncio.sleep(0.2)
    await ann.play(440)
    await bob.hear()
    assert eve.count("track_subscribed") == 0


async def test_video_arrives(crowd: Crowd) -> None:
    """Catches video that is not negotiated, or never gets its first key frame."""
    ann, bob = await crowd.join("ann"), await crowd.join("bob")
    source = rtc.VideoSource(320, 240)
    track = rtc.LocalVideoTrack.create_video_track("camera", source)
    options = rtc.TrackPublishOptions(
        source=rtc.TrackSource.SOURCE_CAMERA, simulcast=False, video_codec=rtc.VideoCodec.VP8
    )
    await ann.local.publish_track(track, options)

    async def paint() -> None:
        picture = bytes([90, 120, 200, 255]) * (320 * 240)
        while True:
            source.capture_frame(
                rtc.VideoFrame(320, 240, rtc.VideoBufferType.RGBA, bytearray(picture))
            )
            await asyncio.sleep(0.05)

    painting = asyncio.create_task(paint())
    stream = rtc.VideoStream(await bob.hear())
    try:
        async with asyncio.timeout(20):
            event = await anext(aiter(stream))
        assert (event.frame.width, event.frame.height) == (320, 240)
    finally:
        painting.cancel()
        await stream.aclose()
        await source.aclose()
