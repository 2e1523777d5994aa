"""What `ps` shows of our processes."""

import os
from pathlib import Path

_LONGEST_TITLE = len("agent session_1234567890123_123456789")


def name_process(title: str) -> None:
    """Show this in `ps`, and nothing of the environment."""
    # by default setproctitle takes the room of the environment too, and blanks it
    if len(Path("/proc/self/cmdline").read_bytes()) > _LONGEST_TITLE:
        os.environ.setdefault("SPT_NOENV", "1")
    import setproctitle

    setproctitle.setproctitle(title)
