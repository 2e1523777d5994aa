"""The three reference services, running, over the sample documents."""

from collections.abc import Iterator

import pytest

from tests.clients.services import ServiceProcess, prepare, three

TOKEN = "the-token-of-a-test"


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServiceProcess]]:
    """By name; they want `TOKEN` to be shown."""
    folder = tmp_path_factory.mktemp("services")
    environment = {"DATA_DIR": str(folder / "data"), "SERVICES_TOKEN": TOKEN}
    prepare(environment)
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
