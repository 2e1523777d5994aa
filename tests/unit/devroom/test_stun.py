"""Connectivity checks, by the test vectors of RFC 5769 and as aioice reads the answers."""

import aioice.stun
import pytest

from devroom import stun

# RFC 5769, 2.1
PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae"
    "802200105354554e207465737420636c69656e74"
    "002400046e0001ff80290008932ff9b151263b36"
    "000600096576746a3a68367659202020"
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2"
    "80280004e57a3bcf"
)
TRANSACTION = REQUEST[8:20]
# RFC 5769, 2.2: the XOR-MAPPED-ADDRESS of the answer
MAPPED = ("192.0.2.1", 32853)
MAPPED_ATTRIBUTE = bytes.fromhex("002000080001a147e112a643")
# RFC 5769, 2.3
MAPPED_6 = ("2001:db8:1234:5678:11:2233:4455:6677", 32853)
MAPPED_6_ATTRIBUTE = bytes.fromhex("002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9")


def test_a_check_is_read() -> None:
    """Catches a check whose transport is not found, or whose signature is read wrongly."""
    request = stun.parse_binding_request(REQUEST)
    assert request is not None
    assert request.transaction_id == TRANSACTION
    assert request.local_ufrag == "evtj"
    assert not request.use_candidate
    assert request.is_signed_with(PASSWORD)


def test_a_check_with_another_password_is_not_genuine() -> None:
    """Catches datagrams of strangers that become somebody's path."""
    request = stun.parse_binding_request(REQUEST)
    assert request is not None
    assert not request.is_signed_with(b"another password")
    assert not request.is_signed_with(b"")
    tampered = stun.parse_binding_request(REQUEST.replace(b"STUN test", b"STUN fake"))
    assert tampered is not None
    assert not tampered.is_signed_with(PASSWORD)


def test_nomination() -> None:
    """Catches a client's choice of a path that is not followed."""
    message = aioice.stun.Message(
        aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST, transaction_id=TRANSACTION
    )
    message.attributes["USERNAME"] = "ours:theirs"
    message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(PASSWORD)
    message.add_fingerprint()
    request = stun.parse_binding_request(bytes(message))
    assert request is not None
    assert request.use_candidate
    assert request.local_ufrag == "ours"
    assert request.is_signed_with(PASSWORD)


@pytest.mark.parametrize("length", [*range(20), 21, 40, 60, 79, len(REQUEST) - 1])
def test_a_check_that_is_cut_short_is_none(length: int) -> None:
    """Catches a parser that reads past the end of what came."""
    assert stun.parse_binding_request(REQUEST[:length]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        REQUEST + b"\0",
        b"\x01\x01" + REQUEST[2:],
        REQUEST[:4] + b"\0\0\0\0" + REQUEST[8:],
        REQUEST.replace(bytes.fromhex("00060009"), bytes.fromhex("80070009")),
        REQUEST.replace(bytes.fromhex("80220010"), bytes.fromhex("8022ffff")),
    ],
    ids=["nothing", "longer", "an answer", "no cookie", "no user", "a length that lies"],
)
def test_what_is_no_check_is_none(data: bytes) -> None:
    """Catches an answer to anything but a check."""
    assert stun.parse_binding_request(data) is None


@pytest.mark.parametrize(
    ("mapped", "attribute"), [(MAPPED, MAPPED_ATTRIBUTE), (MAPPED_6, MAPPED_6_ATTRIBUTE)]
)
def test_the_answer(mapped: stun.Address, attribute: bytes) -> None:
    """Catches an answer that a client takes for somebody else's, or cannot verify."""
    answer = stun.binding_success(TRANSACTION, mapped, PASSWORD)
    assert attribute in answer
    read = aioice.stun.parse_message(answer)
    assert read.check_message_integrity(PASSWORD)
    assert read.message_class is aioice.stun.Class.RESPONSE
    assert read.transaction_id == TRANSACTION
    assert read.attributes["XOR-MAPPED-ADDRESS"] == mapped
    assert "FINGERPRINT" in read.attributes
