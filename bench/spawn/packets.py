"""When the packets of one RTP stream arrive on this machine, by the kernel's clock.

Needs the right to open packet sockets, and a room server that sends over loopback or a local
interface. SRTP leaves the header readable, so nothing has to be decrypted.
"""

import contextlib
import ctypes
import itertools
import socket
import struct
import threading
from collections import Counter
from dataclasses import dataclass
from types import TracebackType
from typing import Self

ETH_P_IP = 0x0800
SO_ATTACH_FILTER = 26
SO_TIMESTAMPNS = 35
INCOMING = 0
UDP = 17
RTP_CLOCK_HZ = 48_000
# BPF: load the protocol of the IP header; if it is UDP take the packet, else none of it
_ONLY_UDP = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in ((0x30, 0, 0, 9), (0x15, 0, 1, UDP), (6, 0, 0, 0xFFFF), (6, 0, 0, 0))
)


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet."""

    at: float
    """Unix time in seconds."""
    ssrc: int
    sequence: int
    timestamp: int
    """In samples at 48 kHz."""


class Capture:
    """Keeps every RTP packet that comes while it is open. Raises OSError where it may not."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_IP))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._open = True

    def __enter__(self) -> Self:
        code = ctypes.create_string_buffer(_ONLY_UDP)
        program = struct.pack("HxxxxxxP", len(_ONLY_UDP) // 8, ctypes.addressof(code))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.settimeout(0.2)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open = False
        self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        while self._open:
            with contextlib.suppress(TimeoutError):
                data, ancillary, _, address = self._socket.recvmsg(2048, 64)
                if address[2] == INCOMING:
                    self._keep(data, ancillary)

    def _keep(self, data: bytes, ancillary: list[tuple[int, int, bytes]]) -> None:
        rtp = data[(data[0] & 15) * 4 + 8 :]
        if len(rtp) < 12 or rtp[0] >> 6 != 2 or 64 <= rtp[1] & 127 < 96:  # RTCP (RFC 5761)
            return
        times = (payload for _, kind, payload in ancillary if kind == SO_TIMESTAMPNS)
        seconds, nanoseconds = struct.unpack("qq", next(times))
        sequence, timestamp, ssrc = struct.unpack("!HII", rtp[2:12])
        self.packets.append(Packet(seconds + nanoseconds / 1e9, ssrc, sequence, timestamp))


def published_as(packets: list[Packet], ssrc: int) -> int | None:
    """The stream that the room server forwards as this one, where it keeps numbers and times.

    None where the publisher is not on this machine, or nothing can be told.
    """
    heard = {(p.sequence, p.timestamp) for p in packets if p.ssrc == ssrc}
    alike = Counter(
        p.ssrc for p in packets if p.ssrc != ssrc and (p.sequence, p.timestamp) in heard
    )
    likeliest = alike.most_common(1)
    return likeliest[0][0] if likeliest and likeliest[0][1] > len(heard) // 2 else None


def longest_gap_s(packets: list[Packet], ssrc: int, since: float, until: float) -> float | None:
    """The longest time between two packets of a stream that follow each other in its audio."""
    mine = [p for p in packets if p.ssrc == ssrc and since <= p.at <= until]
    gaps = [
        after.at - before.at
        for before, after in itertools.pairwise(mine)
        if after.timestamp - before.timestamp <= RTP_CLOCK_HZ // 10
    ]
    return max(gaps, default=None)
