"""The programs' output as one stream, each line with its program's name in front (`LOG_DIR=-`).

supervisord writes each program's output into a named pipe, and we copy it to our own standard
output: in a container that is what `docker logs` shows, as a service it is the journal. supervisord
itself could not: it would open `/dev/stdout`, which is impossible where that is a socket, and no
line would say which program it is from.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from launch.errors import LaunchError

Tell = Callable[[str], None]

READ_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 16
"""A longer line is told in parts."""


@contextmanager
def relayed(folder: Path, names: Sequence[str], tell: Tell) -> Iterator[None]:
    """While inside, tell each line that is written to `folder/<name>.log`. Needs a running loop."""
    width = max(map(len, names))
    with ExitStack() as stack:
        for name in names:
            pipe = _Pipe(_make(folder / f"{name}.log"), f"{name:<{width}} | ", tell)
            stack.callback(pipe.close)
        yield


def _make(path: Path) -> Path:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
    except OSError as error:
        raise LaunchError(f"RUN_DIR: cannot make a pipe at {path}: {error.strerror}") from error
    return path


class _Pipe:
    def __init__(self, path: Path, prefix: str, tell: Tell) -> None:
        self._prefix = prefix
        self._tell = tell
        self._begun = b""
        # Open both ways, so that the pipe never ends: supervisord closes and opens it as it likes.
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._read)

    def close(self) -> None:
        """Tell what was written until now, and end."""
        self._loop.remove_reader(self._fd)
        while self._read():
            pass
        os.close(self._fd)
        if self._begun:
            self._line(self._begun)

    def _read(self) -> bool:
        """Whether there was something."""
        try:
            new = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return False
        *lines, self._begun = (self._begun + new).split(b"\n")
        for line in lines:
            self._line(line)
        while len(self._begun) >= MAX_LINE_BYTES:
            self._line(self._begun[:MAX_LINE_BYTES])
            self._begun = self._begun[MAX_LINE_BYTES:]
        return True

    def _line(self, line: bytes) -> None:
        self._tell(self._prefix + line.decode(errors="replace").rstrip("\r"))
