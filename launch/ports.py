"""The TCP ports that the programs of one start listen on: all free, and no two the same."""

import socket
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from launch.errors import PortInUse


class Ports:
    """Holds what was claimed until the block ends, so that nothing is claimed twice."""

    def __init__(self) -> None:
        self._held = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.close()

    def claim(self, setting: str, host: str, port: int) -> int:
        """A port that can be listened on: `port`, or a free one for 0.

        Raises `PortInUse`, which names the setting.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        held = self._held.enter_context(socket.socket(family, socket.SOCK_STREAM))
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((host, port))
            held.listen()  # one that is only bound would be given out again
        except OSError as error:
            reason = error.strerror or str(error)
            raise PortInUse(
                f"{setting}: cannot listen on {host}:{port}: {reason}. "
                f"Set {setting} to a free port."
            ) from error
        return int(held.getsockname()[1])
