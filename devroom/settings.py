"""What one devroom process is told, and the bounds it keeps; read once, passed in."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of each thing one client or caller may make the server hold."""

    rooms: int = 1000
    participants_per_room: int = 200
    tracks_per_participant: int = 32
    room_name_chars: int = 256
    identity_chars: int = 256
    name_chars: int = 256
    metadata_bytes: int = 64_000
    attributes_bytes: int = 64_000
    request_body_bytes: int = 1_000_000
    join_request_bytes: int = 1_000_000
    signal_message_bytes: int = 512 * 1024
    signal_backlog_bytes: int = 4_000_000
    data_backlog_bytes: int = 4_000_000
    webhook_backlog: int = 500


@dataclass(frozen=True, slots=True)
class Timing:
    """All in seconds. The pings are what clients are told to send and how long to wait.

    `resume_s` is how long a participant whose signalling link broke may come back, and
    `resume_with_media_s` while its media still answers, that is until connectivity checks, which
    come every 1 to 3 s, have been missing for `media_silent_s`. After `media_lost_s` without
    them a client whose link works is asked to resume.
    """

    tick_s: float = 0.5
    ping_interval_s: int = 5
    ping_timeout_s: int = 15
    join_s: float = 30.0
    resume_s: float = 8.0
    resume_with_media_s: float = 30.0
    media_silent_s: float = 6.0
    media_lost_s: float = 25.0
    shutdown_s: float = 1.0
    renew_token_s: float = 300.0
    empty_room_s: int = 300
    departed_room_s: int = 20


@dataclass(frozen=True, slots=True)
class Tls:
    """A second way in, for clients that must come by wss. The files are PEM."""

    port: int
    cert_file: Path
    key_file: Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses and credentials. A port of 0 is any free one; None switches the way off."""

    api_key: str
    api_secret: SecretStr
    host: str = "127.0.0.1"
    port: int = 7880
    udp_port: int | None = 0
    tcp_port: int | None = 0
    advertised: tuple[str, ...] = ()
    webhook_urls: tuple[str, ...] = ()
    webhook_cert: Path | None = None
    """The one certificate to accept from `webhook_urls`, whatever name it bears; None: as usual."""
    tls: Tls | None = None
    bounds: Bounds = field(default_factory=Bounds)
    timing: Timing = field(default_factory=Timing)
