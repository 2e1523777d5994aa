"""`python -m agent.host`: run the host with the settings of the environment."""

import contextlib
import fcntl
import functools
import logging
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from agent.host.title import name_process
from agent.logs import log_to_stderr, quiet_libraries
from agent.settings import AgentSettings

_LOCK_PATIENCE_S = 0.5
_log = logging.getLogger(__name__)


class AnotherHostRuns(Exception):
    """There is one host a machine and run directory already."""


def main() -> int:
    """Run the host with the settings of the environment. Returns the exit code."""
    try:
        settings = AgentSettings()
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(str(part) for part in problem["loc"]).upper()
            print(f"agent host: {name}: {problem['msg']}", file=sys.stderr)  # noqa: T201
        return 2
    log_to_stderr(settings.log_level, settings.log_format)
    quiet_libraries()
    name_process("agent host")
    try:
        with only_host(settings.agent_host_socket):
            _serve(settings)
    except AnotherHostRuns as error:
        print(f"agent host: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except OSError as error:
        print(f"agent host: cannot listen: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


@contextlib.contextmanager
def only_host(path: Path) -> Iterator[None]:
    """Be the one host that serves this socket. Raises `AnotherHostRuns`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    with path.with_suffix(".lock").open("w") as lock:
        _lock(lock.fileno(), path)
        # of a host that was killed: nobody may take it for ours while we load
        path.unlink(missing_ok=True)
        yield


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """The socket that clients of the host connect to."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(512)
        listener.setblocking(False)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def _lock(descriptor: int, path: Path) -> None:
    # children of a host that was killed hold its lock until they have closed what they inherited
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise AnotherHostRuns(f"another agent host serves {path}") from None
            time.sleep(0.02)
        else:
            return


def _serve(settings: AgentSettings) -> None:
    # numpy reads it when it is imported, and its threads would not survive a fork
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    began = time.monotonic()
    from agent.host.child import run_child
    from agent.host.loop import AgentHost
    from agent.host.preload import preload
    from agent.host.records import Records
    from agent.host.reporter_process import run_reporter

    preload(settings)
    name = settings.agent_host_name or socket.gethostname()
    with listening(settings.agent_host_socket) as listener:
        _log.info("agent host ready", extra={"loaded_in_s": round(time.monotonic() - began, 2)})
        AgentHost(
            name=name,
            capacity=settings.max_agents_per_host,
            pool_size=settings.agent_pool_size,
            pool_max=max(settings.agent_pool_size, settings.agent_pool_max),
            drain_timeout_s=settings.drain_timeout_seconds,
            listener=listener,
            records=Records(settings.run_dir / "agents", settings.out_of_service_marker),
            agent_main=functools.partial(run_child, settings=settings),
            reporter_main=functools.partial(
                run_reporter, redis_url=settings.redis_url.get_secret_value(), host=name
            ),
        ).run()


if __name__ == "__main__":
    sys.exit(main())
