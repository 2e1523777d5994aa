"""The three reference services, running, over the sample documents."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.services import ServiceProcess, three
from tests.clients.stack import PROJECT_ROOT

TOKEN = "the-token-of-a-test"


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServiceProcess]]:
    """By name; they want `TOKEN` to be shown."""
    folder = tmp_path_factory.mktemp("services")
    environment = {"DATA_DIR": str(folder / "data"), "SERVICES_TOKEN": TOKEN}
    _index(folder / "data")
    all_three = three(folder, environment)
    try:
        for service in all_three.values():
            service.start()
        for service in all_three.values():
            service.await_ready()
        yield all_three
    finally:
        for service in all_three.values():
            service.stop()


def _index(data_dir: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "agent.knowledge", "index"],
        cwd=PROJECT_ROOT,
        env={**os.environ, "DATA_DIR": str(data_dir)},
        check=True,
        capture_output=True,
    )
