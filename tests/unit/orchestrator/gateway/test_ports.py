"""Connections to the ports that are listened on."""

import socket

import pytest

from orchestrator.ports import UNREAD_MS, listen
from orchestrator.settings import Settings
from tests.clients.stack import free_port


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux only")
def test_a_peer_that_takes_nothing_is_given_up() -> None:
    """Catches connections that stay for ever, with all that was sent, when nobody reads it."""
    settings = Settings.model_validate({"port": free_port(), "alias_ports": ()})
    (listener,) = listen(settings, print)
    with listener, socket.create_connection(("127.0.0.1", settings.port)):
        accepted, _ = listener.accept()
        with accepted:
            found = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert found == UNREAD_MS
