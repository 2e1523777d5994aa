"""The ports that the API listens on: its own, and those that existing clients have built in."""

import socket
from collections.abc import Callable

from orchestrator.settings import Settings

BACKLOG = 2048

UNREAD_MS = 30_000
"""A peer that takes nothing for so long is gone, or behaves so. Closing waits until what was sent
has been taken, so without this its connection would stay, and what waits for it."""


class PortTaken(Exception):
    """`PORT` itself cannot be listened on."""


def alias_ports(settings: Settings) -> tuple[int, ...]:
    """Each once, and not the one that is served anyway."""
    return tuple(port for port in dict.fromkeys(settings.alias_ports) if port != settings.port)


def listen(settings: Settings, tell: Callable[[str], None]) -> list[socket.socket]:
    """Sockets for `PORT` and for every alias that is free; `tell` is told of one that is not.

    Raises `PortTaken`.
    """
    try:
        sockets = [_bound(settings.host, settings.port)]
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise PortTaken(f"PORT: cannot listen on {where}: {error.strerror}") from error
    for port in alias_ports(settings):
        try:
            sockets.append(_bound(settings.host, port))
        except OSError as error:
            tell(f"ALIAS_PORTS: {settings.host}:{port} is skipped: {error.strerror}")
    return sockets


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        # connections have it from their listener; not every system knows it
        if (unread := getattr(socket, "TCP_USER_TIMEOUT", None)) is not None:
            bound.setsockopt(socket.IPPROTO_TCP, unread, UNREAD_MS)
        # only listening tells of a port that somebody else listens on as well
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    bound.set_inheritable(True)
    return bound
