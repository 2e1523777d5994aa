"""Debian roots in folders, and processes in them: namespaces, so that nothing stays mounted.

Failed
"""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from deploy.network import Network

T = TypeVar("T")

DEBIAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}

ROOT_MOUNTS = """\
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=755 dev "$1/dev"
for node in null zero full random urandom tty; do
    touch "$1/dev/$node"
    mount --bind "/dev/$node" "$1/dev/$node"
done
ln -s /proc/self/fd "$1/dev/fd"
ln -s /proc/self/fd/1 "$1/dev/stdout"
ln -s /proc/self/fd/2 "$1/dev/stderr"
mkdir -m 1777 "$1/dev/shm"
mount -t tmpfs -o mode=1777 shm "$1/dev/shm"
"""
"""Shell: what a container finds mounted in the root `$1`."""

SERVE = f"""\
set -eu
{ROOT_MOUNTS}
mount -t tmpfs -o mode=1777 tmp "$1/tmp"
root=$1
shift
exec chroot "$root" "$@"
"""


class Failed(Exception):
    """A step did not do what it should."""


def unshare(*more: str) -> list[str]:
    """A namespace whose every process dies when we let go of it."""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", *more]


def place(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def write_hosts(root: Path, names: Mapping[str, str]) -> None:
    """Name → address, besides localhost."""
    lines = [f"{address} {name}\n" for name, address in {"localhost": "127.0.0.1", **names}.items()]
    (root / "etc/hosts").write_text("".join(lines))


def within(seconds: float, what: str, look: Callable[[], T]) -> T:
    deadline = time.monotonic() + seconds
    while True:
        try:
            seen = look()
            if seen:
                return seen
        except (Failed, OSError) as error:
            if time.monotonic() > deadline:
                raise Failed(f"{what}: {error}") from error
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.2)


def require(holds: bool, what: str) -> None:
    if not holds:
        raise Failed(what)


@contextmanager
def running(*command: str, **more: Any) -> Iterator[None]:
    """A program beside what is tried. Raises `Failed` when it ends by itself."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, **more) as process:
        try:
            yield
            require(process.poll() is None, f"{command[-1]} has ended")
        finally:
            process.kill()


@contextmanager
def serving(network: Network, root: Path, *command: str) -> Iterator[None]:
    """A program of a root, in a network; all of it ends with its namespace."""
    begin = (*network.inside(*unshare()), "sh", "-c", SERVE, "serve", str(root))
    with running(*begin, *command, env=DEBIAN):
        yield


@contextmanager
def step(what: str) -> Iterator[None]:
    print(f"{what}", flush=True)
    began = time.monotonic()
    yield
    print(f"  ok, {time.monotonic() - began:.1f} s", flush=True)
