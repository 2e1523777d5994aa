"""Access tokens: who is calling and what they may do (LiveKit's JWT claims).

A token is HS256, signed with the API secret, its `iss` is the API key, and it must expire.
Claims come from outside and are checked by pydantic; inside they are `Grants`.
"""

import base64
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import jwt
from google.protobuf import json_format
from livekit.protocol.models import ParticipantInfo, ParticipantPermission, TrackSource
from livekit.protocol.room import RoomConfiguration
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.alias_generators import to_camel

from devroom.errors import TokenError

_LEEWAY_S = 60
_WEBHOOK_TOKEN_S = 300
_RENEWED_TOKEN_S = 600
NOT_PERMITTED = "permissions denied"


class _Edge(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")


class _VideoClaims(_Edge):
    """LiveKit's `video` claim. Unset publish and subscribe permissions mean yes."""

    room: str = ""
    room_join: bool = False
    room_create: bool = False
    room_list: bool = False
    room_admin: bool = False
    can_publish: bool | None = None
    can_subscribe: bool | None = None
    can_publish_data: bool | None = None
    can_publish_sources: list[str] | None = None
    can_update_own_metadata: bool | None = None
    can_subscribe_metrics: bool | None = None
    hidden: bool | None = None
    recorder: bool | None = None
    agent: bool | None = None


class _Claims(_Edge):
    sub: str = ""
    name: str = ""
    kind: str = ""
    metadata: str = ""
    attributes: dict[str, str] | None = None
    video: _VideoClaims | None = None
    room_config: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Grants:
    """What a verified token says.

    `room` is the only room its room permissions hold for; `kind` is a name of
    `ParticipantInfo.Kind`; `claims` are the token's own, to make another of the same.
    """

    identity: str
    name: str
    metadata: str
    attributes: Mapping[str, str]
    kind: str
    room: str
    room_join: bool
    room_create: bool
    room_list: bool
    room_admin: bool
    permission: ParticipantPermission
    room_config: RoomConfiguration
    claims: Mapping[str, object] = field(repr=False)

    def require_join(self) -> None:
        if not (self.room_join and self.room and self.identity):
            raise TokenError(NOT_PERMITTED)

    def require_create(self) -> None:
        if not self.room_create:
            raise TokenError(NOT_PERMITTED)

    def require_list(self) -> None:
        if not self.room_list:
            raise TokenError(NOT_PERMITTED)

    def require_admin(self, room: str) -> None:
        if not self.room_admin or self.room != room:
            raise TokenError(NOT_PERMITTED)


def may_publish(permission: ParticipantPermission, source: TrackSource) -> bool:
    """Whether a track from this source may be published; a list of sources leaves out others."""
    sources = permission.can_publish_sources
    return permission.can_publish and (not sources or source in sources)


class Keys:
    """The one API key and secret: checks callers' tokens, signs our own."""

    def __init__(self, api_key: str, api_secret: SecretStr) -> None:
        self._key = api_key
        self._secret = api_secret

    def verify(self, token: str) -> Grants:
        """Raises TokenError for whatever is wrong with it; the message names no secret."""
        if not token:
            raise TokenError(NOT_PERMITTED)
        try:
            raw = jwt.decode(
                token,
                self._secret.get_secret_value(),
                algorithms=["HS256"],
                issuer=self._key,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss"], "verify_aud": False},
            )
            return _grants(_Claims.model_validate(raw), raw)
        except jwt.PyJWTError as error:
            raise TokenError(f"invalid authorization token: {error}") from error
        except (ValidationError, ValueError, json_format.ParseError) as error:
            raise TokenError("invalid authorization token: malformed claims") from error

    def renew(self, grants: Grants) -> str:
        """A token that says the same and is good for longer, for who is in the room by it."""
        now = int(time.time())
        claims = {**grants.claims, "nbf": now, "exp": now + _RENEWED_TOKEN_S}
        return jwt.encode(claims, self._secret.get_secret_value(), algorithm="HS256")

    def sign_body(self, body: bytes) -> str:
        """A short token that vouches for a webhook's body by its SHA-256."""
        now = int(time.time())
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        claims = {"iss": self._key, "nbf": now, "exp": now + _WEBHOOK_TOKEN_S, "sha256": digest}
        return jwt.encode(claims, self._secret.get_secret_value(), algorithm="HS256")


def _grants(claims: _Claims, raw: Mapping[str, object]) -> Grants:
    video = claims.video or _VideoClaims()
    config = RoomConfiguration()
    if claims.room_config:
        json_format.ParseDict(claims.room_config, config, ignore_unknown_fields=True)
    kind = claims.kind.upper() or "STANDARD"
    ParticipantInfo.Kind.Value(kind)
    return Grants(
        identity=claims.sub,
        name=claims.name,
        metadata=claims.metadata,
        attributes=claims.attributes or {},
        kind=kind,
        room=video.room,
        room_join=video.room_join,
        room_create=video.room_create,
        room_list=video.room_list,
        room_admin=video.room_admin,
        permission=_permission(video),
        room_config=config,
        claims=raw,
    )


def _permission(video: _VideoClaims) -> ParticipantPermission:
    def allowed(value: bool | None) -> bool:
        return value is None or value

    return ParticipantPermission(
        can_subscribe=allowed(video.can_subscribe),
        can_publish=allowed(video.can_publish),
        can_publish_data=(
            allowed(video.can_publish) if video.can_publish_data is None else video.can_publish_data
        ),
        can_publish_sources=[source.upper() for source in video.can_publish_sources or ()],
        can_update_metadata=bool(video.can_update_own_metadata),
        can_subscribe_metrics=bool(video.can_subscribe_metrics),
        hidden=bool(video.hidden),
        recorder=bool(video.recorder),
        agent=bool(video.agent),
    )
