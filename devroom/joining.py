"""What a client says when it opens its signalling connection. Pure.

`/rtc` says it in the query; `/rtc/v1`, for clients with a single connection, in a protobuf
message within the query, with its first offer and tracks.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError
from livekit.protocol.models import ClientInfo
from livekit.protocol.rtc import (
    AddTrackRequest,
    JoinRequest,
    SessionDescription,
    WrappedJoinRequest,
)

from devroom.errors import MalformedError

_GZIP_WINDOW = 31
_TRUE = ("1", "true")


@dataclass(frozen=True, slots=True)
class Hello:
    """`resumed_sid` is whom a reconnecting client says it is, empty if it does not say."""

    client: ClientInfo
    single: bool
    auto_subscribe: bool
    reconnect: bool = False
    resumed_sid: str = ""
    tracks: tuple[AddTrackRequest, ...] = ()
    offer: SessionDescription = field(default_factory=SessionDescription)


def from_query(query: Mapping[str, str]) -> Hello:
    client = ClientInfo(
        version=query.get("version", ""),
        protocol=_number(query.get("protocol", "")),
        client_protocol=_number(query.get("client_protocol", "")),
    )
    known = ClientInfo.Capability.keys()
    names = [name for name in query.get("capabilities", "").split(",") if name in known]
    client.MergeFrom(ClientInfo(capabilities=names))
    return Hello(
        client=client,
        single=False,
        auto_subscribe=query.get("auto_subscribe", "1") in _TRUE,
        reconnect=query.get("reconnect", "") in _TRUE,
        resumed_sid=query.get("sid", ""),
    )


def from_join_request(encoded: str, max_bytes: int) -> Hello:
    """Raises MalformedError, also for a request that inflates to more than `max_bytes`."""
    if not encoded:
        raise MalformedError("join_request is required")
    wrapped, request = WrappedJoinRequest(), JoinRequest()
    try:
        padded = encoded + "=" * (-len(encoded) % 4)
        wrapped.ParseFromString(base64.b64decode(padded, altchars=b"-_", validate=True))
        body = wrapped.join_request
        if wrapped.compression == WrappedJoinRequest.GZIP:
            inflater = zlib.decompressobj(_GZIP_WINDOW)
            body = inflater.decompress(body, max_bytes)
            if not inflater.eof:
                raise MalformedError("join request too large, or cut short")
        request.ParseFromString(body)
    except (binascii.Error, zlib.error, DecodeError, ValueError) as error:
        raise MalformedError("cannot decode join request") from error
    return Hello(
        client=request.client_info,
        single=True,
        auto_subscribe=request.connection_settings.auto_subscribe,
        reconnect=request.reconnect,
        resumed_sid=request.participant_sid,
        tracks=tuple(request.add_track_requests),
        offer=request.publisher_offer,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
