"""What is left is killed, wherever it has gone."""

import subprocess
import sys

import psutil

from launch.tree import kill_tree

PARENT = """
import subprocess, time
child = subprocess.Popen(["sleep", "60"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_nothing_of_a_tree_is_left() -> None:
    """Catches a program in a session of its own that outlives what had started it."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        kill_tree(parent.pid)
        assert parent.wait(timeout=10) == -9
        _, alive = psutil.wait_procs([child], timeout=10)
        left = [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]
        assert left == []
        kill_tree(parent.pid)
