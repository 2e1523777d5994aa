"""`python -m agent.stages.local.piper_server`: Piper's voices behind a unix socket.

GPL-3, as is espeak-ng within it: this is the one program that loads it. The voices are at
`PIPER_VOICE_PATH`, one a language; nothing is ever fetched.
"""

import json
import logging
import socket
from dataclasses import dataclass
from typing import assert_never

from piper import PiperVoice
from piper.config import PiperConfig, SynthesisConfig
from piper.tashkeel import TASHKEEL_DIR, TashkeelDiacritizer

from agent.settings import AgentSettings
from agent.stages.local import fork_server
from agent.stages.local.connection import Connection
from agent.stages.local.listening import Service
from agent.stages.local.messages import (
    SYNTHESIZER_REQUESTS,
    Audio,
    Cancel,
    Refused,
    Speak,
    Spoken,
)
from agent.stages.local.model_files import PiperVoiceFile, model_path, piper_voices
from agent.stages.local.onnx import open_session
from agent.stages.local.speakable import pieces
from agent.stages.local.wire import WireError
from agent.stages.normalization import Run

_USUAL_RATE_WPM = 165
"""At which a voice speaks as it was trained to."""
_CHUNK_S = 0.1
_GREETINGS = {"ar": "مرحبا."}


@dataclass(frozen=True, slots=True)
class Voices:
    """Those of this machine, loaded, by language."""

    by_language: dict[str, PiperVoice]

    def of(self, language: str) -> PiperVoice | None:
        """The voice that speaks a language (BCP-47)."""
        return self.by_language.get(language.lower().partition("-")[0])

    def of_run(self, run: Run, base: PiperVoice) -> PiperVoice:
        """The voice of a run within a text that `base` speaks: one of its own, if it sounds at the
        same rate; else the base voice does what it can."""
        own = self.of(run.language)
        return own if own and own.config.sample_rate == base.config.sample_rate else base


def serve(voices: Voices, sock: socket.socket) -> None:
    """Speak what one peer asks for, until it closes."""
    connection = Connection(sock, SYNTHESIZER_REQUESTS)
    try:
        for request in connection:
            match request:
                case Speak():
                    _speak(voices, connection, request)
                case Cancel():
                    """What it was to stop is over already."""
                case _:
                    assert_never(request)
    except WireError as error:
        connection.send(Refused(str(error), retryable=False))


def _speak(voices: Voices, connection: Connection[Speak | Cancel], request: Speak) -> None:
    language = request.voice.partition("+")[0]
    base = voices.of(language)
    if base is None:
        raise WireError("there is no voice of this language")
    pace = SynthesisConfig(
        length_scale=base.config.length_scale * _USUAL_RATE_WPM / request.rate_wpm
    )
    for piece in pieces(request.text, language):
        for chunk in voices.of_run(piece, base).synthesize(_plain(piece.spoken), pace):
            if not _send(connection, chunk.audio_int16_bytes, chunk.sample_rate):
                connection.send(Spoken(cancelled=True))
                return
    connection.send(Spoken(cancelled=False))


def _send(connection: Connection[Speak | Cancel], pcm: bytes, rate_hz: int) -> bool:
    """In small pieces, so that a peer can stop it; whether it is to go on."""
    step = int(rate_hz * _CHUNK_S) * 2
    for at in range(0, len(pcm), step):
        if connection.closed or Cancel() in connection.arrived():
            return False
        connection.send(Audio(pcm[at : at + step]))
    return True


def _plain(text: str) -> str:
    """Piper takes what is in double brackets for phonemes."""
    return text.replace("[[", " ").replace("]]", " ")


def load(file: PiperVoiceFile) -> PiperVoice:
    """A voice, as `PiperVoice.load` has it, in a session that a fork can share."""
    config = PiperConfig.from_dict(json.loads(file.config.read_bytes()))
    voice = PiperVoice(session=open_session(file.path), config=config)
    if config.espeak_voice == "ar":
        voice.tashkeel_diacritizier = TashkeelDiacritizer()
        voice.tashkeel_diacritizier.session = open_session(TASHKEEL_DIR / "model.onnx")
    return voice


def service(settings: AgentSettings) -> Service:
    """The synthesiser of this machine, its voices loaded and warm."""
    path = model_path(settings.piper_voice_path, "PIPER_VOICE_PATH")
    voices = Voices({language: load(file) for language, file in piper_voices(path).items()})
    for language, voice in voices.by_language.items():
        for _ in voice.synthesize(_GREETINGS.get(language, "Hello.")):
            """Only to have all of it in memory."""
    return Service(
        title="majlis piper",
        socket_path=settings.piper_socket,
        max_connections=2 * settings.max_agents_per_host,
        serve=lambda sock: serve(voices, sock),
    )


if __name__ == "__main__":
    _settings = AgentSettings()
    logging.basicConfig(level=_settings.log_level)
    fork_server.main(lambda: service(_settings))
