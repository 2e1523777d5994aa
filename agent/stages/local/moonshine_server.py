"""`python -m agent.stages.local.moonshine_server`: Moonshine behind a unix socket.

The models are folders at `MOONSHINE_MODEL_PATH`, one a language; nothing is ever fetched.
Transcripts come while the user speaks.
"""

import logging
import time
from dataclasses import dataclass

import numpy as np
from moonshine_voice.errors import MoonshineError
from moonshine_voice.moonshine_api import ModelArch, Transcript
from moonshine_voice.transcriber import Stream, Transcriber

from agent.settings import AgentSettings
from agent.stages.local import thread_server, utterances
from agent.stages.local.listening import Service
from agent.stages.local.messages import RECOGNIZER_RATE_HZ, Open
from agent.stages.local.model_files import (
    ModelBroken,
    MoonshineModel,
    model_path,
    moonshine_models,
)
from agent.stages.local.utterances import MAX_UTTERANCE_S, Opening, RecognitionError

_FULL_SCALE = 32_768.0
_PASS_S = 0.5
"""Of audio, at least: how often what is being said is decoded."""
_CONFIDENCE = 0.9
"""The library tells none."""


@dataclass(frozen=True, slots=True)
class _Heard:
    text: str = ""
    confidence: float = 0.0


class _Decoder:
    """One connection's utterances, each a stream of the library's own."""

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        self._stream: Stream | None = None
        self._text = ""
        self._undecoded_s = 0.0
        self._last_pass_s = 0.0

    def start(self) -> None:
        self._close()
        try:
            # its own passes never come; they are made when somebody asks what was heard so far
            self._stream = self._transcriber.create_stream(update_interval=2 * MAX_UTTERANCE_S)
            self._stream.start()
        except MoonshineError as error:
            raise RecognitionError("a stream could not be opened") from error

    def feed(self, pcm: bytes) -> None:
        samples = np.frombuffer(pcm, np.int16).astype(np.float32) / _FULL_SCALE
        if self._stream is None:
            raise RecognitionError("fed before the utterance began")
        self._undecoded_s += len(samples) / RECOGNIZER_RATE_HZ
        try:
            self._stream.add_audio(samples.tolist(), RECOGNIZER_RATE_HZ)
        except MoonshineError as error:
            raise RecognitionError("an utterance could not be decoded") from error

    def partial(self) -> _Heard:
        """As of the last pass; a pass covers more audio the longer the last one took."""
        if self._stream is not None and self._undecoded_s >= max(_PASS_S, 2 * self._last_pass_s):
            began = time.monotonic()
            try:
                self._text = _text(self._stream.update_transcription())
            except MoonshineError as error:
                raise RecognitionError("an utterance could not be decoded") from error
            self._last_pass_s = time.monotonic() - began
            self._undecoded_s = 0.0
        return _Heard(self._text)

    def finish(self) -> _Heard:
        if self._stream is None:
            return _Heard()
        transcript = self._stream.stop()
        if transcript is None:
            raise RecognitionError("an utterance could not be decoded")
        text = _text(transcript)
        self._close()
        return _Heard(text, _CONFIDENCE if text else 0.0)

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._text = ""
        self._undecoded_s = 0.0


def _text(transcript: Transcript) -> str:
    return " ".join(line.text.strip() for line in transcript.lines if line.text).strip()


def load(model: MoonshineModel) -> Transcriber:
    """Raises `ModelBroken`."""
    architecture = ModelArch[model.architecture.upper().replace("-", "_")]
    try:
        return Transcriber(model.path, architecture)
    except MoonshineError as error:
        raise ModelBroken(f"MOONSHINE_MODEL_PATH: {model.path.name} cannot be loaded") from error


def service(settings: AgentSettings) -> Service:
    """The recogniser of this machine, its models loaded."""
    path = model_path(settings.moonshine_model_path, "MOONSHINE_MODEL_PATH")
    models = {language: load(model) for language, model in moonshine_models(path).items()}
    default = models.get("en") or next(iter(models.values()))

    def opened(request: Open) -> Opening:
        primary = request.language.lower().partition("-")[0]
        return Opening("", _Decoder(models.get(primary, default)))

    return Service(
        title="majlis moonshine",
        socket_path=settings.moonshine_socket,
        max_connections=2 * settings.max_agents_per_host,
        serve=lambda sock: utterances.serve(sock, opened),
    )


if __name__ == "__main__":
    _settings = AgentSettings()
    logging.basicConfig(level=_settings.log_level)
    thread_server.main(lambda: service(_settings))
