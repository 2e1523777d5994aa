"""devroom processes for these tests, each checked for faults in its log at the end."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.rooms.server import DevroomProcess

StartDevroom = Callable[..., DevroomProcess]


@pytest.fixture
def start_devroom(tmp_path: Path) -> Iterator[StartDevroom]:
    """Starts one or more servers with the given arguments, on ports of their own."""
    started: list[DevroomProcess] = []

    def start(*arguments: str, port: int = 0) -> DevroomProcess:
        log = tmp_path / f"devroom-{len(started)}.log"
        process = DevroomProcess(log, ("--port", str(port), *arguments))
        started.append(process)
        return process.start()

    yield start
    for process in started:
        process.close()
    assert [fault for process in started for fault in process.faults()] == []


@pytest.fixture
def devroom(start_devroom: StartDevroom) -> DevroomProcess:
    return start_devroom()
