"""Starts everything, says where to look, and stops it when told to."""

import asyncio
import contextlib
import ctypes
import os
import signal
import ssl
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.assistants.files import Assistants
from agent.settings import PROJECT_ROOT
from agent.stages.choice import StageChoice, choose
from agent.stages.errors import StageUnavailable
from launch import embedded
from launch.certificate import certified_name
from launch.errors import LaunchError, PortInUse, StartFailed
from launch.output import Tell, relayed
from launch.plan import Embedded, Plan, make_plan
from launch.ports import claim_port
from launch.services import languages, look_at_services
from launch.settings import LaunchSettings, reachable
from launch.supervisord import render
from launch.tree import kill_tree
from orchestrator.assistants import load_assistants
from orchestrator.monitoring.supervisord import Supervisord
from orchestrator.ports import alias_ports
from orchestrator.settings import SettingsError, load_settings, warn_misspellings

PR_SET_PDEATHSIG = 1
FAST_STOP_S = 4.5
"""After Ctrl-C, how long the programs have before they are killed."""

Stop = asyncio.Future[signal.Signals]


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine made ready: the plan, and the environment that the programs inherit."""

    settings: LaunchSettings
    plan: Plan
    environment: Mapping[str, str]
    config: Path
    url: str
    """The page, by the name that its certificate was made for."""


def main() -> int:
    """Run until stopped. Exit codes: 0 stopped, 1 failed while running, 2 could not be started."""
    try:
        settings = load_settings(LaunchSettings)
        warn_misspellings(os.environ, LaunchSettings, _complain)
        with embedded.only_instance(settings.data_dir):
            machine = prepare(settings, choose(settings), _tell)
            return asyncio.run(_run(machine, _tell))
    except (LaunchError, SettingsError, StageUnavailable) as error:
        _complain(str(error))
        return 2
    except KeyboardInterrupt:
        return 0


def prepare(settings: LaunchSettings, stages: StageChoice, tell: Tell) -> Machine:
    """Claim ports, make the embedded parts, write the configuration."""
    with contextlib.ExitStack() as held:
        return _prepare(settings, stages, held, tell)


def _prepare(
    settings: LaunchSettings, stages: StageChoice, held: contextlib.ExitStack, tell: Tell
) -> Machine:
    embedded.make_run_dir(settings.run_dir)
    _make_log_folder(settings.log_folder)
    claim_port(held, "PORT", settings.host, settings.port)
    skipped = _claim_aliases(settings, held)
    environment = dict(os.environ)
    environment["RUN_DIR"] = str(settings.run_dir)
    if not settings.operator_keys:
        environment["OPERATOR_KEYS"] = embedded.operator_key(settings.data_dir)
    # whoever starts everything anew means this machine to serve
    settings.out_of_service_marker.unlink(missing_ok=True)
    name = _use_certificate(settings, environment)
    parts = Embedded(None, None, None)
    if settings.redis_is_embedded:
        port = claim_port(held, "REDIS_PORT", "127.0.0.1", settings.redis_port)
        config, url = embedded.write_redis_config(settings.run_dir, settings.data_dir, port)
        environment["REDIS_URL"] = url
        parts = Embedded(embedded.find_redis_server(), config, None)
    if settings.rooms_are_embedded:
        port = claim_port(held, "DEVROOM_PORT", settings.devroom_host, settings.devroom_port)
        key = embedded.room_key(settings.data_dir)
        environment["LIVEKIT_URL"] = f"ws://{reachable(settings.devroom_host)}:{port}"
        environment["LIVEKIT_API_KEY"] = key.key
        environment["LIVEKIT_API_SECRET"] = key.secret
        tls_port = None
        if settings.tls_cert_file is not None:
            wanted = settings.devroom_tls_port
            tls_port = claim_port(held, "DEVROOM_TLS_PORT", settings.devroom_host, wanted)
            reached_by = name or reachable(settings.devroom_host)
            if not settings.livekit_public_url:
                environment["LIVEKIT_PUBLIC_URL"] = f"wss://{reached_by}:{tls_port}"
        parts = Embedded(parts.redis_server, parts.redis_config, port, tls_port)
    plan = make_plan(settings, parts, stages)
    config_path = settings.run_dir / "supervisord.conf"
    text = render(
        plan,
        run_dir=settings.run_dir,
        log_dir=settings.log_folder,
        directory=PROJECT_ROOT,
        rotated=not settings.logs_to_stdout,
    )
    embedded.write_private(config_path, text)
    for part, taken in plan.taken:
        tell(f"  {part:<12} {taken}")
    services = look_at_services(settings, stages)
    for service in services:
        tell(f"  {'service':<12} {service.told}")
    if not settings.asr_service_languages and (known := languages(services)):
        environment["ASR_SERVICE_LANGUAGES"] = known
    _tell_assistants(load_assistants(settings), tell)
    for alias in skipped:
        tell(f"  {alias} It is skipped: clients that have it built in reach somebody else.")
    if _only_the_page_is_reachable(settings):
        tell("  Browsers elsewhere reach the page, but no room: set DEVROOM_HOST as HOST is set.")
    url = f"{settings.scheme}://{name or reachable(settings.host)}:{settings.port}"
    return Machine(settings, plan, environment, config_path, url)


def _claim_aliases(settings: LaunchSettings, held: contextlib.ExitStack) -> list[PortInUse]:
    """Before ports are chosen, or one of these could be; what stands against those in use."""
    skipped = []
    for port in alias_ports(settings):
        try:
            claim_port(held, "ALIAS_PORTS", settings.host, port)
        except PortInUse as error:
            skipped.append(error)
    return skipped


def _tell_assistants(assistants: Assistants, tell: Tell) -> None:
    if assistants.by_name:
        tell(f"  {'assistants':<12} {', '.join(sorted(assistants.by_name))}")
    for problem in assistants.problems:
        tell(f"  {'assistants':<12} {problem}")


def _use_certificate(settings: LaunchSettings, environment: dict[str, str]) -> str | None:
    """Check the certificate, if any, and hand it on; the name that it was made for."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    environment["TLS_CERT_FILE"] = str(settings.tls_cert_file.absolute())
    environment["TLS_KEY_FILE"] = str(settings.tls_key_file.absolute())
    return certified_name(settings.tls_cert_file, settings.tls_key_file)


