"""`python -m services`: all three on this machine, until Ctrl-C; what they need is made first."""

import argparse
import asyncio
import contextlib
import signal
import sys

from agent.settings import PROJECT_ROOT
from services.engine import die_with_parent, stop

PROGRAMS = (("asr", 8001), ("rag", 8002), ("tts", 8003))
"""Names and ports."""
_AGAIN_S = 1.0
_STOP_S = 4.0
"""How long a service may take to end, its engine too."""

_PREPARATIONS = (("agent.knowledge", "index"), ("agent.stages.local.language_model",))
"""The index of the documents, and the recogniser's words of them."""


def main() -> int:
    """Run until stopped. Exit codes: 0 stopped, 1 something could not be prepared."""
    parser = argparse.ArgumentParser(prog="python -m services")
    parser.add_argument("--host", default="127.0.0.1")
    for name, port in PROGRAMS:
        parser.add_argument(f"--{name}-port", type=int, default=port)
    options = parser.parse_args()
    ports = [(name, getattr(options, f"{name}_port")) for name, _ in PROGRAMS]
    return asyncio.run(_run(options.host, ports))


async def _run(host: str, ports: list[tuple[str, int]]) -> int:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    work = asyncio.create_task(_work(host, ports), name="services")
    waiting = asyncio.create_task(stopped.wait(), name="stop")
    await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    work.cancel()
    waiting.cancel()
    await asyncio.wait({work, waiting})
    return 0 if work.cancelled() else work.result()


async def _work(host: str, ports: list[tuple[str, int]]) -> int:
    """Ends by being cancelled, or when something cannot be prepared."""
    for arguments in _PREPARATIONS:
        process = await _start(*arguments)
        try:
            if code := await process.wait():
                return code
        finally:
            await stop(process)
    async with asyncio.TaskGroup() as services:
        for name, port in ports:
            program = (f"services.{name}", "--host", host, "--port", str(port))
            services.create_task(_keep(program), name=name)
            _tell(f"  {name}  {'http' if name == 'rag' else 'ws'}://{host}:{port}")
    return 0


async def _keep(arguments: tuple[str, ...]) -> None:
    """Run a program, again and again, until cancelled."""
    while True:
        process = await _start(*arguments)
        try:
            code = await process.wait()
        finally:
            await stop(process, within_s=_STOP_S)
        _tell(f"{arguments[0]} ended with exit code {code}; it is started again")
        await asyncio.sleep(_AGAIN_S)


async def _start(module: str, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        cwd=PROJECT_ROOT,
        start_new_session=True,  # a terminal's Ctrl-C reaches us alone; we stop the rest
        preexec_fn=die_with_parent,
    )


def _tell(line: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
