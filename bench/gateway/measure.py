"""The measurements, each on servers that were started for it."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from bench.figures import summary_ms
from bench.gateway import work
from bench.gateway.load import Session
from bench.gateway.servers import Candidate, Server, cpu_s, running
from bench.gateway.wires import INTERRUPT, PipecatWire

TURN_S = 1.0
SETTLE_S = 0.7
GAP_S = 0.02
"""A listener hears a chunk that comes so much later than it should."""

Figures = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often there are turns, and for how long. In seconds."""

    window_s: float = 20.0
    """What comes in it counts."""
    cycle_s: float = 5.0
    """Each conversation has a turn so often; the conversations are spread over it."""
    short_cycle_s: float = 3.2
    """The same where there are few."""
    fewest_turns: int = 12
    talk_s: float = 2.5
    """How long the user talks where it is talk that costs."""

    def cycle_of(self, candidate: Candidate, count: int) -> float:
        """For so many conversations: an answer in real time fits in."""
        cycle_s = self.cycle_s if count >= 10 else self.short_cycle_s
        return max(cycle_s, TURN_S + work.ANSWER_S + 0.4) if candidate.in_real_time else cycle_s


@contextlib.asynccontextmanager
async def sessions(servers: Sequence[Server], count: int) -> AsyncIterator[list[Session]]:
    """So many conversations, spread over the servers, until the block ends."""
    opened: list[Session] = []
    try:
        for number in range(count):
            server = servers[number % len(servers)]
            opened.append(await Session.open(server.url, server.candidate.wire))
        await asyncio.sleep(SETTLE_S)
        yield opened
    finally:
        await asyncio.gather(*(session.close() for session in opened), return_exceptions=True)


async def turns(candidate: Candidate, connections: Sequence[int], pace: Pace) -> Figures:
    """From the end of a turn, as the client tells it, to the first of the answer's audio."""
    figures: Figures = {}
    speech = work.utterance(TURN_S)
    async with running(candidate) as servers:
        for count in connections:
            cycle_s = pace.cycle_of(candidate, count)
            window_s = max(pace.window_s, pace.fewest_turns * cycle_s / count)
            async with sessions(servers, count) as opened:
                first_s = await _cycles(
                    opened, speech, window_s, warm_up_s=cycle_s, cycle_s=cycle_s
                )
                figures[str(count)] = summary_ms(first_s) | _health(opened)
    return figures


async def _cycles(
    opened: Sequence[Session],
    speech: bytes,
    window_s: float,
    *,
    warm_up_s: float,
    cycle_s: float,
) -> list[float]:
    """Each has a turn in every cycle; the answers' delays in seconds, after the warm-up."""
    began = time.monotonic()
    delays: list[float] = []

    async def converse(session: Session, offset_s: float) -> None:
        await asyncio.sleep(offset_s)
        while (at := time.monotonic() - began) < warm_up_s + window_s:
            try:
                delay_s = await session.turn(speech)
            except TimeoutError:
                session.unanswered += 1
            else:
                if at >= warm_up_s:
                    delays.append(delay_s)
            await asyncio.sleep(max(0.0, at + cycle_s - (time.monotonic() - began)))

    await asyncio.gather(
        *(
            converse(session, cycle_s * number / len(opened))
            for number, session in enumerate(opened)
        )
    )
    return delays


async def interrupts(candidate: Candidate, times: int) -> Figures:
    """From a client's `interrupt` to the server's word that it has stopped."""
    took = []
    async with (
        running(candidate, {"BENCH_ANSWER_S": "8"}) as servers,
        sessions(servers, 1) as (session,),
    ):
        for _ in range(times + 1):
            await _make_it_talk(session)
            await asyncio.sleep(0.4 + random.random() * 0.2)  # noqa: S311 - any phase
            took.append(await session.stop(INTERRUPT))
            await session.quiet()
    return summary_ms(took[1:])


