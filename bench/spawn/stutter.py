"""Whether those who talk hear it when others start: gaps in a running call's audio."""

import asyncio
import contextlib
import itertools
import time
from dataclasses import dataclass

from livekit import rtc

from bench.spawn.packets import Capture, Packet, longest_gap_s, published_as
from bench.spawn.site import PATIENCE_S, Site
from tests.clients.caller import Caller

LONG_STORY = "The quick brown fox jumps over the lazy dog while everybody listens to it. " * 13
SETTLE_S = 3.0
LOOK_EVERY_S = 0.05
SAMPLES_PER_MS = 48


@dataclass(frozen=True, slots=True)
class Look:
    """What the caller's own receiver has counted so far."""

    at: float
    late_s: float
    """By how much this process got the processor too late for the look."""
    ssrc: int
    concealed: int
    """Samples at 48 kHz that were made up as the real ones had not come; silence is left out."""


async def stutter(site: Site, starts: int, *, window_s: float) -> dict[str, object]:
    """A call in which the agent speaks on: alone for so long, then so long with the starts."""
    async with Caller.start(site.stack.url, openingLine=LONG_STORY) as caller:
        await caller.until(lambda: caller.heard.audible(), within_s=30, what="it speaks")
        track = agents_track(caller)
        await asyncio.sleep(SETTLE_S)
        with contextlib.ExitStack() as stack:
            capture = None
            with contextlib.suppress(OSError):
                capture = stack.enter_context(Capture())
            control = await _window(track, window_s)
            others = asyncio.create_task(_start_others(site, starts))
            loaded = await _window(track, window_s)
            there_s = await others
            spoke_on = caller.heard.audible()[-1] > time.monotonic() - 1.0
        await caller.end()
    packets = capture.packets if capture is not None else []
    return {
        "starts": starts,
        "all_agents_in_their_rooms_ms": round(there_s * 1000),
        "agent_spoke_throughout": spoke_on,
        "control": _figures(control, packets),
        "while_they_start": _figures(loaded, packets),
    }


def agents_track(caller: Caller) -> rtc.RemoteAudioTrack:
    """What the agent says, as the caller receives it."""
    agent = caller.room.remote_participants[caller.agent_identity]
    tracks = (publication.track for publication in agent.track_publications.values())
    return next(track for track in tracks if isinstance(track, rtc.RemoteAudioTrack))


async def _window(track: rtc.RemoteAudioTrack, for_s: float) -> list[Look]:
    looks = []
    until = time.monotonic() + for_s
    late_s = 0.0
    while time.monotonic() < until:
        looks.append(await _look(track, late_s))
        due = time.monotonic() + LOOK_EVERY_S
        await asyncio.sleep(LOOK_EVERY_S)
        late_s = time.monotonic() - due
    return looks


async def _look(track: rtc.RemoteAudioTrack, late_s: float) -> Look:
    for stats in await track.get_stats():
        if stats.WhichOneof("stats") == "inbound_rtp":
            inbound = stats.inbound_rtp
            concealed = inbound.inbound.concealed_samples - inbound.inbound.silent_concealed_samples
            return Look(time.time(), late_s, inbound.stream.ssrc, concealed)
    raise AssertionError("the receiver counts nothing")


def _figures(looks: list[Look], packets: list[Packet]) -> dict[str, object]:
    growth = [b.concealed - a.concealed for a, b in itertools.pairwise(looks)]
    began, ended, ssrc = looks[0].at, looks[-1].at, looks[-1].ssrc
    published = published_as(packets, ssrc)
    sent_s = None if published is None else longest_gap_s(packets, published, began, ended)
    return {
        "seconds": round(ended - began, 1),
        "longest_gap_between_packets_ms": _ms(longest_gap_s(packets, ssrc, began, ended)),
        "longest_gap_as_the_agent_sent_ms": _ms(sent_s),
        "this_client_was_late_by_ms": _ms(max(look.late_s for look in looks)),
        "concealed_ms": round(sum(growth) / SAMPLES_PER_MS, 1),
        "longest_concealed_ms": round(_longest_run(growth) / SAMPLES_PER_MS, 1),
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _longest_run(growth: list[int]) -> int:
    """The most samples made up in looks that follow each other."""
    longest = run = 0
    for more in growth:
        run = run + more if more else 0
        longest = max(longest, run)
    return longest


async def _start_others(site: Site, starts: int) -> float:
    began = time.monotonic()

    async def one() -> str:
        started = await site.start()
        async with site.watch(started) as watcher:
            await watcher.agent(within_s=PATIENCE_S)
        return started.session_id

    sessions = await asyncio.gather(*(one() for _ in range(starts)))
    took = time.monotonic() - began
    await asyncio.gather(*(site.end(session) for session in sessions))
    return took
