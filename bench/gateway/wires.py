"""What each server under measurement is sent, and what of its messages counts."""

import base64
import json
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol


class Seen(Enum):
    """What a message from a server means to the load client."""

    READY = auto()
    AUDIO = auto()
    LAST_AUDIO = auto()
    """Audio, or the news that there is no more of it."""
    STOPPED = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message, and how much audio is in it."""

    seen: Seen
    audio_bytes: int = 0


class Wire(Protocol):
    """A client's side of one protocol: frames out, meanings in."""

    streams: bool
    """The microphone is always open; else it is only during a turn."""
    played: str | None
    """Sent when the answer has been played."""
    begin: str | None
    """Sent before the first audio of a turn."""
    end: str | None
    """Sent after its last."""

    def audio(self, samples: bytes) -> str | bytes:
        """A frame of the user's audio."""

    def read(self, message: str | bytes) -> Incoming:
        """What a message means."""


INTERRUPT = json.dumps({"type": "interrupt"})
TYPED = json.dumps({"type": "text", "text": "Go on."})


class TurnWire:
    """`/ws/conversation`, and the floor, which speaks as much of it."""

    streams = False
    played: str | None = None
    begin: str | None = None
    end: str | None = json.dumps({"type": "audio_end"})

    def audio(self, samples: bytes) -> str | bytes:
        return samples

    def read(self, message: str | bytes) -> Incoming:
        fields = json.loads(message)
        match fields["type"]:
            case "ready":
                return Incoming(Seen.READY)
            case "audio" | "audio_chunk_tts":
                size = _bytes_of_base64(fields.get("audio_data") or fields["audio"])
                is_last = fields.get("is_final_chunk", False)
                return Incoming(Seen.LAST_AUDIO if is_last else Seen.AUDIO, size)
            case "playback_control":
                return Incoming(Seen.STOPPED)
            case "error":
                raise RuntimeError(f"the server says {message!r}")
        return Incoming(Seen.OTHER)


class DuplexWire:
    """`/orchestrate`."""

    streams = True
    played: str | None = json.dumps({"type": "playback_done"})
    begin: str | None = None
    end: str | None = None

    def audio(self, samples: bytes) -> str | bytes:
        return json.dumps({"type": "audio_chunk", "data": base64.b64encode(samples).decode()})

    def read(self, message: str | bytes) -> Incoming:
        fields = json.loads(message)
        match fields["type"]:
            case "session_ready":
                return Incoming(Seen.READY)
            case "audio_chunk":
                size = _bytes_of_base64(fields.get("audio", ""))
                return Incoming(Seen.LAST_AUDIO if fields["is_final"] else Seen.AUDIO, size)
            case "playback_control":
                return Incoming(Seen.STOPPED)
            case "error":
                raise RuntimeError(f"the server says {message!r}")
        return Incoming(Seen.OTHER)


class PipecatWire:
    """Pipecat's raw serializer. Its microphone is open in either kind of turn."""

    streams = True
    played: str | None = None

    def __init__(self, *, manual: bool) -> None:
        self.begin = json.dumps({"type": "begin"}) if manual else None
        self.end = json.dumps({"type": "audio_end"}) if manual else None

    def audio(self, samples: bytes) -> str | bytes:
        return samples

    def read(self, message: str | bytes) -> Incoming:
        if isinstance(message, bytes):
            # its output never stops: what is silent is no answer
            return Incoming(Seen.AUDIO if any(message) else Seen.OTHER, len(message))
        match json.loads(message).get("type"):
            case "ready":
                return Incoming(Seen.READY)
            case "playback_control":
                return Incoming(Seen.STOPPED)
        return Incoming(Seen.OTHER)


def _bytes_of_base64(text: str) -> int:
    return len(text) * 3 // 4 - text[-2:].count("=")
