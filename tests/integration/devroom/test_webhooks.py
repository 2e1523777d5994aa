"""Webhooks of devroom, received as LiveKit's own receiver does."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from aiohttp import web
from livekit import api
from livekit.protocol.room import RoomConfiguration
from livekit.protocol.webhook import WebhookEvent

from tests.integration.devroom.conftest import StartDevroom
from tests.integration.devroom.raw import RawClient
from tests.rooms.client import Crowd
from tests.rooms.server import API_KEY, API_SECRET


@dataclass
class Receiver:
    """A server that hears events; `failures` of its next answers are a 500."""

    url: str = ""
    failures: int = 0
    events: asyncio.Queue[WebhookEvent] = field(default_factory=asyncio.Queue)

    async def hear(self, request: web.Request) -> web.Response:
        if self.failures:
            self.failures -= 1
            return web.Response(status=500)
        assert request.content_type == "application/webhook+json"
        verifier = api.TokenVerifier(API_KEY, API_SECRET)
        body = await request.text()
        event = api.WebhookReceiver(verifier).receive(body, request.headers["Authorization"])
        self.events.put_nowait(event)
        return web.Response()

    async def next(self) -> WebhookEvent:
        return await asyncio.wait_for(self.events.get(), 20)


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    heard = Receiver()
    app = web.Application()
    app.router.add_post("/hook", heard.hear)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    heard.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield heard
    await runner.cleanup()


async def test_the_life_of_a_room_is_told_in_order(
    start_devroom: StartDevroom, receiver: Receiver
) -> None:
    """Catches events that are missing, unsigned, out of order, or about something else."""
    devroom = start_devroom("--webhook-url", receiver.url)
    async with Crowd(devroom.server, single=False) as crowd:
        config = RoomConfiguration(departure_timeout=1)
        ann = await crowd.join("ann", config=config)
        publication = await ann.play(440)
        started, joined, published = [await receiver.next() for _ in range(3)]
        await ann.local.unpublish_track(publication.sid)
        unpublished = await receiver.next()
        await ann.room.disconnect()
        left, finished = await receiver.next(), await receiver.next()
    events = [started, joined, published, unpublished, left, finished]
    assert [event.event for event in events] == [
        "room_started",
        "participant_joined",
        "track_published",
        "track_unpublished",
        "participant_left",
        "room_finished",
    ]
    assert {event.room.name for event in events} == {crowd.room_name}
    assert {event.participant.identity for event in events[1:5]} == {"ann"}
    assert published.track.sid == unpublished.track.sid == publication.sid
    assert len({event.id for event in events}) == len(events)
    assert all(event.created_at for event in events)


async def test_a_failing_receiver_is_tried_again_and_order_is_kept(
    start_devroom: StartDevroom, receiver: Receiver
) -> None:
    """Catches events lost to a short outage of the receiver, or overtaking each other."""
    receiver.failures = 2
    devroom = start_devroom("--webhook-url", receiver.url)
    async with Crowd(devroom.server, single=True) as crowd:
        await crowd.join("ann")
        first, second = await receiver.next(), await receiver.next()
    assert [first.event, second.event] == ["room_started", "participant_joined"]


async def test_who_never_had_media_up_only_tried_to_join(
    start_devroom: StartDevroom, receiver: Receiver
) -> None:
    """Catches `participant_left` for someone who was never said to have joined."""
    devroom = start_devroom("--webhook-url", receiver.url)
    async with RawClient(devroom.server, "r", "first") as client:
        await client.next("join")
        async with RawClient(devroom.server, "r", "first") as second:
            await second.next("join")
            events = [await receiver.next(), await receiver.next()]
    assert [e.event for e in events] == ["room_started", "participant_connection_aborted"]


@pytest.mark.parametrize("way", ["nobody listens", "it hangs"])
async def test_a_receiver_that_is_away_does_not_hold_up_the_end(
    start_devroom: StartDevroom, way: str
) -> None:
    """Catches a shutdown that waits for a webhook server that never answers."""
    # it takes connections, and never reads
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    if way == "nobody listens":
        silent.close()
    devroom = start_devroom("--webhook-url", f"http://127.0.0.1:{port}/hook")
    async with RawClient(devroom.server, "r", "ann") as client:
        await client.next("join")
        stopped_in_s = await asyncio.to_thread(devroom.stop)
    silent.close()
    assert stopped_in_s < 4  # one attempt at a webhook may take 5 s, and there are four
