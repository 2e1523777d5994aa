"""Runs the services of the compose file from roots, without Docker, with a LiveKit server of yours.

    make image-check IMAGE_CHECK="--work /var/tmp/image"
    .venv/bin/python -m deploy.try_compose --work /var/tmp/image --livekit-server FILE    (as root)

Networks, names, ports and environment are what Docker would make of the file; a person with
Chromium comes in from the machine, or from another.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.build import PROJECT
from deploy.compose import composed, published
from deploy.container import Container, ended
from deploy.dockerfile import parse_dockerfile
from deploy.network import Network, connect, network
from deploy.root import Failed, require, running, serving, step, within, write_hosts
from tests.browser.chromium import write_wav

READY_S = 120
MACHINE = "192.0.2.1"
"""The machine's address in its own network."""
ELSEWHERE = "192.0.2.9/24"
PROXY = "172.30.0.254"
"""Where what comes in by a published port comes from."""
ADDRESSES = {
    "orchestrator": "172.30.0.2",
    "livekit": "172.30.0.3",
    "redis": "172.30.0.4",
    "frontend": "172.30.0.5",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One way of starting it."""

    name: str
    variables: Mapping[str, str]
    is_routed: bool = True
    """Whether packets find their way between the machine and a container, as on Linux."""
    visited_from: str = "machine"
    """Or from `elsewhere`, which reaches the machine only."""


CASES = (
    Case("without settings", {}),
    Case("without settings, where containers cannot be reached but by their ports", {}, False),
    Case(
        "for browsers elsewhere",
        {
            "PUBLISH_ADDRESS": "0.0.0.0",  # noqa: S104
            "LIVEKIT_NODE_IP": MACHINE,
            "LIVEKIT_PUBLIC_URL": f"ws://{MACHINE}:7880",
            "LIVEKIT_API_SECRET": "x" * 40,
        },
        visited_from="elsewhere",
    ),
)


def try_case(case: Case, roots: Path, livekit_server: Path, work: Path) -> None:
    """Start everything, visit, stop."""
    services = composed(case.variables)["services"]
    with ExitStack() as stack:
        networks = stack.enter_context(_networks(services, case.is_routed))
        write_hosts(roots / "orchestrator", {"container": "127.0.0.1", **ADDRESSES})
        write_hosts(roots / "frontend", ADDRESSES)
        redis = ("sh", "-c", 'cd /tmp && exec "$@"', "redis", *services["redis"]["command"])
        # as the image's own start script has it
        redis += ("--protected-mode", "no", "--logfile", "redis.log")
        stack.enter_context(serving(networks["redis"], roots / "orchestrator", *redis))
        stack.enter_context(
            _livekit(networks["livekit"], services["livekit"], livekit_server, work)
        )
        stage = parse_dockerfile((PROJECT / "Dockerfile.orchestrator-python").read_text())[-1]
        environment = services["orchestrator"]["environment"]
        container = Container(
            stage, roots / "orchestrator", work, networks["orchestrator"], environment
        )
        stack.enter_context(ended(container))
        container.start()
        within(READY_S, "ready", lambda: any("is ready" in line for line in container.output))
        nginx = ("nginx", "-g", "daemon off;")
        stack.enter_context(serving(networks["frontend"], roots / "frontend", *nginx))
        time.sleep(1)
        _, port = published(services["frontend"])["8080"]
        quiet = write_wav(work / "quiet.wav", b"\0\0" * 32_000, 16_000)
        host = MACHINE if case.visited_from == "elsewhere" else "127.0.0.1"
        visitor = (sys.executable, "-m", "deploy.visitor", f"http://{host}:{port}", str(quiet))
        visit = networks[case.visited_from].inside(*visitor)
        done = subprocess.run(visit, cwd=PROJECT, timeout=180, check=False)
        require(done.returncode == 0, "the visit")
        hooks = [line for line in container.output if "/api/livekit/webhook" in line]
        require(any('HTTP/1.1" 200' in line for line in hooks), f"webhooks: {hooks}")
        print(f"  {len(hooks)} webhooks from LiveKit")


@contextmanager
def _networks(services: Mapping[str, Any], is_routed: bool) -> Iterator[dict[str, Network]]:
    with ExitStack() as stack:
        names = ("machine", "elsewhere", *services)
        made = {name: stack.enter_context(network()) for name in names}
        machine = made["machine"]
        machine.ip(
            "link add lan0 type bridge", "link set lan0 up", f"address add {MACHINE}/24 dev lan0"
        )
        connect(machine, "lan0", made["elsewhere"], ELSEWHERE)
        machine.ip(
            "link add docker0 type bridge",
            "address add 172.30.0.1/24 dev docker0",
            f"address add {PROXY}/24 dev docker0",
            "link set docker0 up",
        )
        ports = []
        for name, service in services.items():
            connect(machine, "docker0", made[name], f"{ADDRESSES[name]}/24")
            if is_routed:
                made[name].ip("route add default via 172.30.0.1")
            else:
                made[name].ip("route add blackhole 172.30.0.1/32")
            for inside, (address, port) in published(service).items():
                ports.append(f"{address}:{port}={ADDRESSES[name]}:{inside}")
        publish = (sys.executable, "-m", "deploy.publish", PROXY, *ports)
        stack.enter_context(running(*machine.inside(*publish), cwd=PROJECT))
        yield made


@contextmanager
def _livekit(own: Network, service: Mapping[str, Any], server: Path, work: Path) -> Iterator[None]:
    hosts = work / "hosts"
    hosts.write_text("".join(f"{address} {name}\n" for name, address in ADDRESSES.items()))
    named = 'mount --bind "$1" /etc/hosts; exec "$2"'
    command = ("unshare", "--mount", "sh", "-ec", named, "livekit", str(hosts), str(server))
    with (work / "livekit.log").open("w") as log:
        environment = {"PATH": "/usr/bin:/bin", **service["environment"]}
        with running(*own.inside(*command), env=environment, stdout=log, stderr=log):
            yield


def main() -> int:
    """Exit codes: 0 all is well, 1 something is not."""
    parser = argparse.ArgumentParser(description="Try the compose file without Docker.")
    parser.add_argument("--work", type=Path, required=True, help="that of deploy.try_image")
    parser.add_argument("--livekit-server", type=Path, required=True, help="the program")
    given = parser.parse_args()
    shutil.copytree(
        PROJECT / "documents", given.work / "orchestrator/documents", dirs_exist_ok=True
    )
    try:
        for case in CASES:
            with step(case.name), tempfile.TemporaryDirectory(dir="/var/tmp") as work:
                Path(work).chmod(0o755)
                try_case(case, given.work, given.livekit_server.resolve(), Path(work))
    except (Failed, subprocess.SubprocessError) as error:
        print(f"FAILED: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
