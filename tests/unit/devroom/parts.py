"""Tokens, clocks, links and members for devroom's tests: everything but sockets."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from livekit.protocol.models import ClientInfo, ParticipantInfo, TrackSource, TrackType
from livekit.protocol.room import RoomConfiguration
from livekit.protocol.rtc import AddTrackRequest, SessionDescription, SignalResponse
from livekit.protocol.webhook import WebhookEvent
from pydantic import SecretStr

from devroom.ice import IceRegistry
from devroom.participant import Media, Participant
from devroom.room import Room
from devroom.rooms import Rooms
from devroom.settings import Bounds, Timing
from devroom.tokens import Grants, Keys
from devroom.transport import Certificate, PeerTransport
from devroom.webhooks import Notifier

KEY = "APItest"
SECRET = "a secret of these tests, and long enough"
KEYS = Keys(KEY, SecretStr(SECRET))
JOIN: Mapping[str, object] = {"room": "room", "roomJoin": True}


def token(
    identity: str = "someone",
    *,
    video: Mapping[str, object] = JOIN,
    secret: str = SECRET,
    algorithm: str = "HS256",
    **claims: object,
) -> str:
    """A token as LiveKit's SDKs make them; a claim that is None is left out."""
    now = int(time.time())
    told = {"iss": KEY, "sub": identity, "nbf": now, "exp": now + 600, "video": video, **claims}
    whole = {name: value for name, value in told.items() if value is not None}
    return jwt.encode(whole, secret, algorithm=algorithm)


def grants(identity: str = "someone", /, **video: object) -> Grants:
    """What a token with these video grants besides the right to join says."""
    return KEYS.verify(token(identity, video={**JOIN, **video}))


@dataclass
class Clock:
    """A clock that goes on only when told to."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class RecordingSink:
    """Takes webhooks' events."""

    events: list[WebhookEvent] = field(default_factory=list)

    def send(self, event: WebhookEvent) -> None:
        own = WebhookEvent()
        own.CopyFrom(event)
        self.events.append(own)

    @property
    def names(self) -> list[str]:
        """The kinds of the events, in order."""
        return [event.event for event in self.events]


@dataclass
class RecordingLink:
    """A signalling connection that keeps what is sent."""

    sent: list[SignalResponse] = field(default_factory=list)
    closed: bool = False

    def send(self, response: SignalResponse) -> None:
        own = SignalResponse()
        own.CopyFrom(response)
        self.sent.append(own)

    def close(self) -> None:
        self.closed = True

    @property
    def kinds(self) -> list[str]:
        """The kinds of the messages, in order."""
        return [response.WhichOneof("message") or "" for response in self.sent]

    def of(self, kind: str) -> list[SignalResponse]:
        """The messages of one kind, in order."""
        return [response for response in self.sent if response.WhichOneof("message") == kind]

    def updates_of(self, sid: str) -> list[ParticipantInfo]:
        """What was told of one participant, in order."""
        updates = [one for response in self.of("update") for one in response.update.participants]
        return [info for info in updates if info.sid == sid]


@dataclass
class House:
    """Rooms without a server around them."""

    clock: Clock = field(default_factory=Clock)
    hooks: RecordingSink = field(default_factory=RecordingSink)
    bounds: Bounds = field(default_factory=Bounds)
    timing: Timing = field(default_factory=Timing)
    media: Media = field(init=False)
    rooms: Rooms = field(init=False)

    def __post_init__(self) -> None:
        self.media = Media(IceRegistry(self.clock))
        self.rooms = Rooms(self.bounds, self.timing, Notifier([self.hooks]), self.clock)

    def room(self, name: str = "room", **config: object) -> Room:
        """The room of this name; made with this configuration."""
        return self.rooms.get_or_create(name, RoomConfiguration(**config))  # type: ignore[arg-type]  # protobuf checks

    def member(
        self, identity: str, /, *, single: bool = False, auto: bool = True, **video: Any
    ) -> tuple[Participant, RecordingLink]:
        """Somebody in the room, by a token with these grants."""
        room = self.room()
        participant = Participant(
            room,
            grants(identity, **video),
            ClientInfo(),
            self.media,
            self.bounds,
            single=single,
            auto_subscribe=auto,
        )
        room.add(participant)
        link = RecordingLink()
        participant.attach(link)
        return participant, link


FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
OPUS = "a=rtpmap:111 opus/48000/2"
VP8 = "a=rtpmap:96 VP8/90000"
LEVEL = "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level"
MID = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid"


def audio(mid: str, direction: str, *more: str) -> list[str]:
    """An audio section of a client's."""
    return [
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 63",
        f"a=mid:{mid}",
        f"a={direction}",
        OPUS,
        "a=rtpmap:63 red/48000/2",
        *more,
    ]


def video(mid: str, direction: str, *more: str) -> list[str]:
    """A video section of a client's."""
    return ["m=video 9 UDP/TLS/RTP/SAVPF 96 97", f"a=mid:{mid}", f"a={direction}", VP8, *more]


def application(mid: str) -> list[str]:
    """A client's section of data channels."""
    return ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", f"a=mid:{mid}", "a=sctp-port:5000"]


def description(*sections: list[str], ufrag: str = "user") -> str:
    """A client's description with these sections."""
    head = [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        f"a=ice-ufrag:{ufrag}",
        "a=ice-pwd:a password of twenty-two",
        f"a=fingerprint:{FINGERPRINT}",
        "a=setup:actpass",
    ]
    return "\r\n".join([*head, *(line for section in sections for line in section)]) + "\r\n"


def offer(*sections: list[str], number: int = 1, ufrag: str = "user") -> SessionDescription:
    """A client's offer."""
    return SessionDescription(type="offer", id=number, sdp=description(*sections, ufrag=ufrag))


def microphone(cid: str = "cid-1") -> AddTrackRequest:
    """An announced microphone."""
    return AddTrackRequest(cid=cid, type=TrackType.AUDIO, source=TrackSource.MICROPHONE)


def camera(cid: str = "cid-2") -> AddTrackRequest:
    """An announced camera."""
    return AddTrackRequest(cid=cid, type=TrackType.VIDEO, source=TrackSource.CAMERA)


def publish(participant: Participant, mid: str = "0", cid: str = "cid-1") -> str:
    """Have a microphone published; its sid."""
    participant.publisher.announce(microphone(cid))
    ssrc = 1000 + sum(cid.encode())
    sending = audio(mid, "sendonly", f"a=msid:- {cid}", f"a=ssrc:{ssrc} cname:c", LEVEL, MID)
    participant.offer_received(offer(sending))
    (track,) = participant.publisher.tracks
    return track.sid


CERTIFICATE = Certificate()


class Nobody:
    """Owns a transport and does not care."""

    def rtp_received(self, packet: bytes) -> None: ...
    def rtcp_received(self, packet: bytes) -> None: ...
    def data_received(self, label: str, message: bytes) -> None: ...
    def channel_opened(self, label: str) -> None: ...
    def connected(self, transport: PeerTransport) -> None: ...


class Transport(PeerTransport):
    """A transport that is connected when it is said to be, and keeps what it sends."""

    up = False

    def __init__(self) -> None:
        super().__init__(IceRegistry(), CERTIFICATE, Nobody())
        self.sent: list[bytes] = []

    @property
    def is_connected(self) -> bool:
        return self.up

    def send_rtp(self, packet: bytes) -> None:
        self.sent.append(packet)

    def send_rtcp(self, packet: bytes) -> None:
        self.sent.append(packet)
