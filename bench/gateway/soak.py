"""`make soak`: an hour of conversations over both doors, after which nothing may have grown.

    python -m bench.gateway.soak --seconds 600

Stages take no time, so that only what the gateway itself keeps can grow. Clients come, speak,
type, interrupt, send recordings of browsers and nonsense, hang up in the middle, and go. Memory of
the last quarter must be within 2 % of the second quarter's; once all have gone there must be as
many tasks of the kernel, sockets and files as before they came. Exit code 1: something grew.
"""

import argparse
import asyncio
import contextlib
import json
import random
import socket
import statistics
import sys
import time
from dataclasses import dataclass

import psutil
from websockets.exceptions import ConnectionClosed

from bench.gateway import work
from bench.gateway.servers import TURNS, Candidate, Server, running
from tests.clients import conversation, orchestrate
from tests.clients.conversation import ConversationClient, RawConversationClient
from tests.clients.orchestrate import OrchestrateClient
from tests.unit.orchestrator.gateway.recordings import as_chromium_cut_it

CLIENTS = 4
GROWTH = 0.02
WARM_UP_S = 5.0
"""Allocators and caches fill before anything is compared."""
SAMPLE_S = 0.5
QUIET_WITHIN_S = 30.0
MOST_REDIS = 24
"""The pools grow to as many as were in use at once, by a handful of clients."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds of the kernel's. Its connections to Redis are a pool of their own."""

    threads: int
    sockets: int
    files: int
    redis: int


def held(process: psutil.Process) -> Held:
    """Now. Listeners count as sockets, standard streams as files."""
    connections = process.net_connections(kind="all")
    redis = sum(connection.family is socket.AF_UNIX for connection in connections)
    return Held(
        threads=process.num_threads(),
        sockets=len(connections) - redis,
        files=process.num_fds() - len(connections),
        redis=redis,
    )


@dataclass(frozen=True, slots=True)
class Soaked:
    """What came of it. Memory in MiB."""

    seconds: float
    conversations: int
    second_quarter_mib: float
    last_quarter_mib: float
    before: Held
    after: Held

    @property
    def growth(self) -> float:
        """Of memory, from the second quarter to the last, as a share."""
        return self.last_quarter_mib / self.second_quarter_mib - 1

    def faults(self) -> list[str]:
        """What should not be."""
        found = []
        if self.growth > GROWTH:
            found.append(f"memory grew by {self.growth:.1%}")
        found += [
            f"{what} grew from {was} to {now}"
            for what, was, now in (
                ("threads", self.before.threads, self.after.threads),
                ("sockets", self.before.sockets, self.after.sockets),
                ("files", self.before.files, self.after.files),
            )
            if now > was
        ]
        if self.after.redis > MOST_REDIS:
            found.append(f"{self.after.redis} connections to Redis")
        return found


async def soak(seconds: float, candidate: Candidate = TURNS) -> Soaked:
    """Converse for so long with a server of our own."""
    async with running(candidate) as (server,):
        visitors = Visitors(f"ws://127.0.0.1:{server.port}")
        # once everything has been loaded, what it holds is what it needs
        for kind in KINDS:
            await visitors.visit(kind)
        await asyncio.sleep(1.0)
        before = held(server.process)
        await visitors.come(time.monotonic() + min(WARM_UP_S, seconds / 4))
        coming = asyncio.create_task(visitors.come(time.monotonic() + seconds))
        memory_mib = await _memory_until(coming, server)
        after = await _quiet(server, before)
    quarter = len(memory_mib) // 4
    return Soaked(
        seconds=seconds,
        conversations=visitors.count,
        second_quarter_mib=statistics.median(memory_mib[quarter : 2 * quarter]),
        last_quarter_mib=statistics.median(memory_mib[-quarter:]),
        before=before,
        after=after,
    )


async def _memory_until(done: "asyncio.Task[None]", server: Server) -> list[float]:
    samples = []
    while not done.done():
        samples.append(server.memory_mib())
        await asyncio.wait({done}, timeout=SAMPLE_S)
    done.result()
    return samples


async def _quiet(server: Server, before: Held) -> Held:
    """What it holds once it has let go of what it will."""
    deadline = time.monotonic() + QUIET_WITHIN_S
    after = held(server.process)
    while time.monotonic() < deadline and not _as_before(after, before):
        await asyncio.sleep(0.5)
        after = held(server.process)
    return after


def _as_before(after: Held, before: Held) -> bool:
    return (
        after.threads <= before.threads
        and after.sockets <= before.sockets
        and after.files <= before.files
    )


class Visitors:
    """Clients of every kind, one after the other, some at a time."""

    def __init__(self, url: str) -> None:
        self.count = 0
        self._url = url
        self._chance = random.Random(1)  # noqa: S311 - the same visitors each time
        self._recorded = as_chromium_cut_it("webm")

    async def come(self, until: float) -> None:
        """Until this time."""
        await asyncio.gather(*(self._one_after_another(until) for _ in range(CLIENTS)))

    async def _one_after_another(self, until: float) -> None:
        while time.monotonic() < until:
            await self.visit(self._chance.choice(KINDS))

    async def visit(self, kind: str) -> None:
        """One conversation."""
        self.count += 1
        visit = getattr(self, f"_{kind}")
        await visit()

    async def _speaks(self) -> None:
        async with await self._conversation() as client:
            for _ in range(2):
                began = len(client.messages)
                await client.speak(work.utterance(1.0), pace=10)
                await client.turn(after=began)

    async def _records(self) -> None:
        async with await ConversationClient.connect(
            self._url + conversation.PATH, pacing="none"
        ) as client:
            await client.ready()
            await client.send_audio(self._recorded, every_s=0.005)
            await client.end()
            await client.turn()

    async def _types_and_interrupts(self) -> None:
        async with await OrchestrateClient.connect(self._url + orchestrate.PATH) as client:
            await client.ready()
            await client.send("text", text="Go on.")
            await client.until("audio_chunk")
            await client.interrupt()
            await client.until("playback_control")

    async def _hangs_up(self) -> None:
        client = await self._conversation()
        await client.send_audio(self._recorded[:5], every_s=0)
        client.socket.transport.abort()
        await client.until_closed()
        await client.aclose()

    async def _talks_nonsense(self) -> None:
        async with await self._conversation() as client:
            with contextlib.suppress(ConnectionClosed):
                await client.socket.send("{")
                await client.send_audio([b"OggS" + bytes(500)] * 3, every_s=0)
                await client.end()
            await client.until("error")

    async def _conversation(self) -> ConversationClient:
        client = await RawConversationClient.connect(
            self._url + conversation.PATH, audio_format="pcm", pacing="none"
        )
        await client.ready()
        return client


KINDS = ("speaks", "records", "types_and_interrupts", "hangs_up", "talks_nonsense")


def main() -> int:
    """Soak and tell."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway.soak")
    parser.add_argument("--seconds", type=float, default=3600.0)
    soaked = asyncio.run(soak(parser.parse_args().seconds))
    told = {
        "seconds": soaked.seconds,
        "conversations": soaked.conversations,
        "memory_mib_second_quarter": round(soaked.second_quarter_mib, 1),
        "memory_mib_last_quarter": round(soaked.last_quarter_mib, 1),
        "growth_percent": round(soaked.growth * 100, 2),
        "held_before": str(soaked.before),
        "held_after": str(soaked.after),
        "faults": soaked.faults(),
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return 1 if soaked.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
