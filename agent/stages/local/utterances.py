"""What every recogniser's server does: utterances in, transcripts out, whatever decodes them."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, assert_never

from agent.stages.local.connection import Connection
from agent.stages.local.messages import (
    RECOGNIZER_RATE_HZ,
    RECOGNIZER_REQUESTS,
    Audio,
    EndUtterance,
    Final,
    Open,
    Opened,
    Partial,
    Refused,
)
from agent.stages.local.wire import WireError

MAX_UTTERANCE_S = 60.0
"""Audio of an utterance beyond this is not heard."""

_PARTIAL_EVERY_S = 0.25
_BYTES_PER_S = RECOGNIZER_RATE_HZ * 2


class RecognitionError(Exception):
    """The engine could not be started, or failed; the connection is of no further use."""

    code = "recognition_failed"


class Transcript(Protocol):
    """What was heard."""

    @property
    def text(self) -> str:
        """Empty: nothing."""

    @property
    def confidence(self) -> float:
        """0..1; 0 before the end of the utterance."""


class Decoder(Protocol):
    """One connection's. Raises `RecognitionError`."""

    def start(self) -> None:
        """An utterance begins."""

    def feed(self, pcm: bytes) -> None:
        """So much more of it: mono s16le at 16 kHz."""

    def partial(self) -> Transcript:
        """What it seems to be so far; asked for four times a second of audio, so it is quick."""

    def finish(self) -> Transcript:
        """What it was."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a connection is answered, and who decodes what it sends."""

    collection: str
    decoder: Decoder


class Utterance:
    """One utterance being heard; `say` takes its partial transcripts."""

    def __init__(self, decoder: Decoder, say: Callable[[str], None]) -> None:
        self._decoder = decoder
        self._say = say
        self._heard_bytes = 0
        self._unsaid_bytes = 0
        self._last = ""
        decoder.start()

    def hear(self, pcm: bytes) -> None:
        """Mono s16le at 16 kHz; what is beyond `MAX_UTTERANCE_S` is dropped."""
        room = int(MAX_UTTERANCE_S * _BYTES_PER_S) - self._heard_bytes
        pcm = pcm[: max(0, room)]
        self._decoder.feed(pcm)
        self._heard_bytes += len(pcm)
        self._unsaid_bytes += len(pcm)
        if self._unsaid_bytes >= _PARTIAL_EVERY_S * _BYTES_PER_S:
            self._unsaid_bytes = 0
            text = self._decoder.partial().text
            if text != self._last:
                self._last = text
                self._say(text)

    def end(self) -> Final:
        """What it was."""
        heard = self._decoder.finish()
        return Final(heard.text, round(heard.confidence, 3), self._heard_bytes / _BYTES_PER_S)


def serve(sock: socket.socket, opened: Callable[[Open], Opening]) -> None:
    """Hear what one peer sends, until it closes."""
    connection = Connection(sock, RECOGNIZER_REQUESTS)
    try:
        _converse(connection, opened)
    except WireError as error:
        connection.send(Refused(str(error), retryable=False))
    except RecognitionError as error:
        connection.send(Refused(str(error), retryable=True))


def _converse(
    connection: Connection[Open | Audio | EndUtterance], opened: Callable[[Open], Opening]
) -> None:
    decoder: Decoder | None = None
    utterance: Utterance | None = None
    for request in connection:
        match request:
            case Open():
                if utterance is not None:
                    raise WireError("opened within an utterance")
                opening = opened(request)
                decoder = opening.decoder
                connection.send(Opened(opening.collection))
            case Audio(pcm=pcm):
                if utterance is None:
                    decoder = decoder or opened(Open()).decoder
                    utterance = Utterance(decoder, lambda text: connection.send(Partial(text)))
                utterance.hear(pcm)
            case EndUtterance():
                connection.send(utterance.end() if utterance else Final("", 0.0, 0.0))
                utterance = None
            case _:
                assert_never(request)
