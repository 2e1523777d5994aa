"""Session descriptions: what clients write is read, and what we write can be read again."""

from itertools import pairwise

import pytest

from devroom import sdp
from devroom.errors import MalformedError
from devroom.sdp import Direction, Fingerprint, Kind, Setup
from tests.unit.devroom.parts import (
    FINGERPRINT,
    LEVEL,
    MID,
    OPUS,
    audio,
    description,
    video,
)

TRANSPORT = sdp.LocalTransport(
    ufrag="ours",
    password="a password of twenty-two",
    fingerprint=Fingerprint("sha-256", "CD:EF"),
    candidates=("candidate:1 1 udp 1 192.0.2.1 7882 typ host",),
)
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"

# As Chromium writes it, shortened: session-level values are none, sections carry their own.
BROWSER = """\
v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=msid-semantic: WMS
m=application 9 UDP/DTLS/SCTP webrtc-datachannel
c=IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 a.local 50000 typ host generation 0
a=ice-ufrag:brow
a=ice-pwd:a password of the browser
a=ice-options:trickle
a=fingerprint:SHA-256 AA:BB
a=setup:active
a=mid:0
a=sctp-port:5000
m=audio 9 UDP/TLS/RTP/SAVPF 63 111
c=IN IP4 0.0.0.0
a=ice-ufrag:brow
a=ice-pwd:a password of the browser
a=fingerprint:SHA-256 AA:BB
a=setup:active
a=mid:1
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=extmap:2/sendonly http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time
a=extmap:10/sendrecv urn:ietf:params:rtp-hdrext:sdes:mid
a=sendonly
a=msid:a-stream the-track
a=rtcp-mux
a=rtpmap:63 red/48000/2
a=rtpmap:111 OPUS/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=ssrc:42 cname:x
a=ssrc:43 cname:x
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_browser_s_description(line_end: str) -> None:
    """Catches a value that is read from the wrong line, or written otherwise than expected."""
    data, sound = sdp.parse(BROWSER.replace("\n", line_end))
    assert (data.kind, data.mid, data.ufrag, data.setup) == (
        Kind.APPLICATION,
        "0",
        "brow",
        Setup.ACTIVE,
    )
    assert data.fingerprints == (Fingerprint("sha-256", "AA:BB"),)
    assert (sound.kind, sound.mid, sound.direction) == (Kind.AUDIO, "1", Direction.SENDONLY)
    assert (sound.track_id, sound.ssrc, sound.payload_type) == ("the-track", 42, 111)
    assert sound.accepted_extensions == ((10, sdp.MID_EXTENSION), (1, sdp.LEVEL_EXTENSION))
    assert not sound.rejected


def test_what_the_session_says_holds_for_every_section() -> None:
    """Catches native clients, which say who they are once."""
    for section in sdp.parse(description(audio("0", "sendrecv"), video("1", "recvonly"))):
        assert section.ufrag == "user"
        assert section.fingerprints == (Fingerprint(*FINGERPRINT.split()),)
        assert section.setup is Setup.ACTPASS


@pytest.mark.parametrize(
    ("direction", "sends"),
    [("sendrecv", True), ("sendonly", True), ("recvonly", False), ("inactive", False)],
)
def test_directions(direction: str, sends: bool) -> None:
    """Catches a track that is published, or not, against the client's will."""
    (section,) = sdp.parse(description(audio("0", direction)))
    assert section.direction.sends is sends


def test_a_section_that_is_only_bundled_is_not_rejected() -> None:
    """Catches sections with port 0, which mean no and, when bundle-only, yes."""
    rejected = ["m=audio 0 UDP/TLS/RTP/SAVPF 111", "a=mid:0", OPUS]
    bundled = ["m=audio 0 UDP/TLS/RTP/SAVPF 111", "a=mid:1", "a=bundle-only", OPUS]
    assert [s.rejected for s in sdp.parse(description(rejected, bundled))] == [True, False]


