"""What this process takes of the machine."""

import os
import time
from pathlib import Path

_MIB = 1 << 20


class Load:
    """Looks at the process it is made in."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._cpu_s = time.process_time()

    def look(self) -> tuple[float, float]:
        """Share of one processor used since the last look, and resident memory in MiB."""
        at, cpu_s = time.monotonic(), time.process_time()
        share = (cpu_s - self._cpu_s) / max(at - self._at, 1e-3)
        self._at, self._cpu_s = at, cpu_s
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return round(share, 3), round(pages * os.sysconf("SC_PAGE_SIZE") / _MIB, 1)
