"""The stand-in for Docker's proxy, on loopback."""

import asyncio
import socket

import pytest

from deploy.publish import Published, publish

HERE = "127.0.0.1"


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(("kind", "is_udp"), [("", False), ("/udp", True)])
def test_a_published_port_is_read(kind: str, *, is_udp: bool) -> None:
    """Catches ends that are mixed up."""
    read = Published.parse(f"127.0.0.1:80=172.30.0.3:8080{kind}")
    assert read == Published((HERE, 80), ("172.30.0.3", 8080), is_udp)


async def test_connections_go_through_both_ways() -> None:
    """Catches a direction, or an end, that is lost."""

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        writer.close()

    server = await asyncio.start_server(shout, HERE, 0)
    there = server.sockets[0].getsockname()
    port = free_port(socket.SOCK_STREAM)
    async with server:
        listening = await publish(Published((HERE, port), there, is_udp=False), HERE)
        reader, writer = await asyncio.open_connection(HERE, port)
        writer.write(b"heard\n")
        async with asyncio.timeout(10):
            assert await reader.read() == b"HEARD\n"
        writer.close()
        listening.close()


async def test_each_sender_of_datagrams_has_its_own_answers() -> None:
    """Catches an answer that goes to another sender."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((HERE, 0))
        server.setblocking(False)
        port = free_port(socket.SOCK_DGRAM)
        listening = await publish(Published((HERE, port), server.getsockname(), is_udp=True), HERE)
        senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        async with asyncio.timeout(10):
            for number, sender in enumerate(senders):
                sender.setblocking(False)
                await loop.sock_sendto(sender, f"{number}".encode(), (HERE, port))
            for _ in senders:
                data, back = await loop.sock_recvfrom(server, 100)
                await loop.sock_sendto(server, data * 2, back)
            for number, sender in enumerate(senders):
                assert await loop.sock_recv(sender, 100) == f"{number}{number}".encode()
                sender.close()
        listening.close()
