"""Any PCM into mono PCM16 at one rate, continuously."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, cast

from orchestrator.gateway.audio.pcm import SAMPLE_BYTES

if TYPE_CHECKING:
    from av import AudioFrame
    from av.filter import Graph

LAYOUTS: Final = {1: "mono", 2: "stereo"}


class Resampler:
    """Frames of one format after another in; mono s16le at `rate_hz` out.

    PyAV's own resampler starts a thread for each core; this one starts none.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._graph: Graph | None = None
        self._source: tuple[str, str, int] | None = None

    def push(self, frame: "AudioFrame") -> bytes:
        """Samples that are ready now."""
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        before = b""
        if self._graph is None or source != self._source:
            before = self.flush()
            self._graph, self._source = _graph(source, self._rate_hz), source
        # time stamps of a stranger's recording; all that counts is the order
        frame.pts = None
        self._graph.push(frame)
        return before + b"".join(_pull(self._graph))

    def push_packed(self, samples: bytes, sample_format: str, channels: int, rate_hz: int) -> bytes:
        """The same of interleaved samples, whole ones, in a packed format of FFmpeg's naming."""
        from av import AudioFormat, AudioFrame

        size = AudioFormat(sample_format).bytes * channels
        frame = AudioFrame(
            format=sample_format, layout=LAYOUTS[channels], samples=len(samples) // size
        )
        frame.sample_rate = rate_hz
        frame.planes[0].update(samples)
        return self.push(frame)

    def flush(self) -> bytes:
        """What the filter still held."""
        if self._graph is None:
            return b""
        graph, self._graph = self._graph, None
        graph.push(None)
        return b"".join(_pull(graph))


def _graph(source: tuple[str, str, int], rate_hz: int) -> "Graph":
    from av.filter import Graph

    sample_format, layout, source_rate_hz = source
    graph = Graph()
    graph.threads = 1
    first = graph.add(
        "abuffer",
        sample_rate=str(source_rate_hz),
        sample_fmt=sample_format,
        channel_layout=layout,
        time_base=f"1/{source_rate_hz}",
    )
    converted = graph.add(
        "aformat", sample_rates=str(rate_hz), sample_fmts="s16", channel_layouts="mono"
    )
    last = graph.add("abuffersink")
    first.link_to(converted)
    converted.link_to(last)
    graph.configure()
    return graph


def _pull(graph: "Graph") -> Iterator[bytes]:
    from av.error import BlockingIOError as NothingYet
    from av.error import EOFError as Ended

    while True:
        try:
            frame = cast("AudioFrame", graph.pull())
        except (NothingYet, Ended):
            return
        yield bytes(frame.planes[0])[: frame.samples * SAMPLE_BYTES]
