"""One API with its doors for all tests of this folder."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.gateway.doors import Doors, open_doors

CAPACITY = 6
LONGEST_TURN_S = 8

SETTINGS = {
    "MAX_CONCURRENT_SESSIONS": str(CAPACITY),
    "MAX_AUDIO_DURATION_SECONDS": str(LONGEST_TURN_S),
    # deterministic, and the model takes seconds and memory to load
    "TURN_DETECTION": "vad",
    "LOG_LEVEL": "WARNING",
}


@pytest.fixture(scope="session")
def doors() -> Iterator[Doors]:
    """With real local stages; its path is short enough for a unix socket."""
    with (
        tempfile.TemporaryDirectory(prefix="mj") as folder,
        open_doors(Path(folder), SETTINGS) as doors,
    ):
        yield doors
