"""The TCP ports that the programs of one start listen on: all free, and no two the same."""

import socket
from contextlib import ExitStack

from launch.errors import PortInUse


def claim_port(held: ExitStack, setting: str, host: str, port: int) -> int:
    """A port that can be listened on: `port`, or a free one for 0; nobody else's until `held` ends.

    Raises `PortInUse`, which names the setting.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    holder = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind((host, port))
        holder.listen()  # one that is only bound would be given out again
    except OSError as error:
        reason = error.strerror or str(error)
        raise PortInUse(
            f"{setting}: cannot listen on {host}:{port}: {reason}. Set {setting} to a free port."
        ) from error
    return int(holder.getsockname()[1])
