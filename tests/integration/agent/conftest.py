"""A Redis, and agent hosts that start with the settings a test gives."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.agent.processes import HostProcess, RedisProcess, silent_room_server
from tests.rooms.server import DevroomProcess

StartHost = Callable[..., HostProcess]

_NOBODY = "http://127.0.0.1:9"
VENDORS_THAT_ARE_DOWN = {
    "STT_PROVIDER": "local",
    "LLM_PROVIDER": "local",
    "TTS_PROVIDER": "local",
    "ASSEMBLY_API_KEY": "key",
    "ASSEMBLY_BASE_URL": "ws://127.0.0.1:9",
    "GROQ_API_KEY": "key",
    "GROQ_BASE_URL": _NOBODY,
    "INWORLD_API_KEY": "key",
    "INWORLD_BASE_URL": f"{_NOBODY}/",
}
"""For calls that ask for them; nobody listens on that port."""

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    process = RedisProcess(tmp_path_factory.mktemp("r"))
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="session")
def silent_rooms() -> Iterator[str]:
    with silent_room_server() as url:
        yield url


@pytest.fixture
def session_id() -> str:
    """Of a session that no other test knows."""
    return f"session_{next(_numbers):013d}_abcdefghi"


@pytest.fixture(scope="module")
def host(
    tmp_path_factory: pytest.TempPathFactory, redis_process: RedisProcess, silent_rooms: str
) -> Iterator[HostProcess]:
    """One host for the tests that leave it as they found it."""
    process = HostProcess(tmp_path_factory.mktemp("h"), redis_process, silent_rooms)
    try:
        process.start()
        yield process
    finally:
        process.close()


@pytest.fixture
def start_host(
    tmp_path: Path, redis_process: RedisProcess, silent_rooms: str
) -> Iterator[StartHost]:
    """Starts hosts over one run directory, one after the other."""
    started: list[HostProcess] = []

    def start(**settings: str) -> HostProcess:
        process = HostProcess(tmp_path, redis_process, silent_rooms, settings)
        started.append(process)
        process.start()
        return process

    yield start
    for process in started:
        process.close()


@pytest.fixture(scope="session")
def devroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevroomProcess]:
    process = DevroomProcess(tmp_path_factory.mktemp("d") / "devroom.log").start()
    yield process
    process.close()


@pytest.fixture(scope="module")
def talking_host(
    tmp_path_factory: pytest.TempPathFactory, redis_process: RedisProcess, devroom: DevroomProcess
) -> Iterator[HostProcess]:
    """A host whose agents talk: with the local stages, documents, rooms, and little patience."""
    rooms = devroom.server
    settings = {
        "LIVEKIT_API_KEY": rooms.api_key,
        "LIVEKIT_API_SECRET": rooms.api_secret,
        "USER_JOIN_TIMEOUT_SECONDS": "3",
        "USER_REJOIN_TIMEOUT_SECONDS": "4",
        "SESSION_TIMEOUT_SECONDS": "5",
        "AGENT_LEASE_SECONDS": "1.5",
        "DRAIN_TIMEOUT_SECONDS": "1",
        "TURN_DETECTION": "vad",
        "LOG_LEVEL": "DEBUG",
        **VENDORS_THAT_ARE_DOWN,
    }
    process = HostProcess(tmp_path_factory.mktemp("t"), redis_process, rooms.url, settings)
    try:
        process.start_stages()
        process.start()
        process.until_idle(2)
        yield process
    finally:
        process.close()
