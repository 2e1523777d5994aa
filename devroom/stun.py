"""STUN binding requests and their answers (RFC 8489), as far as ICE-lite needs them.

Pure: bytes in, values out. Anything that is not a well-formed binding request is None, as it
may come from anyone.
"""

import binascii
import hashlib
import hmac
import ipaddress
import struct
from dataclasses import dataclass

Address = tuple[str, int]

_COOKIE = 0x2112A442
_FINGERPRINT_XOR = 0x5354554E
_BINDING_REQUEST = 0x0001
_BINDING_SUCCESS = 0x0101
_USERNAME = 0x0006
_MESSAGE_INTEGRITY = 0x0008
_XOR_MAPPED_ADDRESS = 0x0020
_USE_CANDIDATE = 0x0025
_FINGERPRINT = 0x8028
_HEADER_BYTES = 20
_INTEGRITY_BYTES = 24
_FINGERPRINT_BYTES = 8


@dataclass(frozen=True, slots=True)
class BindingRequest:
    """A connectivity check. `signed` is what MESSAGE-INTEGRITY covers, its length mended."""

    transaction_id: bytes
    local_ufrag: str
    use_candidate: bool
    signed: bytes
    integrity: bytes

    def is_signed_with(self, password: bytes) -> bool:
        digest = hmac.new(password, self.signed, hashlib.sha1).digest()
        return hmac.compare_digest(digest, self.integrity)


def parse_binding_request(data: bytes) -> BindingRequest | None:
    """A binding request with USERNAME and MESSAGE-INTEGRITY, else None."""
    if len(data) < _HEADER_BYTES:
        return None
    kind, length, cookie = struct.unpack_from("!HHI", data)
    if kind != _BINDING_REQUEST or cookie != _COOKIE or len(data) != _HEADER_BYTES + length:
        return None
    username: str | None = None
    use_candidate = False
    position = _HEADER_BYTES
    while position + 4 <= len(data):
        attribute, size = struct.unpack_from("!HH", data, position)
        value = data[position + 4 : position + 4 + size]
        if len(value) != size:
            return None
        if attribute == _USERNAME:
            username = value.decode("utf-8", "replace")
        elif attribute == _USE_CANDIDATE:
            use_candidate = True
        elif attribute == _MESSAGE_INTEGRITY:
            if username is None:
                return None
            covered = position - _HEADER_BYTES + _INTEGRITY_BYTES
            return BindingRequest(
                transaction_id=data[8:20],
                local_ufrag=username.partition(":")[0],
                use_candidate=use_candidate,
                signed=data[:2] + struct.pack("!H", covered) + data[4:position],
                integrity=value,
            )
        position += 4 + size + (-size % 4)
    return None


def binding_success(transaction_id: bytes, mapped: Address, password: bytes) -> bytes:
    """The answer to a check that came from `mapped`, signed and fingerprinted."""
    body = _attribute(_XOR_MAPPED_ADDRESS, _xor_address(transaction_id, mapped))
    header = _header(len(body) + _INTEGRITY_BYTES, transaction_id)
    digest = hmac.new(password, header + body, hashlib.sha1).digest()
    body += _attribute(_MESSAGE_INTEGRITY, digest)
    header = _header(len(body) + _FINGERPRINT_BYTES, transaction_id)
    checksum = binascii.crc32(header + body) ^ _FINGERPRINT_XOR
    return header + body + _attribute(_FINGERPRINT, struct.pack("!I", checksum))


def _header(length: int, transaction_id: bytes) -> bytes:
    return struct.pack("!HHI", _BINDING_SUCCESS, length, _COOKIE) + transaction_id


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + b"\0" * (-len(value) % 4)


def _xor_address(transaction_id: bytes, address: Address) -> bytes:
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    family = 1 if ip.version == 4 else 2
    mask = struct.pack("!I", _COOKIE) + transaction_id
    masked = bytes(a ^ b for a, b in zip(ip.packed, mask, strict=False))
    return struct.pack("!BBH", 0, family, address[1] ^ (_COOKIE >> 16)) + masked
