"""What breaks on a network, and how long it takes to mend: clients, links, and the server."""

import asyncio
import signal
import sys
import time

import pytest
from livekit import rtc

from tests.integration.devroom.bad_network import BadNetwork
from tests.integration.devroom.conftest import StartDevroom
from tests.rooms.client import Crowd, Member, heard_frequency_hz, token
from tests.rooms.server import DevroomProcess

pytestmark = pytest.mark.rooms
_NEAR_HZ = 4.0
_MODES = pytest.mark.parametrize("single", [False, True], ids=["dual", "single"])
_OUTAGE_S = 17.0
_MENDED_S = 60.0
"""The SDK tries to resume at intervals of its own, and may be between two attempts."""

_CHILD = """
import asyncio, sys
from livekit import rtc
async def main():
    room = rtc.Room()
    await room.connect(sys.argv[1], sys.argv[2])
    print("in", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@_MODES
async def test_without_udp_media_goes_over_tcp(start_devroom: StartDevroom, single: bool) -> None:
    """Catches ICE over TCP that does not frame, answer or forward."""
    devroom = start_devroom("--no-udp")
    async with Crowd(devroom.server, single=single) as crowd:
        ann, bob = await crowd.join("ann"), await crowd.join("bob")
        await ann.play(440)
        assert await heard_frequency_hz(await bob.hear()) == pytest.approx(440, abs=_NEAR_HZ)


@_MODES
async def test_a_broken_signalling_link_is_resumed(devroom: DevroomProcess, single: bool) -> None:
    """Catches a resume that loses the participant, its tracks, or data sent meanwhile."""
    async with BadNetwork(devroom) as network, Crowd(devroom.server, single=single) as crowd:
        ann, bob = await crowd.join("ann", url=network.url), await crowd.join("bob")
        await ann.play(440)
        track = await bob.hear()
        sid = ann.local.sid
        network.cut_signalling()
        await ann.next("reconnecting")
        # it returns when the data is sent, which may be only when the link is back
        sending = asyncio.create_task(ann.local.publish_data(b"meanwhile", reliable=True))
        network.mend_signalling()
        await ann.next("reconnected", within_s=20)
        await sending
        assert ann.local.sid == sid
        (packet,) = await bob.next("data_received")
        assert packet.data == b"meanwhile"
        assert await heard_frequency_hz(track) == pytest.approx(440, abs=_NEAR_HZ)
        assert bob.count("participant_disconnected") == 0
        await bob.play(880)
        assert await heard_frequency_hz(await ann.hear()) == pytest.approx(880, abs=_NEAR_HZ)


async def test_an_outage_of_the_media_path_is_survived(devroom: DevroomProcess) -> None:
    """Catches ICE restarts that are not followed, and participants dropped for silence alone."""
    async with (
        BadNetwork(devroom) as network,
        Crowd(devroom.server, single=False) as dual,
        Crowd(devroom.server, single=True) as single,
    ):

        async def pair(crowd: Crowd) -> tuple[Member, Member, rtc.Track]:
            ann, bob = await crowd.join("ann", url=network.url), await crowd.join("bob")
            await ann.play(440)
            return ann, bob, await bob.hear()

        pairs = [await pair(dual), await pair(single)]
        network.cut_media()
        await asyncio.sleep(_OUTAGE_S)
        network.mend_media()
        mended = time.monotonic()
        await asyncio.sleep(1)
        for _, bob, track in pairs:
            left_s = mended + _MENDED_S - time.monotonic()
            assert await heard_frequency_hz(track, within_s=left_s) == pytest.approx(
                440, abs=_NEAR_HZ
            )
            assert bob.count("participant_disconnected") == 0
            assert bob.count("track_unsubscribed") == 0


async def test_a_restarted_server_is_joined_again(start_devroom: StartDevroom) -> None:
    """Catches clients that a killed server leaves behind for good."""
    devroom = start_devroom()
    async with (
        Crowd(devroom.server, single=False) as dual,
        Crowd(devroom.server, single=True) as single,
    ):
        members = [await crowd.join(name) for crowd in (dual, single) for name in ("ann", "bob")]
        devroom.kill()
        port = devroom.url.rpartition(":")[2]
        again = start_devroom(port=int(port))
        assert again.url == devroom.url
        await asyncio.gather(*(member.next("reconnected", within_s=40) for member in members))
        await members[0].play(440)
        await members[2].play(440)
        tracks = [await member.hear() for member in members[1::2]]
        heard = await asyncio.gather(*map(heard_frequency_hz, tracks))
        assert heard == pytest.approx([440, 440], abs=_NEAR_HZ)


async def test_a_killed_client_is_noticed(devroom: DevroomProcess) -> None:
    """Catches participants that stay in the room after their process is gone."""
    async with Crowd(devroom.server, single=False) as crowd:
        ann = await crowd.join("ann")
        jwt = token(devroom.server, "victim", crowd.grants())
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CHILD, devroom.server.url, jwt, stdout=asyncio.subprocess.PIPE
        )
        await ann.next("participant_connected", within_s=20)
        assert process.stdout is not None
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"in\n"
        process.send_signal(signal.SIGKILL)
        await process.communicate()
        started = time.monotonic()
        (gone,) = await ann.next("participant_disconnected", within_s=25)
        assert gone.identity == "victim"
        assert time.monotonic() - started > 5, "no grace to resume in"
