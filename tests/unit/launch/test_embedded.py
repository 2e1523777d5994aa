"""The parts that nobody configured."""

import json
import stat
from pathlib import Path

import pytest

from launch import embedded
from launch.errors import AlreadyRunning, LaunchError


def test_the_room_key_stays_the_same_and_is_private(tmp_path: Path) -> None:
    """Catches a key that changes under running sessions, or that others can read."""
    first = embedded.room_key(tmp_path)
    assert embedded.room_key(tmp_path) == first
    assert len(first.secret) >= 32
    file = tmp_path / "devroom-key.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["key"] == first.key


def test_a_damaged_room_key_says_so(tmp_path: Path) -> None:
    """Catches a half-written file that ends in a traceback."""
    (tmp_path / "devroom-key.json").write_text("{")
    with pytest.raises(LaunchError, match=r"devroom-key\.json"):
        embedded.room_key(tmp_path)


def test_redis_is_private(tmp_path: Path) -> None:
    """Catches an embedded Redis that others on the machine can use."""
    config, url = embedded.write_redis_config(tmp_path, tmp_path, 7000)
    lines = dict(line.split(" ", 1) for line in config.read_text().splitlines())
    assert lines["bind"] == "127.0.0.1"
    assert url == f"redis://:{lines['requirepass']}@127.0.0.1:7000/0"
    assert stat.S_IMODE(config.stat().st_mode) == 0o600


def test_a_run_dir_that_no_socket_fits_in_is_refused(tmp_path: Path) -> None:
    """Catches a long path that fails later, program by program."""
    with pytest.raises(LaunchError, match="RUN_DIR"):
        embedded.make_run_dir(tmp_path / ("long" * 30))


def test_one_instance_for_a_data_folder(tmp_path: Path) -> None:
    """Catches two instances that write the same Redis file."""
    with (
        embedded.only_instance(tmp_path),
        pytest.raises(AlreadyRunning, match="DATA_DIR"),
        embedded.only_instance(tmp_path),
    ):
        pass
    with embedded.only_instance(tmp_path):
        pass
