"""Framing of the host's socket."""

import pytest

from agent.host.lines import Lines, LineTooLong


def test_cut_anywhere() -> None:
    """Catches a request that is lost or torn when it comes in pieces."""
    stream = b'{"op":"status"}\n\n{"op":"drain"}\nrest'
    for at in range(len(stream) + 1):
        lines = Lines(100)
        assert lines.feed(stream[:at]) + lines.feed(stream[at:]) == [
            b'{"op":"status"}',
            b"",
            b'{"op":"drain"}',
        ]


def test_a_byte_at_a_time() -> None:
    """Catches a scan that misses the end of a line that came alone."""
    lines = Lines(100)
    found = [line for byte in b"ab\ncd\n" for line in lines.feed(bytes([byte]))]
    assert found == [b"ab", b"cd"]


def test_a_line_of_just_the_limit() -> None:
    """Catches a limit that is off by one."""
    assert Lines(4).feed(b"1234\n") == [b"1234"]
    with pytest.raises(LineTooLong):
        Lines(4).feed(b"12345\n")


def test_a_line_that_never_ends() -> None:
    """Catches a client that fills the host's memory."""
    lines = Lines(4)
    lines.feed(b"1234")
    with pytest.raises(LineTooLong):
        lines.feed(b"5")
