"""Session descriptions (RFC 8866, 8829): what LiveKit's clients write, and what they can read.

Pure: text in, values out and back. Only Opus and VP8 are spoken. Every section of a description
shares one transport (BUNDLE), the server is always ICE-lite, and the client's candidates are
never needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from devroom.errors import MalformedError

MID_EXTENSION = "urn:ietf:params:rtp-hdrext:sdes:mid"
LEVEL_EXTENSION = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
# Without the stream id one, Chrome's next offer after a camera is published throws.
ACCEPTED_EXTENSIONS = (
    MID_EXTENSION,
    LEVEL_EXTENSION,
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
)
MAX_MESSAGE_BYTES = 65536
_MAX_TEXT = 256 * 1024
_MAX_SECTIONS = 128
_VIDEO_FEEDBACK = ("nack", "nack pli", "ccm fir", "goog-remb")


class Kind(StrEnum):
    AUDIO = "audio"
    VIDEO = "video"
    APPLICATION = "application"


class Direction(StrEnum):
    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        return self in (Direction.SENDRECV, Direction.SENDONLY)


class Setup(StrEnum):
    """Who opens DTLS: `actpass` in an offer leaves it to the other side."""

    ACTPASS = "actpass"
    ACTIVE = "active"
    PASSIVE = "passive"


_CODECS = {Kind.AUDIO: "opus/48000/2", Kind.VIDEO: "VP8/90000"}
DEFAULT_PAYLOAD_TYPES = {Kind.AUDIO: 111, Kind.VIDEO: 96}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    algorithm: str
    value: str


@dataclass(frozen=True, slots=True)
class Section:
    """One m-section of a client's description. `payload_type` is our codec's, if it is there."""

    kind: Kind
    mid: str
    direction: Direction
    rejected: bool
    ufrag: str
    fingerprints: tuple[Fingerprint, ...]
    setup: Setup
    payload_type: int | None
    extensions: Mapping[str, int]
    track_id: str
    ssrc: int | None

    @property
    def accepted_extensions(self) -> tuple[tuple[int, str], ...]:
        return tuple(
            (self.extensions[uri], uri) for uri in ACCEPTED_EXTENSIONS if uri in self.extensions
        )


@dataclass(slots=True)
class _Draft:
    """A section while its lines are read; session-level values are its defaults."""

    kind: Kind | None = None
    port: str = "9"
    mid: str = ""
    direction: Direction = Direction.SENDRECV
    bundle_only: bool = False
    ufrag: str = ""
    fingerprints: list[Fingerprint] = field(default_factory=list)
    setup: Setup = Setup.ACTPASS
    codecs: dict[int, str] = field(default_factory=dict)
    extensions: dict[str, int] = field(default_factory=dict)
    track_id: str = ""
    ssrc: int | None = None

    def next_section(self, line: str) -> "_Draft":
        kind, port = line.split()[:2]
        return _Draft(
            Kind(kind),
            port,
            ufrag=self.ufrag,
            fingerprints=list(self.fingerprints),
            setup=self.setup,
        )

    def read(self, name: str, value: str) -> None:
        match name:
            case "mid":
                self.mid = value
            case "sendrecv" | "sendonly" | "recvonly" | "inactive":
                self.direction = Direction(name)
            case "bundle-only":
                self.bundle_only = True
            case "ice-ufrag":
                self.ufrag = value
            case "setup":
                self.setup = Setup(value)
            case "fingerprint":
                algorithm, digest = value.split()
                self.fingerprints.append(Fingerprint(algorithm.lower(), digest))
            case "msid":
                self.track_id = value.split()[-1]
            case _:
                self._read_codec_or_stream(name, value)

    def _read_codec_or_stream(self, name: str, value: str) -> None:
        match name:
            case "rtpmap":
                payload_type, codec = value.split(" ", 1)
                self.codecs[int(payload_type)] = codec.strip()
            case "extmap":
                number, uri = value.split()[:2]
                self.extensions[uri] = int(number.partition("/")[0])
            case "ssrc" if self.ssrc is None:
                self.ssrc = int(value.split()[0])

    def finish(self) -> Section:
        if self.kind is None or not self.mid:
            raise MalformedError("a media section has no mid")
        wanted = _CODECS.get(self.kind, "").lower()
        return Section(
            kind=self.kind,
            mid=self.mid,
            direction=self.direction,
            rejected=self.port == "0" and not self.bundle_only,
            ufrag=self.ufrag,
            fingerprints=tuple(self.fingerprints),
            setup=self.setup,
            payload_type=next((pt for pt, c in self.codecs.items() if c.lower() == wanted), None),
            extensions=self.extensions,
            track_id=self.track_id,
            ssrc=self.ssrc,
        )


def parse(text: str) -> tuple[Section, ...]:
    """The m-sections of a description, in order.

    Raises MalformedError, also for a description without sections, without DTLS fingerprint,
    with two equal mids, or larger than any client writes.
    """
    if len(text) > _MAX_TEXT:
        raise MalformedError("the session description is too long")
    try:
        sections = _parse(text)
    except (ValueError, IndexError) as error:
        raise MalformedError("the session description does not parse") from error
    mids = [section.mid for section in sections]
    if not 0 < len(sections) <= _MAX_SECTIONS or len(set(mids)) != len(mids):
        raise MalformedError("the session description's sections are not usable")
    if not sections[0].fingerprints or not sections[0].ufrag:
        raise MalformedError("the session description has no fingerprint or ICE credentials")
    return sections


def _parse(text: str) -> tuple[Section, ...]:
    session = _Draft()
    drafts: list[_Draft] = []
    for line in text.splitlines():
        if line.startswith("m="):
            drafts.append(session.next_section(line[2:]))
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            (drafts[-1] if drafts else session).read(name, value)
    return tuple(draft.finish() for draft in drafts)


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our side of a transport. `candidates` are whole `candidate:…` attribute values."""

    ufrag: str
    password: str
    fingerprint: Fingerprint
    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Media:
    """An audio or video section to write. A forwarded track has `msid` and `ssrc`."""

    kind: Kind
    mid: str
    direction: Direction
    payload_type: int
    parameters: str = ""
    extensions: tuple[tuple[int, str], ...] = ()
    msid: str = ""
    ssrc: int | None = None


