"""Speech from the machine's own synthesiser, as livekit-agents' TTS."""

from pathlib import Path
from typing import Never

from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    APIConnectOptions,
    tts,
    utils,
)
from livekit.agents.types import TimedString

from agent.stages.local.client import SpeechServer
from agent.stages.local.messages import (
    MAX_TEXT_CHARS,
    SYNTHESIZER_RATE_HZ,
    SYNTHESIZER_REPLIES,
    Audio,
    Refused,
    Speak,
    Spoken,
)
from agent.stages.local.sentences import sentences_of

_SAMPLE_BYTES = 2
_SILENCE_S = 0.05
"""In place of a text that has no sound, for livekit-agents takes no audio for an error."""

_Server = SpeechServer[Audio | Spoken | Refused]


class LocalTTS(tts.TTS[Never]):
    """A synthesiser of this machine, by way of its server; espeak-ng if nothing else is said.

    Mono, sentence by sentence.

    Args:
        socket_path: where the server listens.
        voice: espeak-ng's name, `en-us+f3`, `ar+m3`.
        timeout_s: how long the server may take for a chunk of audio.
        rate_wpm: words a minute, 80..450.
        pitch: 0..100.
        rate_hz: of the server's audio.
        model: what is behind the server; None: espeak-ng in that voice.
        provider: as the settings name it.
    """

    def __init__(
        self,
        socket_path: Path,
        *,
        voice: str,
        timeout_s: float = 30.0,
        rate_wpm: int = 165,
        pitch: int = 50,
        rate_hz: int = SYNTHESIZER_RATE_HZ,
        model: str | None = None,
        provider: str = "local",
    ) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=True, aligned_transcript=True),
            sample_rate=rate_hz,
            num_channels=1,
        )
        self._model = model or f"espeak-ng/{voice}"
        self._provider = provider
        self._socket_path = socket_path
        self._voice = voice
        self._timeout_s = timeout_s
        self._rate_wpm = rate_wpm
        self._pitch = pitch

    @property
    def model(self) -> str:
        return self._model

    @property
    def provider(self) -> str:
        return self._provider

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _WholeText(tts=self, input_text=text, conn_options=conn_options)

    def stream(
        self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.SynthesizeStream:
        return _SentenceStream(tts=self, conn_options=conn_options)

    async def connect(self, timeout_s: float) -> _Server:
        """A connection of its own to the server."""
        return await SpeechServer.connect(
            self._socket_path, SYNTHESIZER_REPLIES, timeout_s=min(timeout_s, self._timeout_s)
        )

    async def say(self, server: _Server, text: str, emitter: tts.AudioEmitter) -> float:
        """Push the speech of `text` and return its length in seconds."""
        pushed_bytes = 0
        for at in range(0, len(text), MAX_TEXT_CHARS):
            part = text[at : at + MAX_TEXT_CHARS]
            await server.send(Speak(part, self._voice, self._rate_wpm, self._pitch))
            while isinstance(reply := await server.receive_within(self._timeout_s), Audio):
                emitter.push(reply.pcm)
                pushed_bytes += len(reply.pcm)
        if not pushed_bytes:
            silence = bytes(int(self.sample_rate * _SILENCE_S) * _SAMPLE_BYTES)
            emitter.push(silence)
            pushed_bytes = len(silence)
        return pushed_bytes / _SAMPLE_BYTES / self.sample_rate


class _WholeText(tts.ChunkedStream):
    """Speech of one text that is there already."""

    _tts: LocalTTS

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        async with await self._tts.connect(self._conn_options.timeout) as server:
            output_emitter.initialize(
                request_id=utils.shortuuid(),
                sample_rate=self._tts.sample_rate,
                num_channels=1,
                mime_type="audio/pcm",
            )
            await self._tts.say(server, self._input_text, output_emitter)
            output_emitter.flush()


class _SentenceStream(tts.SynthesizeStream):
    """Speech of a text that is still being written, from its first sentence on."""

    _tts: LocalTTS

    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid(),
            sample_rate=self._tts.sample_rate,
            num_channels=1,
            mime_type="audio/pcm",
            stream=True,
        )
        output_emitter.start_segment(segment_id=utils.shortuuid())
        said_s = 0.0
        async with await self._tts.connect(self._conn_options.timeout) as server:
            async for sentence in sentences_of(self._input_ch):
                said_s += await self._say(server, sentence, said_s, output_emitter)
        output_emitter.end_segment()

    async def _say(
        self, server: _Server, sentence: str, start_s: float, emitter: tts.AudioEmitter
    ) -> float:
        emitter.push_timed_transcript(TimedString(sentence, start_time=start_s))
        if not sentence.strip():
            return 0.0
        self._mark_started()
        length_s = await self._tts.say(server, sentence, emitter)
        emitter.flush()
        return length_s