def _only_the_page_is_reachable(settings: LaunchSettings) -> bool:
    """Whether other machines reach the API, but not the embedded room server."""
    if not settings.rooms_are_embedded or settings.livekit_public_url:
        return False
    return _is_loopback(settings.devroom_host) and not _is_loopback(settings.host)


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _make_log_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LaunchError(f"LOG_DIR: cannot use {folder}: {error.strerror}") from error


async def _run(machine: Machine, tell: Tell) -> int:
    stop: Stop = asyncio.get_running_loop().create_future()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, _settle, stop, number)
    began = time.monotonic()
    for command in machine.plan.preparations:
        if not await _first(_preparation(machine, command), stop):
            return 0
    with contextlib.ExitStack() as stack:
        if machine.settings.logs_to_stdout:
            names = ["supervisord", *(program.name for program in machine.plan.programs)]
            stack.enter_context(relayed(machine.settings.log_folder, names, tell))
        return await _supervise(machine, stop, began, tell)


async def _supervise(machine: Machine, stop: Stop, began: float, tell: Tell) -> int:
    """Run all programs until they are told to stop, or end by themselves."""
    supervisord = await _start_supervisord(machine)
    exited = asyncio.create_task(supervisord.wait())
    try:
        ready = asyncio.create_task(_until_ready(machine))
        await _any(ready, exited, stop)
        if ready.done() and not stop.done():
            ready.result()
            tell(f"Majlis is ready after {time.monotonic() - began:.1f} s: {machine.url}")
            await _any(exited, stop)
        ready.cancel()
        if not stop.done():
            raise StartFailed(
                f"supervisord ended by itself; its log is {machine.settings.where_logs_are}"
            )
        return 0
    finally:
        fast = not stop.done() or stop.result() is signal.SIGINT
        await _stop(machine, supervisord, exited, fast=fast, tell=tell)


