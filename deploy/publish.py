"""Publishes ports as Docker's proxy does: `python -m deploy.publish SOURCE ADDRESS:PORT=TO:PORT …`.

What comes in on the left goes on to the right, from the address SOURCE; `/udp` at the end for UDP.
"""

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from typing import Self, cast

READ_BYTES = 1 << 16
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Published:
    """One port."""

    here: Address
    there: Address
    is_udp: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `127.0.0.1:7882=172.30.0.3:7882/udp`."""
        ports, _, kind = text.partition("/")
        here, there = (end.rsplit(":", 1) for end in ports.split("="))
        return cls((here[0], int(here[1])), (there[0], int(there[1])), kind == "udp")


async def publish(port: Published, source: str) -> "asyncio.Server | _Udp":
    """Begin. Goes on until what it returns is closed."""
    if port.is_udp:
        _, listening = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Udp(port.there, source), local_addr=port.here
        )
        return listening

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            answers, onward = await asyncio.open_connection(*port.there, local_addr=(source, 0))
            await asyncio.gather(_copy(reader, onward), _copy(answers, writer))

    return await asyncio.start_server(connected, *port.here)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.closing(writer), contextlib.suppress(OSError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()


class _Udp(asyncio.DatagramProtocol):
    """Each sender gets a socket of its own to the other side."""

    def __init__(self, there: Address, source: str) -> None:
        self._there = there
        self._source = source
        self._flows: dict[Address, asyncio.Task[asyncio.DatagramTransport]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if addr not in self._flows:
            self._flows[addr] = asyncio.create_task(self._open(addr))
        self._flows[addr].add_done_callback(lambda flow: flow.result().sendto(data))

    def close(self) -> None:
        self._transport.close()
        for flow in self._flows.values():
            flow.result().close()

    async def _open(self, sender: Address) -> asyncio.DatagramTransport:
        onward, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Answers(self._transport, sender),
            local_addr=(self._source, 0),
            remote_addr=self._there,
        )
        return onward


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, back: asyncio.DatagramTransport, sender: Address) -> None:
        self._back = back
        self._sender = sender

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._back.sendto(data, self._sender)


async def _main(source: str, *ports: str) -> None:
    kept = [await publish(Published.parse(port), source) for port in ports]
    print(f"  {len(kept)} ports published", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
