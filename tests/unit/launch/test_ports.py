"""The ports of one start."""

import socket
from contextlib import ExitStack

import pytest

from launch.errors import PortInUse
from launch.ports import claim_port

HERE = "127.0.0.1"


def test_a_port_in_use_is_named() -> None:
    """Catches a start that dies later, in some log, of a port that another program has."""
    with socket.socket() as taken, ExitStack() as held:
        taken.bind((HERE, 0))
        taken.listen()
        with pytest.raises(PortInUse, match="DEVROOM_PORT"):
            claim_port(held, "DEVROOM_PORT", HERE, taken.getsockname()[1])


def test_an_address_that_is_not_ours_is_named() -> None:
    """Catches a HOST of another machine that is answered by a traceback."""
    with ExitStack() as held, pytest.raises(PortInUse, match=r"192\.0\.2\.1"):
        claim_port(held, "PORT", "192.0.2.1", 0)


@pytest.mark.parametrize("other", [HERE, "0.0.0.0"])  # noqa: S104 - a host that users set
def test_one_port_for_two_settings(other: str) -> None:
    """Catches two programs that are told to listen on one port, and a start that waits in vain."""
    with ExitStack() as held:
        port = claim_port(held, "PORT", HERE, 0)
        with pytest.raises(PortInUse, match="DEVROOM_PORT"):
            claim_port(held, "DEVROOM_PORT", other, port)


def test_free_ports_are_not_those_that_are_claimed() -> None:
    """Catches a chosen port that is the page's own: the kernel gives out what nobody holds."""
    with ExitStack() as held:
        claimed = [claim_port(held, "REDIS_PORT", HERE, 0) for _ in range(200)]
    assert len(set(claimed)) == 200
    assert 0 not in claimed


def test_what_was_claimed_can_be_listened_on() -> None:
    """Catches a port that is held when its program comes for it."""
    with ExitStack() as held:
        port = claim_port(held, "PORT", HERE, 0)
    with socket.socket() as program:
        program.bind((HERE, port))
        program.listen()
