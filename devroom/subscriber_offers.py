"""Receiving on a connection of its own: the server offers, the client answers.

A section is never used twice: native clients tell of a track only on a new one, so a track that
went leaves an inactive section behind. One offer at a time; what changes meanwhile waits.
"""

from collections.abc import Callable
from dataclasses import dataclass

from livekit.protocol.rtc import SessionDescription, SignalResponse

from devroom import sdp
from devroom.forwarding import DownTrack
from devroom.sdp import Direction, Kind
from devroom.transport import PeerTransport

_DATA_MID = "0"


@dataclass(slots=True)
class _Slot:
    mid: str
    kind: Kind
    down: DownTrack | None


class SubscriberOffers:
    """The `Layout` of a client with a connection for each direction."""

    def __init__(self, transport: PeerTransport, send: Callable[[SignalResponse], None]) -> None:
        self._transport = transport
        self._send = send
        self._slots: list[_Slot] = []
        self._offered: list[DownTrack] = []
        self._offer_id = 0
        self._awaiting_answer = False
        self._changed = True

    def add(self, down: DownTrack) -> None:
        down.mid = str(len(self._slots) + 1)
        self._slots.append(_Slot(down.mid, down.up.kind, down))
        self._changed = True

    def remove(self, down: DownTrack) -> None:
        for slot in self._slots:
            if slot.down is down:
                slot.down = None
                self._changed = True

    def negotiate(self) -> None:
        if not self._changed or self._awaiting_answer:
            return
        self._changed, self._awaiting_answer = False, True
        self._offered = [slot.down for slot in self._slots if slot.down is not None]
        self._offer_id += 1
        lines: list[sdp.Line] = [sdp.DataChannels(_DATA_MID), *map(_line, self._slots)]
        self._send(
            SignalResponse(
                offer=SessionDescription(
                    type="offer",
                    id=self._offer_id,
                    sdp=sdp.write(self._transport.local, sdp.Setup.ACTPASS, self._offer_id, lines),
                    mid_to_track_id={
                        slot.mid: slot.down.up.sid for slot in self._slots if slot.down is not None
                    },
                )
            )
        )

    def answer_received(self, answer: SessionDescription) -> None:
        """Raises MalformedError. Native clients leave the id out."""
        if not self._awaiting_answer or (answer.id and answer.id != self._offer_id):
            return
        sections = sdp.parse(answer.sdp)
        self._transport.set_remote(sections[0], has_data=True)
        for down in self._offered:
            down.answered = True
        self._awaiting_answer = False
        self.start_answered()
        self.negotiate()

    def start_answered(self) -> None:
        if self._transport.is_connected:
            for slot in self._slots:
                if slot.down is not None and slot.down.answered:
                    slot.down.start(self._transport)

    def restart_ice(self) -> None:
        """A new offer with fresh credentials, whatever became of the last one."""
        self._transport.ice.restart()
        self._awaiting_answer, self._changed = False, True
        self.negotiate()


def _line(slot: _Slot) -> sdp.Media:
    down, kind = slot.down, slot.kind
    stereo = down is not None and down.up.info.stereo
    parameters = sdp.opus_parameters(stereo=stereo) if kind is Kind.AUDIO else ""
    payload_type = sdp.DEFAULT_PAYLOAD_TYPES[kind]
    if down is None:
        return sdp.Media(kind, slot.mid, Direction.INACTIVE, payload_type, parameters)
    return sdp.Media(
        kind,
        slot.mid,
        Direction.SENDONLY,
        payload_type,
        parameters,
        msid=stream_and_track(down),
        ssrc=down.ssrc,
    )


def stream_and_track(down: DownTrack) -> str:
    """The `msid` by which clients tell whose track it is."""
    return f"{down.up.participant_sid}|{down.up.sid} {down.up.sid}"
