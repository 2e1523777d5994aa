"""Networks of their own for what is tried: a machine's, its containers', and what is between."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Network:
    """What one container, or the machine, sees of the network. It ends with its holder."""

    holder: int
    """A process that does nothing in it."""

    def inside(self, *command: str) -> list[str]:
        """The command, run in it."""
        return ["nsenter", "--target", str(self.holder), "--net", *command]

    def ip(self, *lines: str) -> None:
        """Run `ip` with the words of each line."""
        for line in lines:
            subprocess.run(self.inside("ip", *line.split()), check=True)


@contextmanager
def network() -> Iterator[Network]:
    """With loopback only."""
    wait = ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"]
    with subprocess.Popen(wait, stdout=subprocess.PIPE) as holder:
        try:
            if holder.stdout is not None:
                holder.stdout.readline()
            made = Network(holder.pid)
            made.ip("link set lo up")
            yield made
        finally:
            holder.kill()


@contextmanager
def network_to_nowhere() -> Iterator[Network]:
    """With an address that leads nowhere: WebRTC needs another than loopback's."""
    with network() as made:
        made.ip(
            "link add eth0 type veth peer name nowhere",
            "address add 192.0.2.2/24 dev eth0",
            "link set eth0 up",
            "link set nowhere up",
        )
        yield made


def connect(machine: Network, bridge: str, container: Network, address: str) -> None:
    """Give a container its `eth0`, on a bridge of the machine."""
    end = f"to-{address.rsplit('.', 1)[1].partition('/')[0]}"
    machine.ip(
        f"link add {end} type veth peer name eth0 netns {container.holder}",
        f"link set {end} master {bridge} up",
    )
    container.ip(f"address add {address} dev eth0", "link set eth0 up")
