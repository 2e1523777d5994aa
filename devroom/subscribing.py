"""What one participant receives: which tracks, and how it is told of them.

How differs with the client. One with two connections is sent offers for the second
(`subscriber_offers`); one with a single connection makes all offers itself, and tracks go into
its spare sections (`shared_sections`). Both are a `Layout`.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from devroom import rtcp
from devroom.forwarding import DownTrack, UpTrack


class Layout(Protocol):
    """Where tracks go in a subscriber's descriptions."""

    def add(self, down: DownTrack) -> None: ...
    def remove(self, down: DownTrack) -> None: ...

    def negotiate(self) -> None:
        """Tells the client of what was added and removed since the last call."""

    def start_answered(self) -> None:
        """Sends the tracks the client knows of, if the transport is up."""


class Subscriptions:
    """The tracks of others that one participant is sent.

    `auto` is whether it gets every track unasked; it may still decline single ones.
    """

    def __init__(self, layout: Layout, *, auto: bool) -> None:
        self._layout = layout
        self._auto = auto
        self._tracks: dict[str, DownTrack] = {}
        self._chosen: dict[str, bool] = {}

    def __iter__(self) -> Iterator[DownTrack]:
        return iter(self._tracks.values())

    def get(self, sid: str) -> DownTrack | None:
        return self._tracks.get(sid)

    def follow(self, available: Iterable[UpTrack]) -> None:
        """Takes exactly those of the available tracks that are wanted, and negotiates."""
        wanted = {
            track.sid: track for track in available if self._chosen.get(track.sid, self._auto)
        }
        for sid in [sid for sid in self._tracks if sid not in wanted]:
            down = self._tracks.pop(sid)
            down.stop()
            self._layout.remove(down)
        for sid, track in wanted.items():
            if sid not in self._tracks:
                down = self._tracks[sid] = DownTrack(track)
                self._layout.add(down)
        self._layout.negotiate()

    def choose(self, sid: str, wanted: bool) -> None:
        """Remembers the client's own choice; it holds from the next `follow`."""
        self._chosen[sid] = wanted

    def forget(self, sid: str) -> None:
        self._chosen.pop(sid, None)

    def start_answered(self) -> None:
        self._layout.start_answered()

    def stop(self) -> None:
        for down in self._tracks.values():
            down.stop()
        self._tracks.clear()

    def feedback_received(self, feedback: rtcp.KeyframeRequest | rtcp.Nack) -> None:
        down = next((d for d in self if d.ssrc == feedback.media_ssrc), None)
        if down is None:
            return
        match feedback:
            case rtcp.KeyframeRequest():
                down.up.request_keyframe()
            case rtcp.Nack(_, sequences):
                down.resend(sequences)
