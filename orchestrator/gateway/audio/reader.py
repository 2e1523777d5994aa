"""FFmpeg over a stream that is still being sent.

FFmpeg asks for bytes and waits for them, so it has a thread, which runs in turn with `step`: it is
handed a frame, decodes until it would have to wait for more, and `step` returns what it has.
"""

import asyncio
import contextlib
import io
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from orchestrator.gateway.audio.boxes import BoxCutter
from orchestrator.gateway.audio.pcm import AudioError, UnreadableAudio
from orchestrator.gateway.audio.recognise import InputFormat
from orchestrator.gateway.audio.resample import Resampler

if TYPE_CHECKING:
    from av import AudioStream, Packet
    from av.container import InputContainer

_log = logging.getLogger(__name__)

STEP_TIMEOUT_S = 10.0
"""So long a single frame may take to decode."""

LONGEST_SILENCE_BYTES = 1 << 20
"""So much may be sent without one sample coming of it: headers, pictures, nonsense."""

BAD_PACKETS = 50
"""So many packets in a row may be damaged."""

# FFmpeg would wait for a whole second's worth, to guess what it is told anyway
OPTIONS: Final = {"probesize": "2048", "analyzeduration": "0"}
BUFFER_BYTES = 512

DEMUXERS: Final = {
    InputFormat.WEBM: "matroska",
    InputFormat.OGG: "ogg",
    InputFormat.MP4: "mp4",
    InputFormat.MP3: "mp3",
}

CODECS: Final = frozenset({"opus", "libopus", "vorbis", "aac", "mp3", "mp3float", "flac", "alac"})
"""What browsers and recorders write; FFmpeg's other decoders are not for strangers."""


class _GivenUp(Exception):
    """`close` was called."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """Bytes for the thread, none at the end, and where it answers."""

    data: bytes | None
    answer: "asyncio.Future[bytes]"


class Reader:
    """Reads one container in a thread of its own; `take` is told of each samples' bytes."""

    def __init__(
        self,
        source: InputFormat,
        *,
        rate_hz: int,
        take: Callable[[int], None],
        step_timeout_s: float = STEP_TIMEOUT_S,
    ) -> None:
        self._source = source
        self._take = take
        self._step_timeout_s = step_timeout_s
        self._thread: threading.Thread | None = None
        self._turns: SimpleQueue[_Turn | None] = SimpleQueue()
        self._over = False
        # what follows is the thread's own
        self._turn: _Turn | None = None
        self._unread: deque[io.BytesIO] = deque()
        self._boxes = BoxCutter() if source is InputFormat.MP4 else None
        self._at_end = False
        self._failure: Exception | None = None
        self._samples = bytearray()
        self._unheard_bytes = 0
        self._resampler = Resampler(rate_hz)

    async def step(self, data: bytes | None) -> bytes:
        """Decode what these bytes bring; None: no more will come. Raises `AudioError`."""
        if self._over:
            raise UnreadableAudio("The audio stream is over.")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        self._turns.put(_Turn(data, answer))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="audio-reader", daemon=True)
            self._thread.start()
        try:
            async with asyncio.timeout(self._step_timeout_s):
                return await answer
        except TimeoutError:
            self.close()
            raise UnreadableAudio("The audio takes too long to decode.") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the thread end; do not wait for it."""
        self._over = True
        self._turns.put(None)

    def read(self, size: int) -> bytes:
        """FFmpeg asks for bytes; none mean the end.

        What is raised here it may well ignore, and ask again; then it is the end.
        """
        if self._failure is not None:
            return b""
        try:
            return self._next_part(size)
        except Exception as failure:
            self._failure = failure
            raise

    def _next_part(self, size: int) -> bytes:
        while True:
            while self._unread:
                if part := self._unread[0].read(size):
                    return part
                self._unread.popleft()
            if self._at_end:
                return b""
            self._answer(bytes(self._samples))
            self._samples.clear()
            self._next_turn()

    def _next_turn(self) -> None:
        self._turn = self._turns.get()
        if self._turn is None:
            raise _GivenUp
        data = self._turn.data
        self._at_end = data is None
        self._unread.extend(map(io.BytesIO, self._parts(data)))
        self._unheard_bytes += len(data or b"")
        if self._unheard_bytes > LONGEST_SILENCE_BYTES:
            raise UnreadableAudio("There is no sound in this audio.")

    def _parts(self, data: bytes | None) -> list[bytes]:
        if self._boxes is not None:
            return self._boxes.rest() if data is None else self._boxes.cut(data)
        return [data] if data else []

    def _answer(self, answer: bytes | AudioError) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                turn.answer.get_loop().call_soon_threadsafe(_set, turn.answer, answer)

    def _run(self) -> None:
        try:
            self._decode()
            answer: bytes | AudioError = bytes(self._samples)
        except AudioError as error:
            answer = error
        except Exception as error:  # noqa: BLE001 - the edge of the thread; a stranger's bytes
            if isinstance(self._failure, _GivenUp):
                return
            _log.debug("audio cannot be read", exc_info=error)
            answer = UnreadableAudio(f"The audio is no {self._source.value} that can be read.")
        self._answer(answer)
        self._idle()

    def _idle(self) -> None:
        """The file has ended, and maybe not the stream: what follows it is not audio."""
        with contextlib.suppress(_GivenUp, UnreadableAudio):
            while not self._at_end and not self._over:
                self._next_turn()
                self._answer(b"")

    def _decode(self) -> None:
        import av

        with av.open(
            self,
            "r",
            format=DEMUXERS[self._source],
            options=dict(OPTIONS),
            metadata_errors="ignore",
            buffer_size=BUFFER_BYTES,
        ) as container:
            stream = _audio_stream(container)
            bad = 0
            for packet in container.demux(stream):
                bad = 0 if self._decode_packet(packet) else bad + 1
                if bad > BAD_PACKETS:
                    raise UnreadableAudio("The audio is damaged.")
        if self._failure is not None:
            raise self._failure
        self._emit(self._resampler.flush())

    def _decode_packet(self, packet: "Packet[AudioStream]") -> bool:
        from av.error import InvalidDataError

        try:
            frames = packet.decode()
        except InvalidDataError:
            return False
        for frame in frames:
            self._emit(self._resampler.push(frame))
        return True

    def _emit(self, samples: bytes) -> None:
        self._take(len(samples))
        self._samples += samples
        if samples:
            self._unheard_bytes = 0


def _audio_stream(container: "InputContainer") -> "AudioStream":
    if not container.streams.audio:
        raise UnreadableAudio("There is no sound in this audio.")
    stream = container.streams.audio[0]
    if stream.codec_context.name not in CODECS:
        raise UnreadableAudio("The audio is in a codec that is not supported.")
    return stream


def _set(future: "asyncio.Future[bytes]", answer: bytes | AudioError) -> None:
    if future.done():
        return
    if isinstance(answer, bytes):
        future.set_result(answer)
    else:
        future.set_exception(answer)
