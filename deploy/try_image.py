"""Goes through the Dockerfile in empty Debian roots, without Docker, and runs what comes out.

    make image-check            as root, on Debian with debootstrap, node and npm

The base images are stood in for by Debian's own packages. Everything else is what the Dockerfile
says: what it copies, its scripts, environment, user, health check and command.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from deploy.build import PROJECT, Build, Options
from deploy.container import Container, ended
from deploy.dockerfile import Ignored, parse_dockerfile
from deploy.network import network, network_to_nowhere
from deploy.root import Failed, require, serving, step, within, write_hosts

DOCKERFILE = PROJECT / "Dockerfile.orchestrator-python"
NEEDED = {"redis", "api", "worker", "beat", "agent-host"}
"""Programs that are there whatever the settings; others may be beside them."""
READY_S = 300
DRAIN_S = 60
NGINX = ("nginx", "-g", "daemon off;")
UPGRADE = """\
import asyncio, websockets
async def main():
    async def echo(socket):
        async for message in socket:
            await socket.send(message)
    async with websockets.serve(echo, "127.0.0.1", 8000):
        async with websockets.connect("ws://127.0.0.1:8080/ws/any") as socket:
            await socket.send(b"heard")
            print((await asyncio.wait_for(socket.recv(), 5)).decode())
