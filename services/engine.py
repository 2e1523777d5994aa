"""A local speech engine as a child process: started, awaited, started again when it dies.

EngineFailed   it did not start
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from agent.settings import PROJECT_ROOT, AgentSettings

START_S = 60.0
"""How long an engine may take to load its models."""
STOP_S = 2.0
_AGAIN_S = 1.0
_FOLDERS = "majlis-service-"
"""How the folders of engines' sockets begin; then comes the service's pid."""
_PR_SET_PDEATHSIG = 1

_log = logging.getLogger(__name__)


class EngineFailed(Exception):
    """The engine did not start; says which."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A program that serves one of the local stages on a unix socket."""

    name: str
    module: str
    socket: Callable[[AgentSettings], Path]


RECOGNIZER = Engine(
    "recognizer",
    "agent.stages.local.recognizer_server",
    lambda settings: settings.recognizer_socket,
)
SYNTHESIZER = Engine(
    "synthesizer",
    "agent.stages.local.synthesizer_server",
    lambda settings: settings.synthesizer_socket,
)


@asynccontextmanager
async def running(engine: Engine, settings: AgentSettings) -> AsyncIterator[AgentSettings]:
    """Run the engine while the context is open; gives the settings that find its socket.

    The socket is in a folder of its own, so that whatever else runs on this machine may have such
    an engine too. Raises `EngineFailed`.
    """
    sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDERS}{os.getpid()}-") as folder:
        own = settings.model_copy(update={"run_dir": Path(folder)})
        kept = _Kept(await _start(engine, own))
        try:
            await _until_listening(engine, own, kept.process)
            keeper = asyncio.create_task(_keep(engine, own, kept), name=f"engine.{engine.name}")
            try:
                yield own
            finally:
                keeper.cancel()
                await asyncio.wait({keeper})
        finally:
            await stop(kept.process)


@dataclass(slots=True)
class _Kept:
    """The engine's process, whichever it is now."""

    process: asyncio.subprocess.Process


def sweep(folder: Path) -> None:
    """Remove what services left behind that were killed."""
    for left in folder.glob(f"{_FOLDERS}*-*"):
        pid = left.name.removeprefix(_FOLDERS).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(left, ignore_errors=True)


async def stop(process: asyncio.subprocess.Process, *, within_s: float = STOP_S) -> None:
    """SIGTERM, and SIGKILL when that is not enough."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(within_s):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def die_with_parent() -> None:
    """In a child: be told to stop when the parent is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _keep(engine: Engine, settings: AgentSettings, kept: _Kept) -> None:
    """See to it that the engine runs, until cancelled."""
    while True:
        code = await kept.process.wait()
        _log.error("%s ended with exit code %s; it is started again", engine.name, code)
        await asyncio.sleep(_AGAIN_S)
        kept.process = await _start(engine, settings)


async def _start(engine: Engine, settings: AgentSettings) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", engine.module),
        cwd=PROJECT_ROOT,
        env={**os.environ, "RUN_DIR": str(settings.run_dir)},
        start_new_session=True,  # a terminal's Ctrl-C reaches the service alone
        preexec_fn=die_with_parent,
    )


async def _until_listening(
    engine: Engine, settings: AgentSettings, process: asyncio.subprocess.Process
) -> None:
    socket = engine.socket(settings)
    deadline = asyncio.get_running_loop().time() + START_S
    while not socket.is_socket():
        if process.returncode is not None:
            raise EngineFailed(f"the {engine.name} ended with exit code {process.returncode}")
        if asyncio.get_running_loop().time() > deadline:
            raise EngineFailed(f"the {engine.name} did not start within {START_S:.0f} s")
        await asyncio.sleep(0.05)
