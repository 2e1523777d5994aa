"""A built stage, running as `docker run` would run it, with everything taken from it.

That is `--read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges`.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.dockerfile import Stage
from deploy.network import Network
from deploy.root import DEBIAN, ROOT_MOUNTS, Failed, unshare, within

RUN = f"""\
set -eu
hostname container
{ROOT_MOUNTS}
mount -t tmpfs -o mode=1777 tmp "$1/tmp"
mount --bind "$2" "$1/data"
mount -o remount,bind,ro "$1"
root=$1 folder=$3 user=$4
shift 4
exec chroot "$root" setpriv --reuid "$user" --regid "$user" --init-groups --no-new-privs \\
    --bounding-set=-all --inh-caps=-all sh -c 'cd "$0" && exec "$@"' "$folder" "$@"
"""
ASK = """\
import json, sys, urllib.request as r, urllib.error
method, path, body, accept = sys.argv[1:]
request = r.Request("http://127.0.0.1:" + path, body.encode() or None, method=method)
request.add_header("content-type", "application/json")
request.add_header("accept", accept)
try:
    answer = r.urlopen(request, timeout=10)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, answer.headers.get("content-type"), answer.read().decode()]))
"""


class Container:
    """The last stage, running."""

    def __init__(
        self,
        stage: Stage,
        root: Path,
        work: Path,
        network: Network,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.output: list[str] = []
        self.network = network
        self._root = root
        self._user = stage.last("USER").words[0]
        self._folder = stage.last("WORKDIR").words[0]
        entry = next((row.split(":") for row in _rows(root, "etc/passwd", self._user)), None)
        if entry is None:
            raise Failed(f"there is no user {self._user}")
        self.uid = int(entry[2])
        own = {"HOME": entry[5], "HOSTNAME": "container"}
        self._environment = {**stage.environment(DEBIAN), **own, **(environment or {})}
        # A new volume begins with what the image has at that place: its owner and mode.
        self.data = work / "data"
        subprocess.run(["cp", "-a", root / "data", self.data], check=True)
        self._command = (*stage.last("ENTRYPOINT").words, *stage.last("CMD").words)
        self._check = stage.last("HEALTHCHECK")
        self._process: subprocess.Popen[str] | None = None
        self.pid = 0

    def start(self) -> None:
        """Start its first process."""
        self._process = subprocess.Popen(
            [
                *self.network.inside(*unshare("--ipc", "--uts")),
                *("sh", "-c", RUN, "run", str(self._root), str(self.data)),
                *(self._folder, self._user, *self._command),
            ],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        output = self._process.stdout or ()
        threading.Thread(target=self._read, args=(output,), daemon=True).start()
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self.pid = int(within(5, "its first process", lambda: children.read_text().split()[:1])[0])

    def _read(self, output: Iterable[str]) -> None:
        for line in output:
            self.output.append(line.rstrip("\n"))

    def inside(self, *command: str) -> subprocess.CompletedProcess[str]:
        """`docker exec`."""
        user = ("--reuid", self._user, "--regid", self._user, "--init-groups", "--no-new-privs")
        enter = ("nsenter", "--target", str(self.pid), "--all", "--root", "--wd")
        return subprocess.run(
            [*enter, "setpriv", *user, *command],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def healthy(self) -> bool:
        """What the health check says."""
        return self.inside(*self._check.words).returncode == 0

    def ask(
        self, method: str, path: str, body: object = None, accept: str = "application/json"
    ) -> tuple[int, str, Any]:
        """Status, content type and body. `path` begins with the port."""
        sent = "" if body is None else json.dumps(body)
        done = self.inside("python", "-c", ASK, method, path, sent, accept)
        if done.returncode != 0:
            raise Failed(f"{method} {path}: {done.stderr.strip().splitlines()[-1]}")
        status, kind, text = json.loads(done.stdout)
        return status, kind, json.loads(text) if kind == "application/json" else text

    def processes(self) -> dict[int, str]:
        """Command lines of all of it, by the pids that they have out here."""
        found: dict[int, str] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if (folder / "ns/pid").readlink() == self._namespace:
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if command:
                        found[int(folder.name)] = command.strip()
            except OSError:
                continue
        return found

    @property
    def _namespace(self) -> Path:
        return Path(f"/proc/{self.pid}/ns/pid").readlink()

    def wait(self, timeout_s: float) -> tuple[int, list[str]]:
        """Its exit code, and what ran beside its first process when that was last seen."""
        if self._process is None:
            raise Failed("it was not started")
        deadline = time.monotonic() + timeout_s
        last: list[str] = []
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                raise Failed(f"still running after {timeout_s:.0f} s: {last}")
            try:
                last = [line for pid, line in self.processes().items() if pid != self.pid] or last
            except OSError:
                break
        return self._process.wait(5), last

    def kill(self) -> None:
        """End it whatever it does; its namespace ends with it."""
        if self._process is not None and self._process.poll() is None:
            # by itself: whoever changes their user no longer dies with their parent
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()


@contextmanager
def ended(container: Container) -> Iterator[None]:
    """End it at the end; when that is a failure, with its last words."""
    try:
        yield
    except Failed:
        print(*container.output[-60:], sep="\n")
        raise
    finally:
        container.kill()


def _rows(root: Path, file: str, first: str) -> list[str]:
    rows = (root / file).read_text().splitlines()
    return [row for row in rows if row.startswith(f"{first}:")]