def test_a_codec_that_is_not_spoken_has_no_payload_type() -> None:
    """Catches H.264 forwarded under the number of VP8."""
    h264 = ["m=video 9 UDP/TLS/RTP/SAVPF 102", "a=mid:0", "a=sendonly", "a=rtpmap:102 H264/90000"]
    (section,) = sdp.parse(description(h264))
    assert section.payload_type is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=0\r\n",
        description(),
        description(["m=audio 9 UDP/TLS/RTP/SAVPF 111", OPUS]),
        description(audio("0", "sendrecv"), audio("0", "sendrecv")),
        description(["m=telepathy 9 X 1", "a=mid:0"]),
        description(["m=audio", "a=mid:0"]),
        description([*audio("0", "sendrecv"), "a=rtpmap:x opus/48000/2"]),
        description([*audio("0", "sendrecv"), "a=ssrc:"]),
        description([*audio("0", "sendrecv"), "a=setup:perhaps"]),
        description([*audio("0", "sendrecv"), "a=fingerprint:sha-256"]),
        description([*audio("0", "sendrecv"), "a=msid:"]),
        description(audio("0", "sendrecv")).replace("a=ice-ufrag:user\r\n", ""),
        description(audio("0", "sendrecv")).replace(f"a=fingerprint:{FINGERPRINT}\r\n", ""),
        description(*(audio(str(n), "recvonly") for n in range(129))),
        description(audio("0", "sendrecv", "a=x:" + "y" * 300_000)),
    ],
)
def test_what_does_not_parse_is_refused(text: str) -> None:
    """Catches a description that ends in a traceback, or in a transport that nobody can use."""
    with pytest.raises(MalformedError):
        sdp.parse(text)


def test_what_we_write_can_be_read() -> None:
    """Catches a section, or a line of one, that goes missing on the way to a client."""
    lines: list[sdp.Line] = [
        sdp.DataChannels("0"),
        sdp.Media(
            Kind.AUDIO,
            "1",
            Direction.SENDONLY,
            111,
            sdp.opus_parameters(dtx=True, stereo=True),
            ((4, sdp.MID_EXTENSION),),
            msid="PA_1|TR_1 TR_1",
            ssrc=99,
        ),
        sdp.Media(Kind.VIDEO, "2", Direction.INACTIVE, 96),
        sdp.Rejected(Kind.VIDEO, "3"),
    ]
    text = sdp.write(TRANSPORT, Setup.PASSIVE, 5, lines)
    data, sound, picture, refused = sdp.parse(text)
    assert [s.mid for s in (data, sound, picture, refused)] == ["0", "1", "2", "3"]
    assert (sound.direction, sound.payload_type) == (Direction.SENDONLY, 111)
    assert (sound.track_id, sound.ssrc) == ("TR_1", 99)
    assert sound.accepted_extensions == ((4, sdp.MID_EXTENSION),)
    assert (picture.direction, picture.track_id, picture.ssrc) == (Direction.INACTIVE, "", None)
    assert refused.rejected
    assert {s.ufrag for s in (data, sound, picture)} == {"ours"}
    assert data.setup is Setup.PASSIVE


def test_how_we_write() -> None:
    """Catches what no parser of ours looks at and clients do."""
    lines: list[sdp.Line] = [
        sdp.DataChannels("0"),
        sdp.Media(Kind.AUDIO, "1", Direction.RECVONLY, 111, sdp.opus_parameters()),
        sdp.Rejected(Kind.VIDEO, "2"),
    ]
    text = sdp.write(TRANSPORT, Setup.ACTPASS, 3, lines)
    assert text.endswith("\r\n")
    written = text.split("\r\n")
    assert written[:2] == ["v=0", "o=- 1 3 IN IP4 127.0.0.1"]
    assert "a=ice-lite" in written
    assert "a=group:BUNDLE 0 1" in written  # a rejected section is in no bundle
    assert "a=fmtp:111 minptime=10;useinbandfec=1" in written
    assert written.count("a=candidate:1 1 udp 1 192.0.2.1 7882 typ host") == 2
    assert ("a=candidate:1 1 udp 1 192.0.2.1 7882 typ host", "a=end-of-candidates") in set(
        pairwise(written)
    )
    assert written.count("a=setup:actpass") == 2
    assert f"a=max-message-size:{sdp.MAX_MESSAGE_BYTES}" in written


def test_only_known_extensions_are_accepted() -> None:
    """Catches extensions that a browser then sends and nobody reads, or its wish for simulcast."""
    lines = [LEVEL, MID, f"a=extmap:5 {RID}", "a=extmap:6 urn:3gpp:video-orientation"]
    (section,) = sdp.parse(description(audio("0", "sendonly", *lines)))
    assert dict(section.accepted_extensions) == {
        1: sdp.LEVEL_EXTENSION,
        4: sdp.MID_EXTENSION,
        5: RID,
    }
