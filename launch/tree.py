"""Ending a process and all that it has started, when asking has not helped."""

import contextlib

import psutil


def kill_tree(pid: int) -> None:
    """Kill a process and its descendants, those in sessions of their own too.

    The process itself goes first, as it would start others in their place.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