async def _preparation(machine: Machine, command: tuple[str, ...]) -> None:
    """Run one step of getting ready, its output shown as it comes."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=machine.environment,
        cwd=PROJECT_ROOT,
        preexec_fn=_die_with_parent,
    )
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        raise
    if code != 0:
        raise StartFailed(f"`{' '.join(command)}` failed (exit code {code})")


async def _first(work: Coroutine[Any, Any, None], stop: Stop) -> bool:
    """Do the work unless we are stopped first; whether it was done."""
    task = asyncio.create_task(work)
    await _any(task, stop)
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return False
    task.result()
    return True


async def _start_supervisord(machine: Machine) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(machine.config)),
        env=machine.environment,
        cwd=PROJECT_ROOT,
        start_new_session=True,  # a terminal's Ctrl-C reaches us alone; we stop the rest in order
        preexec_fn=_die_with_parent,
    )


async def _until_ready(machine: Machine) -> None:
    """Return when a session can be started. Raises `StartFailed`, which names what is not up."""
    settings = machine.settings
    deadline = time.monotonic() + settings.start_timeout_seconds
    while True:
        waiting_for = await asyncio.to_thread(_not_ready, settings)
        if waiting_for is None:
            return
        if time.monotonic() > deadline:
            programs = await asyncio.to_thread(Supervisord(settings.run_dir).programs)
            down = ", ".join(f"{p.name} {p.state}" for p in programs if p.state != "RUNNING")
            raise StartFailed(
                f"Not ready after {settings.start_timeout_seconds:.0f} s: {waiting_for}; programs "
                f"not running: {down or 'none'}. Their logs are {settings.where_logs_are}."
            )
        await asyncio.sleep(0.1)


def _not_ready(settings: LaunchSettings) -> str | None:
    """What is not up yet; None when all is."""
    if not settings.agent_host_socket.is_socket():
        return "the agent host does not listen"
    url = f"{settings.url}/health"
    # our own certificate, which need not name this address
    trusting = ssl._create_unverified_context() if settings.scheme == "https" else None  # noqa: S323, SLF001
    try:
        with urllib.request.urlopen(url, timeout=2, context=trusting) as answer:  # noqa: S310
            return None if answer.status == 200 else f"{url} answers {answer.status}"
    except urllib.error.HTTPError as error:
        return f"{url} answers {error.code}: {error.read(2000).decode(errors='replace')}"
    except OSError as error:
        return f"{url}: {error}"


async def _stop(
    machine: Machine,
    supervisord: asyncio.subprocess.Process,
    exited: "asyncio.Task[int]",
    *,
    fast: bool,
    tell: Tell,
) -> None:
    """Stop everything: at once when `fast`, else letting calls finish. Returns when all is gone."""
    if exited.done():
        return
    tell("Stopping." if fast else "Draining: running calls finish first. Ctrl-C stops at once.")
    if not fast:
        hurry: Stop = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, _settle, hurry, signal.SIGINT)
        supervisord.terminate()
        await _any(exited, hurry)
        if exited.done():
            return
    control = Supervisord(machine.settings.run_dir)
    await asyncio.to_thread(control.signal, "agent-host", "INT")
    await asyncio.to_thread(control.stop_all)
    with contextlib.suppress(ProcessLookupError):
        supervisord.terminate()
    done, _ = await asyncio.wait({exited}, timeout=FAST_STOP_S)
    if not done:
        await asyncio.to_thread(kill_tree, supervisord.pid)
        await exited


async def _any(*futures: asyncio.Future[Any]) -> None:
    """Wait for the first of them."""
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def _settle(future: Stop, number: signal.Signals) -> None:
    if not future.done():
        future.set_result(number)


def _die_with_parent() -> None:
    """In the child: be told to stop when our parent is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _tell(line: str) -> None:
    print(line, flush=True)


def _complain(line: str) -> None:
    print(line, file=sys.stderr)
