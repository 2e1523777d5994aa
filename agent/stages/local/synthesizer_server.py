"""`python -m agent.stages.local.synthesizer_server`: espeak-ng behind a unix socket."""

import logging
import socket
from typing import assert_never

from agent.settings import AgentSettings
from agent.stages.local import fork_server
from agent.stages.local.connection import Connection
from agent.stages.local.espeak import Espeak, SynthesisError
from agent.stages.local.messages import (
    SYNTHESIZER_REQUESTS,
    Audio,
    Cancel,
    Refused,
    Speak,
    Spoken,
)
from agent.stages.local.speakable import pieces
from agent.stages.local.wire import WireError

_WARM_VOICES = ("en-us+f3", "en-us+m3", "ar+f3", "ar+m3")


def serve(espeak: Espeak, sock: socket.socket) -> None:
    """Speak what one peer asks for, until it closes."""
    connection = Connection(sock, SYNTHESIZER_REQUESTS)
    try:
        for request in connection:
            match request:
                case Speak():
                    _speak(espeak, connection, request)
                case Cancel():
                    """What it was to stop is over already."""
                case _:
                    assert_never(request)
    except WireError as error:
        connection.send(Refused(str(error), retryable=False))
    except SynthesisError as error:
        connection.send(Refused(str(error), retryable=False))


def _speak(espeak: Espeak, connection: Connection[Speak | Cancel], request: Speak) -> None:
    language, plus, variant = request.voice.partition("+")
    cancelled = False

    def take(pcm: bytes) -> bool:
        nonlocal cancelled
        cancelled = connection.closed or Cancel() in connection.arrived()
        if not cancelled:
            connection.send(Audio(pcm))
        return not cancelled

    espeak.set_voice(request.voice, rate_wpm=request.rate_wpm, pitch=request.pitch)
    for piece in pieces(request.text, language):
        voice = _espeak_voice(piece.language, language) + plus + variant
        espeak.set_voice(voice, rate_wpm=request.rate_wpm, pitch=request.pitch)
        espeak.speak(piece.spoken, take)
        if cancelled:
            break
    connection.send(Spoken(cancelled))


def _espeak_voice(spoken: str, language: str) -> str:
    """Who speaks a piece, where the rest is in `language`."""
    if spoken == language.partition("-")[0]:
        return language
    return "en-us" if spoken == "en" else spoken


def service(settings: AgentSettings) -> fork_server.Service:
    """The synthesiser of this machine, its engine loaded."""
    espeak = Espeak()
    for voice in _WARM_VOICES:
        espeak.set_voice(voice, rate_wpm=165, pitch=50)
        espeak.speak("a", lambda _: True)
    return fork_server.Service(
        title="majlis synthesizer",
        socket_path=settings.synthesizer_socket,
        max_connections=2 * settings.max_agents_per_host,
        serve=lambda sock: serve(espeak, sock),
        refresh=lambda: None,
    )


if __name__ == "__main__":
    _settings = AgentSettings()
    logging.basicConfig(level=_settings.log_level)
    fork_server.main(lambda: service(_settings))
