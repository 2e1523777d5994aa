"""Lines out of a stream of bytes, bounded. Nothing in here does I/O."""


class LineTooLong(Exception):
    """The peer sends a line that is longer than agreed; nothing after it can be read."""


class Lines:
    """Cuts a stream into lines of at most `max_bytes`, without their ends."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes. Raises `LineTooLong`."""
        scanned = len(self._rest)
        self._rest += data
        lines: list[bytes] = []
        start = 0
        while (end := self._rest.find(b"\n", max(start, scanned))) >= 0:
            if end - start > self._max_bytes:
                raise LineTooLong
            lines.append(bytes(self._rest[start:end]))
            start = end + 1
        del self._rest[:start]
        if len(self._rest) > self._max_bytes:
            raise LineTooLong
        return lines
