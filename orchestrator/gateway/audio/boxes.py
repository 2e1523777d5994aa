"""Cutting an MP4 stream where its boxes begin (ISO/IEC 14496-12, 4.2).

FFmpeg reads the head of a box and steps back over it. In a stream it can only step back within
what it was handed at once, so every box begins what is handed to it, head and all.
"""

HEAD_BYTES = 16
"""Of a box with a 64-bit size, the longest head."""


class BoxCutter:
    """Bytes cut anywhere in; the same bytes cut where boxes begin out."""

    def __init__(self) -> None:
        self._head = b""
        self._left_of_box = 0

    def cut(self, data: bytes) -> list[bytes]:
        """The parts that can be handed on; up to 16 bytes wait for more."""
        data, self._head = self._head + data, b""
        parts = []
        while data:
            if not self._left_of_box:
                if len(data) < HEAD_BYTES:
                    self._head = data
                    break
                self._left_of_box = _box_bytes(data)
            parts.append(data[: self._left_of_box])
            data = data[self._left_of_box :]
            self._left_of_box -= len(parts[-1])
        return parts

    def rest(self) -> list[bytes]:
        """What still waited, at the end."""
        return [self._head] if self._head else []


def _box_bytes(head: bytes) -> int:
    size = int.from_bytes(head[:4])
    if size == 1:
        size = int.from_bytes(head[8:16])
    # 0: up to the end; less than a head is damage, for FFmpeg to judge
    return size if size >= 8 else 1 << 62