@dataclass(frozen=True, slots=True)
class DataChannels:
    mid: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A section the client offered that is not spoken here, or no longer used by it."""

    kind: Kind
    mid: str


Line = Media | DataChannels | Rejected


def opus_parameters(*, dtx: bool = False, stereo: bool = False) -> str:
    """The fmtp value for Opus: in-band repair always, silence suppression and stereo if asked."""
    wanted = ["minptime=10", "useinbandfec=1"]
    if dtx:
        wanted.append("usedtx=1")
    if stereo:
        wanted.append("stereo=1")
    return ";".join(wanted)


def write(transport: LocalTransport, setup: Setup, version: int, lines: Sequence[Line]) -> str:
    """A description of ours with these sections, in order; `version` grows with each one."""
    bundled = " ".join(line.mid for line in lines if not isinstance(line, Rejected))
    fingerprint = transport.fingerprint
    out = [
        "v=0",
        f"o=- 1 {version} IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        f"a=group:BUNDLE {bundled}",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS *",
        f"a=fingerprint:{fingerprint.algorithm} {fingerprint.value}",
    ]
    for line in lines:
        out += _write_section(transport, setup, line)
    return "\r\n".join(out) + "\r\n"


def _write_section(transport: LocalTransport, setup: Setup, line: Line) -> list[str]:
    match line:
        case Rejected(kind, mid):
            profile = "UDP/DTLS/SCTP webrtc-datachannel"
            if kind is not Kind.APPLICATION:
                profile = "UDP/TLS/RTP/SAVPF 0"
            return [f"m={kind} 0 {profile}", "c=IN IP4 0.0.0.0", f"a=mid:{mid}", "a=inactive"]
        case DataChannels(mid):
            return [
                "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
                *_write_transport(transport, setup, mid),
                "a=sctp-port:5000",
                f"a=max-message-size:{MAX_MESSAGE_BYTES}",
            ]
        case Media():
            return [
                f"m={line.kind} 9 UDP/TLS/RTP/SAVPF {line.payload_type}",
                *_write_transport(transport, setup, line.mid),
                *_write_media(line),
            ]


def _write_transport(transport: LocalTransport, setup: Setup, mid: str) -> list[str]:
    return [
        "c=IN IP4 0.0.0.0",
        f"a=mid:{mid}",
        f"a=ice-ufrag:{transport.ufrag}",
        f"a=ice-pwd:{transport.password}",
        f"a=setup:{setup}",
        *(f"a={candidate}" for candidate in transport.candidates),
        "a=end-of-candidates",
    ]


def _write_media(media: Media) -> list[str]:
    payload_type = media.payload_type
    out = [
        f"a={media.direction}",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        f"a=rtpmap:{payload_type} {_CODECS[media.kind]}",
    ]
    if media.parameters:
        out.append(f"a=fmtp:{payload_type} {media.parameters}")
    if media.kind is Kind.VIDEO:
        out += [f"a=rtcp-fb:{payload_type} {feedback}" for feedback in _VIDEO_FEEDBACK]
    out += [f"a=extmap:{number} {uri}" for number, uri in media.extensions]
    if media.msid:
        out.append(f"a=msid:{media.msid}")
    if media.ssrc is not None:
        out.append(f"a=ssrc:{media.ssrc} cname:{media.msid.split(' ')[0] or 'devroom'}")
    return out
