"""`python -m agent.stages.local.whisper_server`: faster-whisper behind a unix socket.

The model is a folder as CTranslate2 has it, at `WHISPER_MODEL_PATH`; nothing is ever fetched. It
does not stream: an utterance is decoded when it is over.
"""

import logging
import math
import os
import threading
from dataclasses import dataclass, field

import numpy as np
from faster_whisper import WhisperModel

from agent.settings import AgentSettings
from agent.stages.local import thread_server, utterances
from agent.stages.local.listening import Service
from agent.stages.local.messages import RECOGNIZER_RATE_HZ, Open
from agent.stages.local.model_files import ModelBroken, model_path
from agent.stages.local.utterances import Opening, RecognitionError

_FULL_SCALE = 32_768.0
_TOKENS_PER_S = 15
"""More than anybody says: noise that the model makes words of without end takes no longer."""
_FEWEST_TOKENS = 16
_MOST_TOKENS = 440
"""In half a minute, of which the model hears one after the other."""


@dataclass(frozen=True, slots=True)
class _Heard:
    text: str = ""
    confidence: float = 0.0


class Whisper:
    """The model, one a machine; utterances take turns, each with all processors."""

    def __init__(self, path: str, *, compute_type: str) -> None:
        try:
            self._model = WhisperModel(
                path,
                device="cpu",
                compute_type=compute_type,
                cpu_threads=os.cpu_count() or 1,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ModelBroken(f"WHISPER_MODEL_PATH: the model cannot be loaded: {error}") from error
        self._turn = threading.Lock()
        self._languages = frozenset(self._model.supported_languages)

    def transcribe(self, pcm: bytes, language: str) -> _Heard:
        """What was said; `language` is BCP-47. Raises `RecognitionError`."""
        samples = np.frombuffer(pcm, np.int16).astype(np.float32) / _FULL_SCALE
        primary = language.lower().partition("-")[0]
        try:
            with self._turn:
                segments, _ = self._model.transcribe(
                    samples,
                    language=primary if primary in self._languages else None,
                    beam_size=1,
                    temperature=0.0,
                    max_new_tokens=min(
                        _MOST_TOKENS,
                        _FEWEST_TOKENS + int(_TOKENS_PER_S * len(samples) / RECOGNIZER_RATE_HZ),
                    ),
                    condition_on_previous_text=False,
                    without_timestamps=True,
                )
                heard = list(segments)
        except (RuntimeError, ValueError) as error:
            raise RecognitionError("an utterance could not be decoded") from error
        text = " ".join(segment.text.strip() for segment in heard).strip()
        if not text:
            return _Heard()
        tokens = sum(len(segment.tokens) for segment in heard)
        mean = sum(segment.avg_logprob * len(segment.tokens) for segment in heard) / max(1, tokens)
        return _Heard(text, min(1.0, math.exp(mean)))


@dataclass(slots=True)
class _Decoder:
    """Gathers an utterance."""

    model: Whisper
    language: str
    _pcm: bytearray = field(default_factory=bytearray)

    def start(self) -> None:
        self._pcm.clear()

    def feed(self, pcm: bytes) -> None:
        self._pcm += pcm

    def partial(self) -> _Heard:
        return _Heard()

    def finish(self) -> _Heard:
        return self.model.transcribe(bytes(self._pcm), self.language)


def service(settings: AgentSettings) -> Service:
    """The recogniser of this machine, its model loaded and warm."""
    path = model_path(settings.whisper_model_path, "WHISPER_MODEL_PATH")
    model = Whisper(str(path), compute_type=settings.whisper_compute_type)
    model.transcribe(bytes(RECOGNIZER_RATE_HZ), "en")

    def opened(request: Open) -> Opening:
        return Opening("", _Decoder(model, request.language))

    return Service(
        title="majlis whisper",
        socket_path=settings.whisper_socket,
        max_connections=2 * settings.max_agents_per_host,
        serve=lambda sock: utterances.serve(sock, opened),
    )


if __name__ == "__main__":
    _settings = AgentSettings()
    logging.basicConfig(level=_settings.log_level)
    thread_server.main(lambda: service(_settings))
