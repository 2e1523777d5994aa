"""Tokens that run out while their owners are in the room."""

import jwt
from livekit import api, rtc

from tests.integration.devroom.raw import RawClient
from tests.rooms.client import token
from tests.rooms.server import DevroomProcess


async def test_the_renewed_token_says_the_same_and_opens_the_room(devroom: DevroomProcess) -> None:
    """Catches somebody who reloads the page after ten minutes and is locked out."""
    server = devroom.server
    async with RawClient(server, "lobby", "ann", can_publish=False) as ann:
        renewed = (await ann.next("refresh_token")).refresh_token
    grants = api.VideoGrants(room_join=True, room="lobby", can_publish=False)
    first = jwt.decode(token(server, "ann", grants, ttl_s=60), server.api_secret, ["HS256"])
    second = jwt.decode(renewed, server.api_secret, ["HS256"])
    assert second["exp"] > first["exp"]
    for claims in (first, second):
        del claims["exp"], claims["nbf"]
    assert second == first
    room = rtc.Room()
    await room.connect(server.url, renewed)
    assert room.local_participant.identity == "ann"
    await room.disconnect()
