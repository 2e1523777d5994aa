"""One room server for all these tests: any LiveKit named by the environment, else devroom."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from livekit import api

from tests.rooms.client import Crowd
from tests.rooms.server import DevroomProcess, RoomServer


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoomServer]:
    url = os.environ.get("LIVEKIT_URL")
    if url:
        yield RoomServer(url, os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"])
        return
    process = DevroomProcess(tmp_path_factory.mktemp("devroom") / "devroom.log")
    process.start()
    try:
        yield process.server
    finally:
        process.close()
    assert process.faults() == []


@pytest.fixture(params=["dual", "single"])
def single(request: pytest.FixtureRequest) -> bool:
    """Whether clients use one peer connection both ways, or one each way."""
    return bool(request.param == "single")


@pytest_asyncio.fixture
async def crowd(server: RoomServer, single: bool) -> AsyncIterator[Crowd]:
    """Clients of one room of its own, all gone after the test."""
    async with Crowd(server, single=single) as crowd:
        yield crowd


@pytest_asyncio.fixture
async def dual_crowd(server: RoomServer) -> AsyncIterator[Crowd]:
    """Like `crowd`, where the way of connecting does not matter."""
    async with Crowd(server, single=False) as crowd:
        yield crowd


@pytest_asyncio.fixture
async def livekit_api(server: RoomServer) -> AsyncIterator[api.LiveKitAPI]:
    url = server.url.replace("ws", "http", 1)
    async with api.LiveKitAPI(url, server.api_key, server.api_secret) as client:
        yield client