async def _make_it_talk(session: Session) -> None:
    if isinstance(session.wire, PipecatWire):
        # it has no typed turns
        await session.turn(work.utterance(TURN_S))
    else:
        await session.typed_turn()


async def connects(candidate: Candidate, times: int) -> Figures:
    """From a client's attempt to connect to the server's word that it is ready."""
    took = []
    async with running(candidate) as servers:
        for _ in range(times + 2):
            session = await Session.open(servers[0].url, candidate.wire)
            took.append(session.ready_after_s)
            await asyncio.sleep(0.3)
            await session.close()
    return summary_ms(took[2:])


async def cost(candidate: Candidate, count: int, pace: Pace) -> Figures:
    """Processor time a session-minute, and memory an extra session, with open microphones."""
    speech = work.utterance(pace.talk_s)
    cycle_s, window_s = pace.cycle_s, pace.window_s
    async with running(candidate) as servers:
        (server,) = servers
        async with sessions(servers, 1) as (first,):
            await first.turn(speech)
            await asyncio.sleep(pace.talk_s)
            alone_mib = server.memory_mib()
        async with sessions(servers, count) as opened:
            own = psutil.Process()
            working = asyncio.create_task(
                _cycles(opened, speech, window_s + cycle_s, warm_up_s=0, cycle_s=cycle_s)
            )
            await asyncio.sleep(cycle_s)
            server.begin()
            client_before, began = cpu_s(own), time.monotonic()
            await asyncio.sleep(window_s)
            cores = server.cores()
            client_cores = (cpu_s(own) - client_before) / (time.monotonic() - began)
            first_audio = await working
            together_mib = server.memory_mib()
            return {
                "sessions": count,
                "cpu_s_per_session_minute": round(cores * 60 / count, 2),
                "load_client_cores": round(client_cores, 2),
                "memory_mib_first_session": round(alone_mib, 1),
                "memory_mib_per_extra_session": round((together_mib - alone_mib) / (count - 1), 2),
                "end_of_speech_to_first_audio": summary_ms(first_audio),
                **_health(opened),
            }


async def real_time(candidate: Candidate, count: int, processes: int, pace: Pace) -> Figures:
    """Paced conversations over several processes: whether every chunk comes in time."""
    speech = work.utterance(TURN_S)
    cycle_s = pace.cycle_of(candidate, count)
    async with running(candidate, count=processes) as servers, sessions(servers, count) as opened:
        for server in servers:
            server.begin()
        own, began = psutil.Process(), time.monotonic()
        client_before = cpu_s(own)
        late_s: list[float] = []
        first_s: list[float] = []

        async def converse(session: Session, offset_s: float) -> None:
            await asyncio.sleep(offset_s)
            while time.monotonic() - began < pace.window_s:
                at = time.monotonic()
                first_s.append(await session.turn(speech))
                await session.answered()
                late_s.extend(session.lateness_s())
                await asyncio.sleep(max(0.0, at + cycle_s - time.monotonic()))

        await asyncio.gather(
            *(converse(session, cycle_s * number / count) for number, session in enumerate(opened))
        )
        return {
            "conversations": count,
            "processes": processes,
            "end_of_turn_to_first_audio": summary_ms(first_s),
            "chunks_late": summary_ms(late_s),
            "gaps": sum(late > GAP_S for late in late_s),
            "server_cores": [round(server.cores(), 2) for server in servers],
            "load_client_cores": round(
                (cpu_s(own) - client_before) / (time.monotonic() - began), 2
            ),
            **_health(opened),
        }


def _health(opened: Sequence[Session]) -> Figures:
    """Whether the load client itself kept up, and whether the server answered."""
    sent = sum(session.sent for session in opened)
    late = sum(session.late for session in opened)
    return {
        "client_frames_late_percent": round(100 * late / max(1, sent), 2),
        "turns_unanswered": sum(session.unanswered for session in opened),
    }
