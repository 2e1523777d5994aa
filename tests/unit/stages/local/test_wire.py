"""Frames and messages between agents and local speech servers."""

import struct

import pytest

from agent.stages.local.messages import (
    MAX_TEXT_CHARS,
    RECOGNIZER_REPLIES,
    RECOGNIZER_REQUESTS,
    SYNTHESIZER_REQUESTS,
    Audio,
    Cancel,
    EndUtterance,
    Final,
    Open,
    Opened,
    Partial,
    Refused,
    Speak,
    pack,
    unpack,
)
from agent.stages.local.wire import (
    MAX_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    Frame,
    FrameDecoder,
    WireError,
    encode,
)


def test_frames_survive_any_cutting() -> None:
    """Catches a decoder that takes a read for a frame."""
    sent = [Frame(b"{}"), Frame(b'{"a":1}', b"\x00\x01" * 50), Frame(b"", b"")]
    stream = b"".join(map(encode, sent))
    for step in (1, 7, 64, len(stream)):
        decoder = FrameDecoder()
        got = [f for at in range(0, len(stream), step) for f in decoder.feed(stream[at:][:step])]
        assert got == sent


@pytest.mark.parametrize(
    "lengths", [(MAX_HEADER_BYTES + 1, 0), (0, MAX_PAYLOAD_BYTES + 1), (0xFFFFFFFF, 0xFFFFFFFF)]
)
def test_lengths_out_of_bounds_are_refused_at_once(lengths: tuple[int, int]) -> None:
    """Catches a peer that makes us wait for, and keep, gigabytes."""
    with pytest.raises(WireError):
        FrameDecoder().feed(struct.pack("!II", *lengths))
    with pytest.raises(WireError):
        encode(Frame(b"x" * (MAX_HEADER_BYTES + 1)))


def test_messages_survive_the_wire() -> None:
    """Catches a field that one side does not know."""
    for message in (Open("default"), Audio(b"\x01\x02"), EndUtterance()):
        [frame] = FrameDecoder().feed(pack(message))
        assert unpack(RECOGNIZER_REQUESTS, frame) == message
    for reply in (Opened(""), Partial("hello"), Final("مرحبا", 0.5, 1.5), Refused("no", True)):
        [frame] = FrameDecoder().feed(pack(reply))
        assert unpack(RECOGNIZER_REPLIES, frame) == reply
    for request in (Speak("مرحبا", "ar+f3", 170, 60), Cancel()):
        [frame] = FrameDecoder().feed(pack(request))
        assert unpack(SYNTHESIZER_REQUESTS, frame) == request


@pytest.mark.parametrize(
    "frame",
    [
        Frame(b"not json"),
        Frame(b"[" * 60_000),
        Frame(b"[]"),
        Frame(b"\xff\xfe"),
        Frame(b"{}"),
        Frame(b'{"type":"shout"}'),
        Frame(b'{"type":"speak","text":"x","voice":"../../etc"}'),
        Frame(b'{"type":"speak","text":"x","voice":"en","rate_wpm":100000}'),
        Frame(b'{"type":"cancel"}', b"audio"),
        Frame(b'{"type":"speak","text":"' + b"x" * (MAX_TEXT_CHARS + 1) + b'","voice":"en"}'),
    ],
)
def test_hostile_messages_are_wire_errors(frame: Frame) -> None:
    """Catches input that ends a server with some other error."""
    with pytest.raises(WireError):
        unpack(SYNTHESIZER_REQUESTS, frame)


@pytest.mark.parametrize("name", ["../x", "A", "x/y", "-x", "x" * 65])
def test_a_collection_is_a_name_and_no_path(name: str) -> None:
    """Catches a peer that names a file."""
    frame = Frame(b'{"type":"open","collection":"' + name.encode() + b'"}')
    with pytest.raises(WireError):
        unpack(RECOGNIZER_REQUESTS, frame)