asyncio.run(main())
"""


def check(container: Container, roots: Mapping[str, Path]) -> None:
    """Start it, use it, stop it."""
    with step("starts, by its own health check"):
        began = time.monotonic()
        container.start()
        within(READY_S, "the health check", container.healthy)
        print(f"  /livez after {time.monotonic() - began:.1f} s")
        within(READY_S, "/health", lambda: container.ask("GET", "8000/health")[0] == 200)
        print(f"  /health is 200 after {time.monotonic() - began:.1f} s")
        within(READY_S, "the word", lambda: any("is ready" in line for line in container.output))
    with step("runs all programs, as nobody special"):
        _check_processes(container)
    with step("tells in /health of a program that keeps failing"):
        _check_failing(container)
    with step("tells what it is, and serves the page"):
        told = container.ask("GET", "8000/")[2]
        page = container.ask("GET", "8000/", accept="text/html")[2]
        require(told["name"] == "Majlis" and "<html" in page, "the root")
        print(f"  {told['name']} {told['version']}")
    with step("serves the page through `frontend` too"):
        check_frontend(container, roots["frontend"])
        check_upgrade(roots["frontend"], roots["orchestrator"])
    with step("holds a session, and drains"):
        _check_session(container)


def _check_processes(container: Container) -> None:
    running = container.inside("supervisorctl", "-c", "/tmp/majlis/supervisord.conf", "status")  # noqa: S108
    states = dict(line.split()[:2] for line in running.stdout.splitlines())
    require(states.keys() >= NEEDED and set(states.values()) == {"RUNNING"}, f"programs: {states}")
    processes = container.processes()
    for pid, command in processes.items():
        rows = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        owners = {int(number) for number in rows["Uid"].split()}
        require(owners == {container.uid}, f"{command} runs as {owners}")
        require(rows["CapEff"].strip("0") == "", f"{command} has capabilities")
    print(f"  {', '.join(states)}: {len(processes)} processes, all of uid {container.uid}")
    within(READY_S, "a line of each program", lambda: not _silent(container, states))


def _silent(container: Container, programs: Iterable[str]) -> list[str]:
    """Who has said nothing yet; a program may take its time to load before it speaks."""
    return [
        name
        for name in (*programs, "supervisord")
        if not any(line.startswith(name) and " | " in line for line in container.output)
    ]


def _check_failing(container: Container) -> None:
    def failing() -> list[str]:
        return list(container.ask("GET", "8000/health")[2]["failing_programs"])

    def killed_again() -> bool:
        for pid, command in container.processes().items():
            if "celery beat" in command:
                os.kill(pid, signal.SIGKILL)
        return failing() == ["beat"]

    within(60, "failing_programs: beat", killed_again)
    within(60, "beat is back", lambda: failing() == [])


def _check_session(container: Container) -> None:
    began = time.monotonic()
    started = container.ask("POST", "8000/api/session/start", {})[2]
    path = f"8000/api/session/{started['sessionId']}"

    def status() -> str:
        return str(container.ask("GET", path)[2]["status"])

    within(30, "ready", lambda: status() == "ready")
    print(f"  ready after {time.monotonic() - began:.1f} s, looked at from outside")
    os.kill(container.pid, signal.SIGTERM)
    within(10, "a drain", lambda: any("Draining" in line for line in container.output))
    time.sleep(3)
    require(status() == "ready", "the session goes on while it drains")
    began = time.monotonic()
    require(container.ask("POST", "8000/api/session/end", {"sessionId": started["sessionId"]})[0]
             == 200, "end")  # fmt: skip
    code, last = container.wait(DRAIN_S)
    print(f"  over {time.monotonic() - began:.1f} s after its last session, exit code {code}")
    require(code == 0, f"exit code {code}")
    strays = [line for line in last if "run.py" not in line and "supervisord" not in line]
    require(not strays, f"left over: {strays}")
    refused = [
        line
        for line in container.output
        if "Read-only file system" in line or "Permission denied" in line or "Traceback" in line
    ]
    require(not refused, f"it complains: {refused}")
    print(f"  in its volume: {sorted(p.name for p in container.data.iterdir())}")


def check_frontend(container: Container, root: Path) -> None:
    """The `frontend` service beside the running container, in its network."""
    with serving(container.network, root, *NGINX):
        within(10, "nginx", lambda: container.ask("GET", "8080/health")[0] == 200)
        page = container.ask("GET", "8080/", accept="text/html")
        require(page[1].startswith("text/html") and "<html" in page[2], "the page")
        require(container.ask("GET", "8080/")[2]["name"] == "Majlis", "the root for others")
        assets = list((root / "usr/share/nginx/html/assets").iterdir())
        for asset in assets:
            status, kind, _ = container.ask("GET", f"8080/assets/{asset.name}")
            require(status == 200 and ("css" in kind or "javascript" in kind), asset.name)
        require(container.ask("GET", "8080/assets/none.js")[0] == 404, "an asset that is not")
        started = container.ask("POST", "8080/api/session/start", {})
        require(started[0] == 200, f"POST through it: {started}")
        body = {"sessionId": started[2]["sessionId"]}
        require(container.ask("POST", "8080/api/session/end", body)[0] == 200, "end through it")
        print(f"  the page, {len(assets)} assets, the API")


def check_upgrade(frontend: Path, orchestrator: Path) -> None:
    """A WebSocket through nginx, to a server that echoes in the orchestrator's place."""
    with network() as alone, serving(alone, frontend, *NGINX):
        time.sleep(1)
        done = subprocess.run(
            alone.inside("chroot", str(orchestrator), "/opt/venv/bin/python", "-c", UPGRADE),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    require(done.stdout.strip() == "heard", f"a WebSocket: {done.stderr[-500:]}")
    print("  a WebSocket")


def _mirror(suite: str) -> str:
    """Where this machine's apt gets Debian from."""
    found = subprocess.run(
        [
            *("apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"),
            *("Component: main", f"Codename: {suite}", "Origin: Debian"),
        ],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.split()
    if not found:
        raise Failed(f"apt knows no source of {suite}: run apt-get update, or give --mirror")
    return found[0]


def _options() -> tuple[Options, bool]:
    parser = argparse.ArgumentParser(description="Try the container image without Docker.")
    parser.add_argument("--suite", default="bookworm", help="Debian's release")
    parser.add_argument("--mirror", help="Debian's archive; else the one that apt uses")
    parser.add_argument("--base", type=Path, help="a root from debootstrap, instead of a new one")
    parser.add_argument("--work", type=Path, help="an empty folder to work in, kept afterwards")
    parser.add_argument(
        "--bind", action="append", default=[], metavar="FILE:PATH", help="for the build: a file of"
        " this machine, such as its certificate authorities, at a path of the root",
    )  # fmt: skip
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="for the build"
    )
    given = parser.parse_args()
    kept = given.work is not None
    work = given.work or Path(tempfile.mkdtemp(prefix="majlis-image-", dir="/var/tmp"))
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o755)
    environment = dict(entry.split("=", 1) for entry in given.env)
    mirror = given.mirror or ("" if given.base else _mirror(given.suite))
    binds = tuple(given.bind)
    return Options(work.resolve(), mirror, given.suite, given.base, binds, environment), kept


def main() -> int:
    """Exit codes: 0 all is well, 1 something is not, 2 it cannot be tried here."""
    needed = ("debootstrap", "unshare", "nsenter", "setpriv", "ip")
    missing = [name for name in needed if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        print(f"Needs root and Debian; missing: {', '.join(missing) or 'root'}", file=sys.stderr)
        return 2
    options, kept = _options()
    ignored = Ignored((PROJECT / ".dockerignore").read_text().splitlines())
    build = Build(options, parse_dockerfile(DOCKERFILE.read_text()), ignored)
    try:
        build.all()
        last = build.stages[-1]
        root = build.roots[last.name]
        write_hosts(root, {"container": "127.0.0.1"})
        with network_to_nowhere() as alone:
            container = Container(last, root, options.work, alone)
            with ended(container):
                check(container, build.roots)
        print("The image does what it should.")
    except (Failed, subprocess.CalledProcessError) as error:
        print(f"FAILED: {error}")
        return 1
    finally:
        if not kept:
            shutil.rmtree(options.work)
    return 0


if __name__ == "__main__":
    sys.exit(main())
